"""Large maps are made by a thread: taken once, and closed if nobody takes them."""

from __future__ import annotations

import errno
import os

import pytest

from pytrace.codegen.image import Image, MapImage
from pytrace.kernel import bpf, maps
from pytrace.runtime.making import Making
from pytrace.semantics.configuration import Config

LARGE = MapImage("large", "percpu_hash", 8, 8, 4096)
OTHER = MapImage("other", "hash", 256, 8, 2048)
SMALL = MapImage("small", "array", 4, 8, 1)
ON_DEMAND = MapImage("on_demand", "hash", 8, 8, 4096, flags=1)


def image(*images: MapImage) -> Image:
    return Image((), images, (), (), Config())


@pytest.mark.live
def test_maps_are_made_and_taken():
    making = Making(image(SMALL, LARGE, ON_DEMAND, OTHER))
    assert making.take("small") is making.take("on_demand") is None
    for each in (OTHER, LARGE):
        fd = making.take(each.symbol)
        assert fd is not None
        info = bpf.map_info(fd)
        assert (info.key_size, info.max_entries) == (each.key_size, each.max_entries)
        assert making.take(each.symbol) is None
        os.close(fd)
    making.close()


@pytest.mark.live
def test_what_nobody_took_is_closed():
    before = set(os.listdir("/proc/self/fd"))
    making = Making(image(LARGE, OTHER))
    taken = making.take("large")
    making.close()
    assert taken is not None
    os.close(taken)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_refusal_comes_to_who_takes_the_map(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> int:
        raise bpf.BpfError(errno.ENOMEM, "cannot create map")

    monkeypatch.setattr(maps, "map_create", refuse)
    making = Making(image(LARGE, OTHER))
    with pytest.raises(bpf.BpfError, match="cannot create map"):
        making.take("large")
    making.close()
