"""Instruction boundaries of x86-64."""

from __future__ import annotations

import platform
import shutil
import subprocess

import pytest

from pytrace.probes.instructions import instruction_length, is_boundary

CODES = [
    "90", "c3", "55", "4889e5", "f30f1efa", "e800000000", "ebfe", "0f84d4000000", "b801000000", "48b80102030405060708",
    "66b80100", "8b4508", "8b8500010000", "8b0425aabbccdd", "8b04850000000000"[:14], "8d0500000000", "c7450001000000",
    "66c745000100", "f6c101", "f7c101000000", "f7d8", "660fef c0".replace(" ", ""), "0fba2001", "c5f877", "c4e2795800",
    "c5f9700001", "62f17c48100 0".replace(" ", ""), "9b", "f3a4", "0f38f100", "660f3a0f c108".replace(" ", ""),
    "c8100000", "c20800", "a10102030405060708", "6a01", "6801020304", "69c001020304", "6bc001", "cd80", "d8c0",
]  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_the_length_of_an_instruction(code: str) -> None:
    raw = bytes.fromhex(code)
    assert instruction_length(raw + b"\x90" * 8) == len(raw)


def test_a_cut_instruction_is_an_error() -> None:
    with pytest.raises(IndexError):
        instruction_length(bytes.fromhex("0f"))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="decodes x86-64")
def test_boundaries_of_a_function() -> None:
    code = bytes.fromhex("554889e58b4508c3")
    assert [n for n in range(8) if is_boundary(code, n, 0)] == [0, 1, 4, 7]


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("objdump"), reason="needs objdump on x86-64")
def test_a_real_program_is_decoded_like_the_disassembler_does() -> None:
    listing = subprocess.run(["objdump", "-d", "--wide", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    wrong, seen = [], 0
    for line in listing.splitlines():
        columns = line.split("\t")
        if len(columns) < 3 or "(bad)" in columns[2] or columns[2].startswith(("rex", "fst", "fin", "fsa", "fcl")):
            continue
        raw = bytes.fromhex(columns[1].replace(" ", ""))
        seen += 1
        if instruction_length(raw) != len(raw):
            wrong.append(line)
    assert seen > 1000
    assert wrong == []
