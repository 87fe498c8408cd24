"""What a program was to trace has gone between compiling and loading."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytrace.codegen.image import Image
from pytrace.frozen import replace
from pytrace.probes.provider import Target
from pytrace.runtime.errors import RunError
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import I64
from tests.runtime.assemble import Assembler, ImageMaker
from tests.runtime.conftest import Ran

pytestmark = pytest.mark.live

GONE = Target("fentry", "fentry:bpf:4294967295:gone")


def image(policy: str) -> Image:
    """A begin program that asks for the end, and one for a function of a program that does not exist."""
    maker = ImageMaker(Config(missing_probes=policy))
    maker.sending("begin", maker.record("exit", (), (I64, bytes(8))))
    assembler = Assembler()
    assembler.leave()
    maker.program(GONE, assembler, "tracing")
    made = maker.image()
    begin, program = made.programs
    traced = replace(program, attach_btf="prog/4294967295/gone", expected_attach_type="trace_fentry")
    return replace(made, programs=(begin, traced))


def test_it_is_an_error(run: Callable[..., Ran]):
    with pytest.raises(RunError) as caught:
        run(image("error"))
    assert caught.value.messages[0] == "No BTF found for bpf:gone."
    assert caught.value.messages[1].startswith("Unable to attach probe: fentry:bpf:4294967295:gone.")


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_it_may_be_skipped(run: Callable[..., Ran], policy: str):
    warning = "WARNING: Unable to attach probe: fentry:bpf:4294967295:gone. Skipping.\n" if policy == "warn" else ""
    assert run(image(policy)).messages == f"{warning}Attached 1 probe\n"
