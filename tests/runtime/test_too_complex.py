"""Loops that the kernel gives up checking round by round are compiled to functions of their own."""

from __future__ import annotations

import errno

import pytest

from pytrace import run
from pytrace.cli import main
from pytrace.codegen.image import Image
from pytrace.kernel.features import loop, number_iterator
from pytrace.runtime.errors import RunError, TooComplex

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not (number_iterator() and loop()), reason="this kernel has one kind of loops"),
]

LOOP = "begin { for ($i : 0..300) { @n = count(); } printf(\"%d\\n\", (int64)@n); exit(); }"


def tried(monkeypatch: pytest.MonkeyPatch, script: str, refusals: int) -> tuple[list[Image], int]:
    """The images that a command tries when the kernel refuses the first few, and its status."""
    images: list[Image] = []
    start = run.start

    def refusing(line: object, image: Image, **how: object) -> int:
        images.append(image)
        if len(images) <= refusals:
            raise TooComplex("BPF program is too large")
        return start(line, image, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "start", refusing)
    return images, main(["--no-cache", "-q", "-e", script])


def kernel_functions(image: Image) -> set[str]:
    return {each.symbol for program in image.programs for each in program.relocations if each.kind == "kfunc"}


def test_the_script_is_compiled_again(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    images, status = tried(monkeypatch, LOOP, 1)
    assert "bpf_iter_num_new" in kernel_functions(images[0])
    assert not kernel_functions(images[1])
    assert status == 0
    assert capfd.readouterr().out.startswith("300\n")


def test_it_is_tried_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    images, status = tried(monkeypatch, LOOP, 2)
    assert (len(images), status) == (2, 255)
    assert capfd.readouterr().err == "ERROR: BPF program is too large\n"


def test_without_loops_there_is_no_other_way(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    images, status = tried(monkeypatch, "begin { exit(); }", 1)
    assert (len(images), status) == (1, 255)
    assert capfd.readouterr().err == "ERROR: BPF program is too large\n"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("BPF program is too large. Processed 1000001 insn", TooComplex),
        ("The sequence of 8193 jumps is too complex.", TooComplex),
        ("R0 invalid mem access 'scalar'", RunError),
    ],
)
def test_which_refusals_those_are(reason: str, kind: type[RunError]):
    from pytrace.compiler import compile_source
    from pytrace.diagnostics import Diagnostics, Source
    from pytrace.kernel.bpf import VerifierError
    from pytrace.runtime.refusal import refusal
    from pytrace.semantics.unit import Options

    image = compile_source(Source("script", LOOP), Options(), Diagnostics()).image
    error = VerifierError(errno.E2BIG, "begin_1", f"0: (b7) r1 = 0\n{reason}\n")
    assert type(refusal(image.programs[0], error, verbose=False)) is kind
