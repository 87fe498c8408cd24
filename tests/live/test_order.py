"""Programs at the same event run in the order of the script, whatever the way the kernel keeps them (PROBES 4).

Those at kernel functions are in tests/guest/test_order.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.builtins.syscalls import syscall_names
from tests.conftest import Done

pytestmark = pytest.mark.live

GETPPID = next((number for number, name in syscall_names().items() if name == "getppid"), 0)


@pytest.mark.parametrize("flags", [(), ("--no-feature", "uprobe_multi")], ids=["by one link", "one by one"])
@pytest.mark.parametrize("spec", ["uprobe:LOAD:load_call", "uprobe:LOAD:load_cal*", "uretprobe:LOAD:load_cal*"])
def test_functions_of_a_program(pytrace: Callable[..., Done], load: Path, spec: str, flags: tuple[str, ...]):
    probes = " ".join(f'{spec} {{ printf("{name}\\n"); }}' for name in "abc").replace("LOAD", str(load))
    done = pytrace("-q", *flags, "-e", probes, "-c", f"{load} call 3 1")
    assert done.stdout.split() == list("abc") * 3


@pytest.mark.parametrize(
    "spec",
    [
        "tracepoint:syscalls:sys_enter_getppid", "tracepoint:syscalls:sys_exit_getppid",
        "rawtracepoint:sys_enter",
    ],
)  # fmt: skip
def test_events_of_the_kernel(pytrace: Callable[..., Done], load: Path, spec: str):
    number = f"args.id == {GETPPID}" if spec.startswith("raw") else "true"
    condition = f'comm == "load" && {number}'
    probes = " ".join(f'{spec} /{condition}/ {{ printf("{name}\\n"); }}' for name in "abc")
    done = pytrace("-q", "-e", probes, "-c", f"{load} getppid 3 1")
    assert done.stdout.split() == list("abc") * 3


def test_static_probes_of_a_program(pytrace: Callable[..., Done], build: Callable[..., Path]):
    probed = build("probed")
    probes = " ".join(f'usdt:{probed}:demo:tick {{ printf("{name}\\n"); }}' for name in "abc")
    done = pytrace("-q", "-e", probes, "-c", f"{probed} 3")
    assert [line for line in done.stdout.split() if line.isalpha()] == list("abc") * 3
