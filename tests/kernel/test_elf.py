"""ELF files and their static probes."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel import elf
from pytrace.kernel.elf import Elf, ElfError
from pytrace.kernel.operands import UsdtArgument, read_arguments
from pytrace.kernel.usdt import usdt_probes

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


@needs_gcc
def test_functions_are_those_of_nm(traced: Callable[..., Path]):
    path = traced("functions")
    listed = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout
    expected = {(m[2], int(m[1], 16)) for m in re.finditer(r"^([0-9a-f]+) [tT] (leaf|hidden|main)$", listed, re.M)}
    found = {(s.name, s.address) for s in Elf(str(path)).functions()}
    assert len(expected) == 3
    assert expected <= found
    assert "global_int" not in {name for name, _ in found}


@needs_gcc
def test_places_in_the_file(traced: Callable[..., Path]):
    path = traced("functions")
    file = Elf(str(path))
    symbol = file.function("leaf")
    assert symbol is not None
    assert symbol.size > 0
    offset = file.file_offset(symbol.address)
    assert offset is not None
    assert file.address_of(offset) == symbol.address
    assert file.function_at(symbol.address + symbol.size - 1) == symbol
    assert file.function_at(symbol.address + symbol.size) != symbol
    assert file.file_offset(1 << 40) is None
    assert file.address_of(1 << 40) is None


@needs_gcc
def test_variables(traced: Callable[..., Path]):
    file = Elf(str(traced("functions")))
    number, byte = file.symbol("global_int"), file.symbol("global_byte")
    assert number is not None
    assert byte is not None
    assert (number.size, byte.size) == (4, 1)
    assert file.function("global_int") is None
    assert file.symbol("nosuch") is None


@needs_gcc
def test_kinds_of_programs(traced: Callable[..., Path]):
    assert Elf(str(traced("functions", "-pie"))).relocatable
    fixed = traced("functions", "-no-pie")
    assert not Elf(str(fixed)).relocatable
    assert Elf(str(traced("functions", "-s"))).function("leaf") is None
    assert elf.is_executable(str(fixed))
    fixed.chmod(0o644)
    assert not elf.is_executable(str(fixed))
    fixed.chmod(0o755)


@needs_gcc
def test_build_ids(traced: Callable[..., Path], tmp_path: Path):
    path = traced("functions", "-Wl,--build-id=0xdeadbeef")
    assert Elf(str(path)).build_id == b"\xde\xad\xbe\xef"
    assert elf.build_id(str(path)) == b"\xde\xad\xbe\xef"
    assert elf.build_id(str(traced("functions", "-Wl,--build-id=none"))) is None
    assert elf.build_id(str(tmp_path / "nosuch")) is None


def test_what_is_no_elf_file(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" + "exit 0\n" * 20)
    script.chmod(0o755)
    with pytest.raises(ElfError, match="not a 64-bit little-endian ELF file"):
        Elf(str(script))
    assert not elf.is_executable(str(script))
    empty = tmp_path / "empty"
    empty.touch()
    for path, error in ((empty, ElfError), (tmp_path, IsADirectoryError), (tmp_path / "nosuch", FileNotFoundError)):
        with pytest.raises(error):
            Elf(str(path))
        assert not elf.is_executable(str(path))


@needs_gcc
@pytest.mark.parametrize("keep", [64, 100, 900, 5000])
def test_a_file_that_is_cut_short(traced: Callable[..., Path], tmp_path: Path, keep: int):
    path = tmp_path / "cut"
    path.write_bytes(traced("functions").read_bytes()[:keep])
    with pytest.raises(ElfError):
        Elf(str(path))


@needs_gcc
def test_a_file_with_some_bytes_changed(traced: Callable[..., Path], tmp_path: Path):
    """Whatever a file says, reading it ends, with an answer or an `ElfError`."""
    original = traced("static_probes").read_bytes()
    sections = int.from_bytes(original[40:48], "little")
    path, chance = tmp_path / "changed", random.Random(7)
    for _ in range(400):
        data = bytearray(original)
        for _ in range(chance.randint(1, 6)):
            # Where the tables are: the head, the program headers, the section headers at the end.
            first, last = chance.choice([(16, 64), (64, 800), (sections, len(data)), (0, len(data))])
            data[chance.randrange(first, last)] = chance.choice((0, 1, 255, chance.randrange(256)))
        path.write_bytes(data)
        with contextlib.suppress(ElfError):
            file = Elf(str(path))
            file.functions()
            file.function_at(0x1139)
            assert file.build_id is None or isinstance(file.build_id, bytes)
            usdt_probes(Elf(str(path)))


def test_libraries_by_short_name():
    full = elf.find_library("libc")
    if full is None:
        pytest.skip("no dynamic loader's cache")
    assert os.path.basename(full).startswith("libc")
    assert elf.find_library("libc.so.6") == full
    assert elf.is_executable(full)
    assert elf.find_library("libnosuch") is None
    mapped = elf.find_library("libc", os.getpid())
    assert mapped is not None
    assert os.path.samefile(mapped, full)


@needs_gcc
def test_static_probes(traced: Callable[..., Path]):
    path = str(traced("static_probes"))
    file = Elf(path)
    semaphore = file.symbol("app_counted_semaphore")
    assert semaphore is not None
    probes = {probe.name: probe for probe in usdt_probes(Elf(path))}
    assert sorted(probes) == ["counted", "plain", "values"]
    assert {probe.provider for probe in probes.values()} == {"app"}
    assert [len(probes[name].locations) for name in ("counted", "plain", "values")] == [1, 1, 2]
    (counted,) = probes["counted"].locations
    assert counted.semaphore == file.file_offset(semaphore.address)
    assert probes["plain"].locations[0].semaphore == 0
    data = Path(path).read_bytes()
    for probe in probes.values():
        for place in probe.locations:
            assert data[place.offset] == 0x90  # the nop that a probe is
            assert file.file_offset(place.address) == place.offset


@needs_gcc
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the arguments are x86-64's")
def test_arguments_of_static_probes(traced: Callable[..., Path]):
    path = str(traced("static_probes"))
    probes = {probe.name: probe for probe in usdt_probes(Elf(path))}
    arguments = {
        name: [read_arguments(place.arguments, "x86_64") for place in probe.locations] for name, probe in probes.items()
    }
    assert arguments["plain"] == [()]
    assert arguments["values"] == [
        (
            UsdtArgument(4, True, register="di"), UsdtArgument(8, False, register="si", displacement=0),
            UsdtArgument(8, False, register="si", displacement=8), UsdtArgument(1, True, constant=-7),
        ),
        (
            UsdtArgument(4, True, register="ax"),
            UsdtArgument(8, False, register="dx", displacement=-8, index_register="cx", scale=8),
            UsdtArgument(2, False, register="bx"), UsdtArgument(8, False, constant=5),
        ),
    ]


@needs_gcc
def test_a_program_without_static_probes(traced: Callable[..., Path]):
    assert usdt_probes(Elf(str(traced("functions")))) == []
