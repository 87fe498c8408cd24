"""Operands of static probes, in all the forms that assemblers write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.kernel.operands import UsdtArgument, read_arguments
from pytrace.probes.registers import registers

U = UsdtArgument
X86 = {
    # registers of every width
    "-8@%rax": U(8, True, register="ax"), "4@%eax": U(4, False, register="ax"), "2@%ax": U(2, False, register="ax"),
    "-1@%al": U(1, True, register="ax"), "1@%ah": U(1, False, register="ax", first=1),
    "1@%sil": U(1, False, register="si"), "8@%rsp": U(8, False, register="sp"), "1@%bpl": U(1, False, register="bp"),
    "8@%r8": U(8, False, register="r8"), "4@%r9d": U(4, False, register="r9"), "2@%r15w": U(2, False, register="r15"),
    "1@%r10b": U(1, False, register="r10"), "-4@%edi": U(4, True, register="di"),
    # constants, in their width
    "4@$0": U(4, False, constant=0), "-4@$-1": U(4, True, constant=-1), "4@$-1": U(4, False, constant=0xFFFFFFFF),
    "-1@$255": U(1, True, constant=-1), "8@$0x10": U(8, False, constant=16), "4@$010": U(4, False, constant=8),
    "-8@$-9223372036854775808": U(8, True, constant=-(1 << 63)),
    # memory
    "8@(%rsi)": U(8, False, register="si", displacement=0), "8@-8(%rbp)": U(8, False, register="bp", displacement=-8),
    "-4@0x1c(%rsp)": U(4, True, register="sp", displacement=28),
    "8@(%rax,%rbx)": U(8, False, register="ax", displacement=0, index_register="bx"),
    "2@-6(%r10,%r11,2)": U(2, False, register="r10", displacement=-6, index_register="r11", scale=2),
    "8@16(,%rcx,8)": U(8, False, displacement=16, index_register="cx", scale=8),
    # symbols
    "4@counter(%rip)": U(4, False, register="ip", displacement=0, symbol="counter"),
    "4@table+12(%rip)": U(4, False, register="ip", displacement=12, symbol="table"),
    "4@hidden.0-4(%rip)": U(4, False, register="ip", displacement=-4, symbol="hidden.0"),
    "8@table(,%rax,8)": U(8, False, displacement=0, index_register="ax", scale=8, symbol="table"),
    "8@counter": U(8, False, displacement=0, symbol="counter"),
    # an old note, without a size
    "%edx": U(8, True, register="dx"),
}  # fmt: skip
A64 = {
    "-8@x0": U(8, True, register="r0"), "4@w21": U(4, False, register="r21"), "8@sp": U(8, False, register="sp"),
    "8@x30": U(8, False, register="r30"), "8@fp": U(8, False, register="r29"), "8@xzr": U(8, False, constant=0),
    "-4@5": U(4, True, constant=5), "-4@#-5": U(4, True, constant=-5),
    "8@[sp]": U(8, False, register="sp", displacement=0),
    "8@[sp, 16]": U(8, False, register="sp", displacement=16),
    "-4@[x29, #-20]": U(4, True, register="r29", displacement=-20),
    "8@[x1, x2]": U(8, False, register="r1", displacement=0, index_register="r2"),
    "8@[x1, x2, lsl #3]": U(8, False, register="r1", displacement=0, index_register="r2", scale=8),
    "8@[x1,x2,lsl 2]": U(8, False, register="r1", displacement=0, index_register="r2", scale=4),
}  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "text", "argument"),
    [*(("x86_64", *item) for item in X86.items()), *(("aarch64", *item) for item in A64.items())],
)
def test_every_form(machine: str, text: str, argument: UsdtArgument):
    assert read_arguments(text, machine) == (argument,)


@pytest.mark.parametrize(("machine", "table"), [("x86_64", X86), ("aarch64", A64)])
def test_blanks_within_operands_do_not_separate_them(machine: str, table: dict[str, UsdtArgument]):
    texts = [text for text in table if "@" in text]
    assert read_arguments(" ".join(texts), machine) == tuple(table[text] for text in texts)


@pytest.mark.parametrize(
    ("machine", "operand"),
    [
        ("x86_64", "8f@%xmm0"), ("x86_64", "8@%xmm1"), ("x86_64", "4@8(%xmm0)"), ("x86_64", "16@%rax"),
        ("x86_64", "8@%fs:16"), ("x86_64", "8@8(%rip)"), ("x86_64", "8@$symbol"), ("x86_64", "8@(%rax,%rbx,3)"),
        ("x86_64", "4@$09"), ("x86_64", "2@%ah"), ("x86_64", "8@"), ("x86_64", "8@()"), ("x86_64", "8@1234"),
        ("aarch64", "8f@d0"), ("aarch64", "4@s1"), ("aarch64", "8@x31"), ("aarch64", "8@[w1]"), ("aarch64", "8@[x1"),
        ("riscv64", "8@a0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_stays_alone(machine: str, operand: str):
    """What a probe cannot get at does not hide the arguments around it."""
    sign = "$" if machine == "x86_64" else ""
    before, unknown, after = read_arguments(f"-4@{sign}1 {operand} -4@{sign}2", machine)
    assert unknown.unknown == operand.partition("@")[2] or not unknown.unknown
    assert unknown.constant is None and not unknown.register and not unknown.symbol
    if machine != "riscv64":
        assert (before.constant, after.constant) == (1, 2)


_CHARACTERS = "-+0123456789f@%$()[],.# \t_abcdeghilmnopqrstuvwxyz"


@given(st.text(_CHARACTERS, max_size=60), st.sampled_from(["x86_64", "aarch64"]))
def test_any_text_has_an_answer(text: str, machine: str):
    """Notes belong to whoever made the file."""
    for argument in read_arguments(text, machine):
        known = argument.register or argument.index_register or argument.symbol
        assert bool(known) + (argument.constant is not None) <= 1
        assert argument.size in (1, 2, 4, 8) or not known
        if machine == "x86_64" and argument.register:
            assert argument.register in registers().names or registers().arch != "x86_64"
