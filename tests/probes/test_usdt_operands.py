"""Arguments of static probes, wherever the compiler left them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = [
    pytest.mark.live, pytest.mark.skipif(os.uname().machine != "x86_64", reason="the operands are x86-64's"),
]
Pytrace = Callable[..., Done]


@pytest.fixture(params=["-pie", "-no-pie"])
def operands(request: pytest.FixtureRequest, build: Callable[..., Path]) -> Path:
    """Code that is loaded anywhere, and code whose addresses are fixed."""
    return build("operands", "-fPIE", request.param, name=f"operands{request.param}")


@pytest.mark.parametrize(
    ("probe", "values"),
    [
        ("registers", [-1, -128, -32513, 33023, 33023, 0x34, 0x12, 0xCD]),
        ("memory", [100, -300, 100, 200, 0xFFFFFED4, 100]),
        ("symbols", [0x1122334455667788, 0x11223344, -20]),
        ("constants", [-1, 0xFFFFFFFF, -1, 249, 16, -5, 0, 0, 0]),
    ],
)
def test_values(pytrace: Pytrace, operands: Path, probe: str, values: list[int]):
    """Values are extended by the sign of the note; an argument that is not there reads as 0."""
    numbers = range(len(values))
    text = " ".join("%lld" for _ in numbers)
    program = f'usdt:{operands}:ops:{probe} {{ printf("{text}\\n", {", ".join(f"arg{n}" for n in numbers)}); }}'
    done = pytrace("-q", "-e", program, "-c", str(operands))
    assert done.stdout.split() == [str(value) for value in values] * 2, done.stderr


def test_what_cannot_be_read_leaves_the_others(pytrace: Pytrace, operands: Path):
    target = f"usdt:{operands}:ops:floating"
    done = pytrace("-q", "-e", f'{target} {{ printf("%d %d\\n", arg1, arg3); }}', "-c", str(operands))
    assert done.stdout.split() == ["3", "7"] * 2
    done = pytrace("-e", f"{target} {{ print(arg2); }}", status=1)
    assert f"ERROR: arg2 of {target} cannot be read: '%xmm1' is not a general register" in done.stderr


def test_symbols_of_a_stripped_program_are_in_its_debug_file(pytrace: Pytrace, operands: Path, tmp_path: Path):
    stripped = tmp_path / "stripped"
    subprocess.run(["objcopy", "--only-keep-debug", operands, tmp_path / "kept"], check=True)
    subprocess.run(["strip", "--keep-section=.note.stapsdt", "-o", stripped, operands], check=True)
    program = f"usdt:{stripped}:ops:symbols {{ print((int64)arg2); }}"
    refused = pytrace("-e", program, status=1)
    assert "cannot be read: the symbol 'table' is not in the file" in refused.stderr
    subprocess.run(["objcopy", f"--add-gnu-debuglink={tmp_path / 'kept'}", stripped], check=True)
    assert pytrace("-q", "-e", program, "-c", str(stripped)).stdout.split() == ["-20"] * 2
