"""Machine code in this process, and the addresses of memory."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from pytrace.codegen.llvm import compile_host
from pytrace.kernel.clib import addressof, c_char
from pytrace.kernel.code import Code, address_of_view
from pytrace.kernel.object_file import read_object

DOUBLE = "define i64 @double(ptr %at) {\n %v = load i64, ptr %at\n %w = add i64 %v, %v\n ret i64 %w\n}\n"


def machine_code() -> bytes:
    return next(section.data for section in read_object(compile_host(DOUBLE)).sections if section.name == ".text")


def permissions(address: int) -> str:
    """Of the pages there; "" if there are none."""
    with open("/proc/self/maps", encoding="ascii") as file:
        for line in file:
            place, flags, *_ = line.split()
            first, last = (int(number, 16) for number in place.split("-"))
            if first <= address < last:
                return flags
    return ""


def test_code_runs_and_is_never_writable() -> None:
    code, value = Code(machine_code(), 0), bytearray((1 << 62).to_bytes(8, "little"))
    assert code.call(addressof(c_char.from_buffer(value))) == 1 << 63
    assert permissions(code._address) == "r-xp"
    code.close()
    assert permissions(code._address) != "r-xp"


@pytest.mark.parametrize("entry", [-1, 100_000])
def test_a_beginning_outside_of_the_code(entry: int) -> None:
    with pytest.raises(OSError):
        Code(machine_code(), entry)


def test_no_code() -> None:
    with pytest.raises(OSError):
        Code(b"", 0)


def test_the_address_of_memory_that_is_read_only() -> None:
    data = os.urandom(64)
    buffer = bytearray(64)
    code = Code(machine_code(), 0)
    with mmap.mmap(-1, 4096) as memory:
        memory[:64] = data
        fixed = memoryview(memory).toreadonly()[8:]
        assert code.call(address_of_view(fixed)) == 2 * int.from_bytes(data[8:16], "little") % (1 << 64)
        fixed.release()
    assert address_of_view(memoryview(buffer)) == addressof(c_char.from_buffer(buffer))
    with pytest.raises(TypeError):
        address_of_view(3)  # type: ignore[arg-type]
    code.close()


def test_the_same_where_python_has_other_names() -> None:
    """`_ctypes` is not a documented module."""
    program = (
        "import ctypes, _ctypes; del _ctypes.FUNCFLAG_PYTHONAPI\n"
        "from pytrace.kernel import clib; assert clib.c_char is ctypes.c_char\n"
        "from tests.kernel import test_code as t\n"
        "t.test_code_runs_and_is_never_writable(); t.test_the_address_of_memory_that_is_read_only()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
