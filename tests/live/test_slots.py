"""Keys that come and go are kept in slots or in a hash, and are one map to everybody (`codegen/slots.py`).

Multiplied by `SAME` small numbers become keys that all share one slot.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = pytest.mark.live

SAME = pow(0x9E3779B1, -1, 1 << 32)
MASK = (1 << 32) - 1
CALLS = 200_000
RAW = "rawtracepoint:sys_enter /pid == cpid && args.id == 110/"
"""System call getppid on x86-64; raw tracepoints are interrupted by profiling probes."""


def entries(text: str, name: str = "m") -> dict[int, int]:
    found: dict[int, int] = {}
    for key, value in re.findall(rf"^@{name}\[(\d+)\]: (-?\d+)$", text, re.MULTILINE):
        assert int(key) not in found
        found[int(key)] = int(value)
    return found


def number(text: str, name: str) -> int:
    found = re.search(rf"^@{name}: (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.parametrize(("keys", "factor"), [(5, SAME), (40, SAME), (40, 1), (3000, 1), (3000, SAME)])
@pytest.mark.parametrize("value", ["uint64", "int32", "uint8"])
def test_it_is_a_map(pytrace: Callable[..., Done], keys: int, factor: int, value: str):
    """A few thousand random operations, against a dictionary."""
    rounds = 6000
    done = pytrace("-q", "--no-warnings", "-e", f"""begin {{
        $x = (uint64)12345; @sum = (uint64)0;
        for ($i : 0..{rounds}) {{
            $x = ($x * 1103515245 + 12345) & 0x7fffffff;
            $k = (uint32)((($x >> 8) % {keys}) * {factor});
            $op = ($x >> 4) & 3;
            if ($op == 0) {{ @m[$k] = ({value})($x >> 3); }}
            if ($op == 1) {{ if (delete(@m, $k)) {{ @sum += 7; }} }}
            if ($op == 2) {{ @sum += (uint64)(uint8)@m[$k]; }}
            if ($op == 3) {{ if (has_key(@m, $k)) {{ @sum += 13; }} }}
        }}
        exit();
    }}""")  # fmt: skip
    bits, signed = int(value.lstrip("uint")), value[0] == "i"
    x, total, model = 12345, 0, dict[int, int]()
    for _ in range(rounds):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        key, op = (x >> 8) % keys * factor & MASK, x >> 4 & 3
        if op == 0:
            model[key] = (x >> 3) & ((1 << bits) - 1)
        elif op == 1:
            total += 7 if model.pop(key, None) is not None else 0
        elif op == 2:
            total += model.get(key, 0) & 255
        elif op == 3:
            total += 13 * (key in model)
    if signed:
        model = {key: each - (1 << bits) if each >> bits - 1 else each for key, each in model.items()}
    assert model and entries(done.stdout) == model
    assert number(done.stdout, "sum") == total


@pytest.mark.parametrize("factor", [1, SAME])
def test_it_is_as_large_as_it_is(pytrace: Callable[..., Done], factor: int):
    """4096 elements have room, wherever they are; then only where one was deleted."""
    done = pytrace("-q", "-e", f"""begin {{
        for ($i : 0..4100) {{ @m[(uint32)($i * {factor})] = $i; }}
        delete(@m, (uint32)(77 * (uint64){factor}));
        @m[(uint32)(5 * (uint64){factor})] = -5;
        @m[(uint32)(5000 * (uint64){factor})] = 5000;
        @m[(uint32)(5001 * (uint64){factor})] = 5001;
        exit();
    }}""")  # fmt: skip
    expected = {key * factor & MASK: key for key in (*range(4096), 5000) if key != 77}
    expected[5 * factor & MASK] = -5
    assert entries(done.stdout) == expected
    assert re.search(r"\b5 \w+.*@m", done.stderr), done.stderr


def test_free_slots_are_no_room_in_a_full_map(pytrace: Callable[..., Done]):
    """4000 elements in the hash, for they share a slot: of 200 others 96 have room."""
    done = pytrace("-q", "--no-warnings", "-e", f"""begin {{
        for ($i : 0..4000) {{ @m[(uint32)($i * {SAME})] = $i; }}
        for ($i : 1..201) {{ @m[(uint32)$i] = -$i; }}
        if (delete(@m, (uint32)(3 * (uint64){SAME}))) {{ @m[(uint32)999999] = 7; @m[(uint32)999998] = 7; }}
        exit();
    }}""")  # fmt: skip
    expected = {key * SAME & MASK: key for key in range(4000) if key != 3}
    expected |= {key: -key for key in range(1, 97)} | {999999: 7}
    assert entries(done.stdout) == expected


def test_what_is_not_there_is_said(pytrace: Callable[..., Done]):
    script = "begin { @m[(uint32)1] = 1; if (delete(@m, (uint32)1)) { print(@m[(uint32)1]); } exit(); }"
    done = pytrace("-q", "-k", "-e", script)
    assert done.stdout.strip() == "0"
    assert "lookup" in done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls")
@pytest.mark.parametrize("factor", [1, SAME])
def test_two_processors_and_interrupts(pytrace: Callable[..., Done], load: Path, factor: int):
    """Every element is there until its probe deletes it, three events later, and no longer."""
    check = """
        @m[$k] = $j + 1;
        if (@m[$k] != $j + 1) { @wrong = count(); }"""
    done = pytrace("-q", "-e", f"""{RAW} {{
        $i = args.regs->di; $t = args.regs->si;
        $j = $i * 2 + $t; $k = (uint32)($j * {factor}); {check}
        if ($i >= 3) {{
            $old = (uint32)(($j - 6) * {factor});
            if (@m[$old] != $j - 5) {{ @wrong = count(); }}
            if (delete(@m, $old)) {{ @deleted = count(); }}
            if (has_key(@m, $old)) {{ @wrong = count(); }}
        }}
    }}
    profile:us:100 {{
        $j = (uint64)(0x100000 + cpu); $k = (uint32)($j * {factor}); {check}
        if (!delete(@m, $k)) {{ @wrong = count(); }}
        if (@m[$k] != 0) {{ @wrong = count(); }}
        @interrupts = count();
    }}
    interval:ms:3 {{ print(@m); }}""", "-c", f"{load} getppid {CALLS} 2")  # fmt: skip
    assert number(done.stdout, "wrong") == 0, done.stdout[-1000:]
    assert number(done.stdout, "deleted") == 2 * (CALLS - 3)
    assert number(done.stdout, "interrupts") > 100
    ends = done.stdout.rpartition("\n@deleted")[2]
    left = [j for i in range(CALLS - 3, CALLS) for j in (2 * i, 2 * i + 1)]
    assert entries(ends) == {j * factor & MASK: j + 1 for j in left}
    assert "Lost" not in done.stderr and "lost" not in done.stderr, done.stderr
    for key, value in re.findall(r"^@m\[(\d+)\]: (\d+)$", done.stdout, re.MULTILINE):
        assert (int(value) - 1) * factor & MASK == int(key)


@pytest.mark.parametrize("keys", [1, 3])
def test_two_processors_for_the_same_keys(pytrace: Callable[..., Done], load: Path, keys: int):
    """Whose value it is may be anybody's, but never another key's; and what is deleted was set."""
    done = pytrace("-q", "-e", f"""tracepoint:syscalls:sys_enter_getppid /pid == cpid/ {{
        $j = (uint64)(nsecs >> 4) % {keys}; $k = (uint32)($j * {SAME});
        if (nsecs & 8) {{ @m[$k] = $j * 1000 + cpu; @sets = count(); }}
        if (nsecs & 16) {{ if (delete(@m, $k)) {{ @deleted = count(); }} }}
        $v = @m[$k];
        if ($v / 1000 != $j && $v != 0) {{ @wrong = count(); }}
    }}""", "-c", f"{load} getppid {CALLS} 2")  # fmt: skip
    # Where the hash comes into it: the kernel may give an element to another key while it is being read.
    assert number(done.stdout, "wrong") <= (0 if keys == 1 else 5)
    assert "lost" not in done.stderr, done.stderr
    assert 0 < number(done.stdout, "deleted") <= number(done.stdout, "sets")
    for key, value in entries(done.stdout).items():
        assert value // 1000 * SAME & MASK == key


@pytest.mark.parametrize(
    ("script", "slotted"),
    [
        ("begin { @m[tid] = 1; delete(@m, tid); }", True),
        ("begin { @m[tid] = 1; } end { print(@m); if (has_key(@m, tid)) { delete(@m, tid); } }", True),
        ("begin { @m[tid] = 1; }", False),  # they do not go
        ("begin { @m[nsecs] = 1; delete(@m, nsecs); }", False),  # more than 32 bits
        ("begin { @m[tid] = comm; delete(@m, tid); }", False),
        ("begin { @m[tid]++; delete(@m, tid); }", False),
        ("begin { @m[tid] = 1; delete(@m, tid); clear(@m); }", False),
        ("begin { @m[tid] = 1; delete(@m, tid); for ($kv : @m) { print($kv); } }", False),
        ("begin { @m[tid] = 1; delete(@m, tid); print(len(@m)); }", False),
        ("config = { max_map_keys = 4000 } begin { @m[tid] = 1; delete(@m, tid); }", False),
    ],
)
def test_which_maps_have_slots(pytrace: Callable[..., Done], script: str, slotted: bool):
    done = pytrace("-d", "dis", "--dry-run", "-e", script)
    assert ("AT_m.slots" in done.stdout) == slotted, done.stdout
