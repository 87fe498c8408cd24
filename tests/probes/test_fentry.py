"""`fentry` and `fexit`: every call is counted, on kernels that allow it; arguments are typed by BTF."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pytrace.kernel.syscall import BpfError
from pytrace.semantics.types import I64
from tests.probes.support import args_of, context_of, counting_program, hits, targets_of

pytestmark = [pytest.mark.live, pytest.mark.guest]

READS = 50


def read_own_status() -> None:
    """Reads a file `READS` times, through vfs_read."""
    fd = os.open("/proc/self/comm", os.O_RDONLY)
    for _ in range(READS):
        os.pread(fd, 1, 0)
    os.close(fd)


@pytest.fixture
def trampolines() -> Iterator[None]:
    try:
        counter, program = counting_program(targets_of("f:vfs_read"))
    except BpfError as error:
        pytest.skip(f"this kernel refuses fentry: {error.strerror}")
    os.close(counter)
    os.close(program)
    yield


@pytest.mark.usefixtures("trampolines")
@pytest.mark.parametrize("header", ["f:vfs_read", "fexit:vfs_read", "f:vmlinux:vfs_read"])
def test_a_trampoline_counts_every_call(header: str) -> None:
    places, count = hits(header, read_own_status)
    assert places == 1
    assert count >= READS


@pytest.mark.usefixtures("trampolines")
def test_trampolines_of_several_functions() -> None:
    places, count = hits("f:vfs_rea*", read_own_status)
    assert places == len(targets_of("f:vfs_rea*")) > 1
    assert count >= READS


def test_arguments_and_result_of_a_function() -> None:
    entry, leave = context_of("f:vfs_read"), context_of("fexit:vfs_read")
    assert list(args_of(entry)) == list(args_of(leave)) == ["file", "buf", "count", "pos"]
    assert args_of(entry)["file"].trusted
    assert not args_of(entry)["count"].trusted
    assert entry.retval is None
    assert leave.retval is not None
    assert (leave.retval.type, leave.retval.offset) == (I64, 32)
    assert leave.args_printable


def test_a_function_without_a_result_has_no_retval() -> None:
    context = context_of("fexit:kfree")
    assert context.retval is None
    assert "$retval" in context.retval_error
