"""What the kernel knows of the programs of a script: their whole names, by which others find and trace them."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys

import pytest

from pytrace.kernel import links
from pytrace.probes.kernel_btf import program_functions
from tests.conftest import ROOT

pytestmark = pytest.mark.live


def own_functions(descriptors_of: int) -> dict[int, dict[str, int]]:
    """The functions of the programs that a process holds, by the program's id."""
    found = {}
    for path in glob.glob(f"/proc/{descriptors_of}/fdinfo/*"):
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read()
        if "prog_type" in text and (match := re.search(r"^prog_id:\s+(\d+)", text, re.MULTILINE)):
            found[int(match[1])] = program_functions(int(match[1]))
    return found


def types_of(program: int) -> int:
    """The id of a program's type information."""
    fd = links.fd_by_id("prog", program)
    try:
        return links.prog_info(fd).btf_id
    finally:
        os.close(fd)


def test_every_program_has_its_name_as_a_type():
    script = (
        "tracepoint:syscalls:sys_enter_getppid { @a = count(); @m[1] = 1; for ($kv : @m) { @m[$kv.0] = 2; } }"
        " interval:s:100 { @b = count(); } rawtracepoint:sched_switch { @c = count(); }"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytrace", "-e", script], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == "Attached 3 probes\n"
            found = own_functions(process.pid)
            types = set(map(types_of, found))
        finally:
            process.terminate()
    names = sorted(next(iter(functions)) for functions in found.values())
    assert names == [
        "interval_s_100_2", "rawtracepoint_vmlinux_sched_switch_3", "tracepoint_syscalls_sys_enter_getppid_1",
    ]
    assert len(types) == 1 and 0 not in types
