"""What is said about maps that the kernel will not make."""

from __future__ import annotations

import errno

import pytest

from pytrace.codegen.image import MapImage
from pytrace.runtime import loading
from pytrace.runtime.errors import RunError
from pytrace.semantics.types import I64
from tests.runtime.assemble import ImageMaker


def load(key_size: int, entries: int) -> None:
    maker = ImageMaker()
    maker.counter("@calls", I64)
    maker.maps = [MapImage("map_0", "hash", key_size, 16, entries, script_map=0)]
    loading.load(maker.image(), loading.SessionValues(0, 0))


def test_more_keys_than_a_map_can_have() -> None:
    """Refused before the kernel is asked, by the name that the script gave it."""
    with pytest.raises(RunError, match="@calls: more than 4294967295 keys"):
        load(8, 2**32)


@pytest.mark.parametrize(("key_size", "said"), [(1024, "its keys have 1024 bytes"), (512, "Argument list too long")])
def test_keys_that_the_kernel_finds_too_large(monkeypatch: pytest.MonkeyPatch, key_size: int, said: str) -> None:
    """Old kernels take keys of 512 bytes; the message says so where that can be the reason."""

    def refuse(*args: object, **kwargs: object) -> int:
        raise loading.bpf.BpfError(errno.E2BIG, "cannot create map")

    monkeypatch.setattr(loading.bpf, "map_create", refuse)
    with pytest.raises(RunError, match=said):
        load(key_size, 10)
