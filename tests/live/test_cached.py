"""Aggregations by short keys: CPUs have tables in front of the hash, and nobody can tell (`codegen/cached.py`)."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.codegen import generate
from pytrace.compiler import check
from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.semantics.unit import Options
from pytrace.source import Source
from tests.codegen.harness import kernel
from tests.conftest import Done

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls"),
]

CALLS = 200_000
PROBE = "tracepoint:raw_syscalls:sys_enter /pid == cpid && args.id == 110/"


def entries(text: str, name: str = "m") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in re.findall(rf"^@{name}\[(.*)\]: (.*)$", text, re.MULTILINE):
        assert key not in found
        found[key] = value
    return found


def run(pytrace: Callable[..., Done], load: Path, body: str, more: str = "") -> Done:
    return pytrace("-q", "--no-warnings", "-e", f"{PROBE} {{ {body} }} {more}", "-c", f"{load} getppid {CALLS} 2")


@pytest.mark.parametrize("keys", [1, 7, 150, 1000, 4000])
def test_every_event_is_counted_once(pytrace: Callable[..., Done], load: Path, keys: int):
    """More keys than rows change hands all the time."""
    body = f"$k = args.args[0] % {keys}; @m[$k] = count(); @t[$k, args.args[1]] = sum(args.args[0]);"
    done = run(pytrace, load, body)
    assert entries(done.stdout) == {str(key): str(2 * len(range(key, CALLS, keys))) for key in range(keys)}
    sums = entries(done.stdout, "t")
    if 2 * keys <= 4096:
        expected = {key: str(sum(range(key, CALLS, keys))) for key in range(keys)}
        assert sums == {f"{key}, {thread}": expected[key] for key in range(keys) for thread in (0, 1)}


def test_many_keys(pytrace: Callable[..., Done], load: Path):
    """So many that they are printed as columns; what CPUs have in their tables is in them."""
    keys = 40_000
    body = f"@m[args.args[0] % {keys}] = count(); @a[args.args[0] % {keys}] = avg(args.args[0] % {keys});"
    program = f"config = {{ max_map_keys = {2 * keys} }} {PROBE} {{ {body} }}"
    done = pytrace("-q", "--no-warnings", "-e", program, "-c", f"{load} getppid {CALLS} 2")
    assert entries(done.stdout) == {str(key): str(2 * CALLS // keys) for key in range(keys)}
    assert entries(done.stdout, "a") == {str(key): str(key) for key in range(keys)}


def test_all_that_fits(pytrace: Callable[..., Done], load: Path):
    keys = 300
    kinds = ("min", "max", "avg", "stats")
    maps = " ".join(f"@{kind}[$k] = {kind}(args.args[0]);" for kind in kinds)
    done = run(pytrace, load, f"$k = (args.args[0] * 7919) % {keys}; {maps}")
    members: dict[int, list[int]] = {key: [] for key in range(keys)}
    for number in range(CALLS):
        members[number * 7919 % keys].append(number)
    for key, numbers in members.items():
        total, count = 2 * sum(numbers), 2 * len(numbers)
        assert entries(done.stdout, "min")[str(key)] == str(min(numbers))
        assert entries(done.stdout, "max")[str(key)] == str(max(numbers))
        assert entries(done.stdout, "avg")[str(key)] == str(total // count)
        stats = f"{{ .count = {count}, .average = {total // count}, .total = {total} }}"
        assert entries(done.stdout, "stats")[str(key)] == stats


def test_a_full_map_is_full(pytrace: Callable[..., Done], load: Path):
    done = run(pytrace, load, "@m[args.args[0] % 5000] = count();")
    found = entries(done.stdout)
    assert len(found) == 4096
    assert set(found.values()) == {str(2 * CALLS // 5000)}


@pytest.mark.parametrize("keys", [40, 400])
def test_what_is_shown_meanwhile_never_shrinks(pytrace: Callable[..., Done], load: Path, keys: int):
    """Values on their way between a table and the hash are neither missed nor counted twice."""
    body = f"@m[(args.args[0] >> 2) % {keys}] = count(); @all = count();"
    done = run(pytrace, load, body, 'interval:ms:10 { print("next"); print(@m); print(@all); }')
    last: dict[str, int] = {}
    shown = done.stdout.split("next\n")
    assert len(shown) > 2
    for part in shown[:-1]:
        now = {key: int(value) for key, value in entries(part).items()}
        assert all(now.get(key, 0) >= value for key, value in last.items())
        total = re.search(r"^@all: (\d+)", part, re.MULTILINE)
        assert sum(now.values()) <= (int(total[1]) if total else 0) or not total
        last = now
    assert sum(int(value) for value in dict(re.findall(r"^@m\[(.*)\]: (.*)$", shown[-1], re.MULTILINE)).values()) == (
        2 * CALLS
    )


def test_clear_and_zero(pytrace: Callable[..., Done], load: Path):
    """What is cleared is gone from the tables too; zero keeps the keys."""
    body = "@m[args.args[0] % 3] = count(); @z[args.args[0] % 3] = count(); @all = count();"
    done = run(pytrace, load, body, "interval:ms:20 { clear(@m); zero(@z); } end { clear(@m); zero(@z); }")
    assert "@m" not in done.stdout
    assert entries(done.stdout, "z") == {"0": "0", "1": "0", "2": "0"}
    assert f"@all: {2 * CALLS}" in done.stdout


def test_prints_between_clears_do_not_exceed_what_happened(pytrace: Callable[..., Done], load: Path):
    body = "@m[args.args[0] % 200] = count();"
    done = run(pytrace, load, body, "interval:ms:5 { print(@m); clear(@m); }")
    sums = Counter[str]()
    for key, value in re.findall(r"^@m\[(.*)\]: (.*)$", done.stdout, re.MULTILINE):
        assert int(value) > 0
        sums[key] += int(value)
    assert len(sums) == 200
    assert all(0 < value <= 2 * CALLS // 200 for value in sums.values())


@pytest.mark.parametrize("keys", [5, 60])
def test_histograms(pytrace: Callable[..., Done], load: Path, keys: int):
    done = run(pytrace, load, f"@h[args.args[0] % {keys}] = hist(5); @l[args.args[0] % {keys}] = lhist(25, 0, 50, 10);")
    for name, bucket in (("h", "[4, 8)"), ("l", "[20, 30)")):
        found = re.findall(rf"^@{name}\[(\d+)\]:\n(\S+ \S+) +(\d+)", done.stdout, re.MULTILINE)
        expected = [(str(key), bucket, str(2 * len(range(key, CALLS, keys)))) for key in range(keys)]
        assert sorted(found) == sorted(expected)


OPEN = "tracepoint:syscalls:sys_enter_openat /pid == cpid && args.flags == 0/"
NAMES = 50_000


def lengths(pytrace: Callable[..., Done], load: Path, body: str, most: int, more: str = "", config: str = "") -> Done:
    """A run over two threads that open names of 0 … `most` - 1 letters, `NAMES` times each thread."""
    program = f"{config} {OPEN} {{ {body} }} {more}"
    return pytrace("-q", "--no-warnings", "-e", program, "-c", f"{load} lengths {NAMES} 2 {most}")


def of_length(length: int, most: int) -> str:
    return str(2 * len(range(length, NAMES, most)))


@pytest.mark.parametrize("most", [1, 30, 70, 400])
def test_every_name_is_counted_once(pytrace: Callable[..., Done], load: Path, most: int):
    """Short ones have rows, longer ones are in one of two hashes; names from elsewhere are the same keys."""
    key = "str(args.filename)"
    body = f"@m[{key}] = count(); $s = {key}; @t[$s] = sum(1); @t[{key}] = sum(2); @a[{key}] = avg(strlen($s));"
    done = lengths(pytrace, load, body, most)
    expected = {"n" * length: of_length(length, most) for length in range(most)}
    assert entries(done.stdout) == expected
    assert entries(done.stdout, "t") == {name: str(3 * int(count)) for name, count in expected.items()}
    assert entries(done.stdout, "a") == {name: str(len(name)) for name in expected}


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("comm, {}", "load, {}"),
        ("(int32)args.dfd, {}", "-100, {}"),
        ("(uint64)args.flags, comm, (int32)3, {}", "0, load, 3, {}"),  # more in front than leaves room for much
        ("((int8)1, comm, (uint64)2, (uint64)2, (uint64)4), {}", "(1, load, 2, 2, 4), {}"),  # too much for a row
        ("{}, 7, {}", "{}, 7, {}"),
        ("(a=comm, b={})", "{{ .a = load, .b = {} }}"),
    ],
)
def test_keys_that_end_with_a_name(pytrace: Callable[..., Done], load: Path, key: str, shown: str):
    read, held = (key.replace("{}", name) for name in ("str(args.filename)", "$s"))
    body = f"@m[{read}] = count(); $s = str(args.filename); @t[{held}] = sum(1); @t[{read}] = sum(2); @p[{read}]++;"
    most = 100
    done = lengths(pytrace, load, body, most, "interval:ms:20 { print(@t); }")
    expected = {}
    for length in range(most):
        name = "n" * length
        expected[shown.replace("{{", "{").replace("}}", "}").replace("{}", name)] = of_length(length, most)
    assert entries(done.stdout, "m") == entries(done.stdout, "p") == expected
    final = dict(re.findall(r"^@t\[(.*)\]: (.*)$", done.stdout, re.MULTILINE))
    assert final == {name: str(3 * int(count)) for name, count in expected.items()}


def test_names_of_any_size(pytrace: Callable[..., Done], load: Path):
    """Whatever the longest string may be, what is cut is cut where it always was."""
    for size in (40, 63, 64, 65, 128, 129, 200):
        config = f"config = {{ max_strlen = {size} }}"
        done = lengths(pytrace, load, "@m[str(args.filename)] = count();", 300, config=config)
        plain = lengths(pytrace, load, "@m[str(args.filename)]++;", 300, config=config)
        assert entries(done.stdout) == entries(plain.stdout)
        assert sum(map(int, entries(done.stdout).values())) == 2 * NAMES


def test_names_by_other_ways(pytrace: Callable[..., Done], load: Path):
    """Constants and shorter strings are found where the names that are read are."""
    body = (
        '$s = str(args.filename); @m[$s] = count(); if (strlen($s) == 3) { @m["nnn"] = count(); '
        "@m[str(args.filename, 30)] = count(); @m[str($s)] = count(); } if ($s == \"\") { @m[\"\"] = count(); }"
    )
    done = lengths(pytrace, load, body, 50)
    times = {0: 2, 3: 4}
    assert entries(done.stdout) == {
        "n" * length: str(times.get(length, 1) * int(of_length(length, 50))) for length in range(50)
    }


def test_a_name_is_evaluated_once(pytrace: Callable[..., Done], load: Path):
    body = "$x = (uint64)args.filename; @m[str($x++)] = count(); @n = sum($x - (uint64)args.filename);"
    done = lengths(pytrace, load, body, 99)
    assert entries(done.stdout) == {"n" * length: of_length(length, 99) for length in range(99)}
    assert f"@n: {2 * NAMES}" in done.stdout


def test_names_that_cannot_be_read(pytrace: Callable[..., Done], load: Path):
    done = lengths(pytrace, load, "@m[str((uint64)8)] = count(); @u[str(args.filename)] = count();", 2)
    assert entries(done.stdout) == {"": str(2 * NAMES)}


@pytest.mark.parametrize("most", [40, 300])
def test_names_shown_meanwhile_never_shrink(pytrace: Callable[..., Done], load: Path, most: int):
    body, more = "@m[str(args.filename)] = count(); @all = count();", 'interval:ms:5 { print("next"); print(@m); }'
    done = lengths(pytrace, load, body, most, more)
    last: dict[str, int] = {}
    *parts, final = done.stdout.split("next\n")
    assert len(parts) > 2
    for part in parts:
        now = {key: int(value) for key, value in entries(part).items()}
        assert all(now.get(key, 0) >= value for key, value in last.items())
        last = now
    shown = dict(re.findall(r"^@m\[(.*)\]: (.*)$", final, re.MULTILINE))  # the last one is that of the end
    assert shown == {"n" * length: of_length(length, most) for length in range(most)}
    assert f"@all: {2 * NAMES}" in done.stdout


@pytest.mark.parametrize(
    ("probe", "name", "flags"),
    [
        ("tracepoint:raw_syscalls:sys_enter", "args.args[1]", "args.args[2]"),
        ("rawtracepoint:sys_enter", "args.regs->si", "args.regs->dx"),
    ],
)
def test_names_and_interrupts(pytrace: Callable[..., Done], load: Path, probe: str, name: str, flags: str):
    """Programs of a timer run inside those of the events, with keys of their own and in the same map."""
    key, condition = f"str(uptr({name}))", f"/pid == cpid && args.id == 257 && {flags} == 0/"
    done = pytrace("-q", "--no-warnings", "-e", f"""
        {probe} {condition} {{ @m[{key}] = count(); @both[{key}] = count(); }}
        profile:us:100 {{
            @t[str(curtask->comm)] = count(); @both[str(curtask->comm)] = count(); @s[kstack(40)] = count();
            @all = count();
        }}""", "-c", f"{load} lengths {NAMES} 2 70")  # fmt: skip
    expected = {"n" * length: of_length(length, 70) for length in range(70)}
    both = entries(done.stdout, "both")
    assert entries(done.stdout) == expected
    assert {each: both.pop(each) for each in expected} == expected
    found = re.search(r"^@all: (\d+)$", done.stdout, re.MULTILINE)
    assert found and int(found[1]) > 100
    assert both == entries(done.stdout, "t") and sum(map(int, both.values())) == int(found[1])
    stacks = re.findall(r"^\]: (\d+)$", part_of(done.stdout, "s"), re.MULTILINE)
    assert sum(map(int, stacks)) == int(found[1])


def test_names_are_cleared_and_zeroed(pytrace: Callable[..., Done], load: Path):
    key = "str(args.filename)"
    body = f"@m[{key}] = count(); @z[{key}] = count(); @all = count();"
    more = "interval:ms:7 { clear(@m); zero(@z); } end { clear(@m); zero(@z); }"
    done = lengths(pytrace, load, body, 90, more)
    assert "@m" not in done.stdout
    assert entries(done.stdout, "z") == {"n" * length: "0" for length in range(90)}
    done = lengths(pytrace, load, f"@m[{key}] = count();", 90, "interval:ms:5 { print(@m); clear(@m); }")
    sums = Counter[str]()
    for name, value in re.findall(r"^@m\[(.*)\]: (.*)$", done.stdout, re.MULTILINE):
        sums[name] += int(value)
    assert len(sums) == 90
    assert all(0 < value <= int(of_length(len(name), 90)) for name, value in sums.items())


def test_a_map_of_names_is_full(pytrace: Callable[..., Done], load: Path):
    """Each of both hashes has room for as many keys as the map may have."""
    config = "config = { max_map_keys = 20 }"
    done = lengths(pytrace, load, "@m[str(args.filename)] = count();", 60, config=config)
    found = entries(done.stdout)
    assert len(found) == 20
    assert all(value == of_length(len(name), 60) for name, value in found.items())


def test_histograms_of_names(pytrace: Callable[..., Done], load: Path):
    done = lengths(pytrace, load, "@h[str(args.filename)] = hist(5);", 60)
    found = re.findall(r"^@h\[(n*)\]:\n(\S+ \S+) +(\d+)", done.stdout, re.MULTILINE)
    assert sorted(found) == sorted(("n" * length, "[4, 8)", of_length(length, 60)) for length in range(60))


def test_stacks_of_many_depths(pytrace: Callable[..., Done], build: Callable[..., Path]):
    """Those of up to 30 frames have rows, which change hands."""
    rounds = 60
    deep = build("depths", "-O0", "-fno-omit-frame-pointer")
    probe = "tracepoint:syscalls:sys_enter_getppid /pid == cpid/"
    body = "@a[ustack] = count(); @s[ustack(raw)] = sum(2); @k[kstack] = count(); @n = count();"
    done = pytrace("-q", "--no-warnings", "-e", f"{probe} {{ {body} }}", "-c", f"{deep} {rounds}")
    for name, factor in (("a", rounds), ("s", 2 * rounds)):
        counts = sorted(map(int, re.findall(r"^\]: (\d+)$", part_of(done.stdout, name), re.MULTILINE)))
        assert counts == [factor * depth for depth in range(1, 61)]
    events = rounds * sum(range(1, 61))
    assert f"@n: {events}" in done.stdout
    assert sum(map(int, re.findall(r"^\]: (\d+)$", part_of(done.stdout, "k"), re.MULTILINE))) == events


def part_of(text: str, name: str) -> str:
    """The entries of one map, whose keys take several lines."""
    return "".join(re.findall(rf"^@{name}\[\n(?:(?!@).*\n)*", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("script", "cached"),
    [
        (f"{PROBE} {{ @m[tid] = count(); }} end {{ print(@m, 3); }}", True),
        (f"{PROBE} {{ @m[comm, pid] = stats(1); }} interval:s:1 {{ clear(@m); }}", True),
        ("rawtracepoint:sys_enter { @m[tid] = count(); }", True),
        ("rawtracepoint:sys_enter { @m[tid] = count(); } profile:hz:9 { @m[tid] = count(); }", False),
        ("begin { @m[tid] = count(); }", False),
        (f"{PROBE} {{ @m[tid] = hist(1); }}", True),
        (f"{PROBE} {{ @m[tid] = hist(1, 5); }}", False),  # too large
        (f"{PROBE} {{ @m[str(args.args[0])] = count(); }}", True),
        (f"config = {{ max_strlen = 8000 }} {PROBE} {{ @m[str(args.args[0])] = count(); }}", False),
        (f"{PROBE} {{ @m[kstack] = count(); @n[ustack(raw)] = avg(pid); }}", True),
        (f"{PROBE} {{ @m[ustack(build_id)] = count(); }}", False),  # one hash
        (f"{PROBE} {{ @m[comm, str(args.args[0])] = count(); }}", True),
        (f"{PROBE} {{ @m[str(args.args[0]), comm] = count(); }}", False),
        (f"{PROBE} {{ @m[tid] = count(); }} end {{ print(@m[1]); }}", False),
        (f"{PROBE} {{ @m[tid] = count(); delete(@m, tid); }}", False),
        (f"{PROBE} {{ @m[tid] = count(); if (@m[tid] > 3) {{ print(1); }} }}", False),
    ],
)
def test_which_maps_have_tables(pytrace: Callable[..., Done], script: str, cached: bool):
    done = pytrace("-d", "dis", "--dry-run", "-e", script)
    assert ("AT_m.cached" in done.stdout) == cached, done.stdout


@pytest.mark.parametrize(("cpus", "cached"), [(1, True), (512, True), (2048, False)])
def test_tables_of_all_processors_fit_into_one_value(cpus: int, cached: bool):
    """Older kernels make no array of larger values, and the script would not start."""
    program = check(Source("test", f"{PROBE} {{ @m[tid] = count(); }}".replace("cpid", "1")), Options(), Diagnostics())
    image = generate(program, replace(kernel(), cpus=cpus))
    tables = [each for each in image.maps if each.symbol == "AT_m.cached"]
    assert [each.value_size <= 4 << 20 for each in tables] == [True] * cached
