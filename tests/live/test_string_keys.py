"""Maps whose keys are strings: short and long ones are stored apart, and are one map to everybody."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

pytestmark = pytest.mark.live

LENGTHS = (0, 1, 62, 63, 64, 65, 127, 500, 1022, 1023)
"""Around the size of short keys, and up to the longest string that has room for its NUL."""
NAMES = {length: "n" * length for length in LENGTHS}
OPEN = "tracepoint:syscalls:sys_enter_chdir /pid == cpid/"


@pytest.fixture
def child(tmp_path: Path) -> str:
    """Makes as many calls of chdir with each name as the name is long, and one more; none of the folders is there."""
    script = tmp_path / "child.py"
    script.write_text(
        f"import os\nfor length in {LENGTHS}:\n    for _ in range(length + 1):\n        try:\n"
        "            os.chdir('n' * length)\n        except OSError:\n            pass\n"
    )
    return f"{sys.executable} -S {script}"


def entries(text: str, name: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        if line.startswith(f"@{name}["):
            key, _, value = line[len(name) + 2 :].partition("]: ")
            assert key not in found
            found[key] = value
    return found


def test_every_length_is_counted_once(pytrace: Callable[..., Done], child: str):
    key = "str(args.filename)"
    body = f"@a[{key}] = count(); @b[{key}]++; @c[{key}] = strlen({key})"
    done = pytrace("-q", "-e", f"{OPEN} {{ {body} }}", "-c", child)
    assert entries(done.stdout, "a") == {NAMES[length]: str(length + 1) for length in LENGTHS}
    assert entries(done.stdout, "b") == entries(done.stdout, "a")
    assert entries(done.stdout, "c") == {NAMES[length]: str(length) for length in LENGTHS}


def test_the_same_string_by_another_way_is_the_same_key(pytrace: Callable[..., Done], child: str):
    """From a variable, from an expression of another size, as a literal, and from memory with leftovers behind it."""
    body = (
        "$s = str(args.filename); @a[$s] = count(); @a[str(args.filename)] = count(); "
        '@a[strlen($s) == 1 ? "n" : $s] = count(); '
        'if (strlen($s) == 1) { @a["n"] = count(); @a[str($s, 8)] = count(); }'
    )
    done = pytrace("-q", "-e", f"{OPEN} {{ {body} }}", "-c", child)
    expected = {NAMES[length]: str(3 * (length + 1)) for length in LENGTHS} | {"n": str(5 * 2)}
    assert entries(done.stdout, "a") == expected


def test_operations_find_both(pytrace: Callable[..., Done], child: str):
    body = (
        "$s = str(args.filename); @m[$s] = strlen($s); @h[$s] = has_key(@m, $s) && !has_key(@m, \"x\"); "
        "@len = len(@m); @v[$s] = @m[$s] + 1; if (strlen($s) == 62 || strlen($s) == 500) { delete(@m, $s); } "
        "let $f; @f[$s] = find(@m, $s, $f) ? $f : 7;"
    )
    done = pytrace("-q", "-e", f"{OPEN} {{ {body} }} end {{ clear(@h); zero(@v); }}", "-c", child)
    kept = [length for length in LENGTHS if length not in (62, 500)]
    assert entries(done.stdout, "m") == {NAMES[length]: str(length) for length in kept}
    assert entries(done.stdout, "h") == {}
    assert entries(done.stdout, "v") == {NAMES[length]: "0" for length in LENGTHS}
    assert entries(done.stdout, "f") == {NAMES[length]: str(length if length in kept else 7) for length in LENGTHS}
    assert f"@len: {len(kept)}" in done.stdout.splitlines()


def test_order_and_json_know_no_difference(pytrace: Callable[..., Done], child: str):
    import json

    done = pytrace("-q", "-f", "json", "-e", f"{OPEN} {{ @a[str(args.filename)] = count(); }}", "-c", child)
    (data,) = [json.loads(line)["data"] for line in done.stdout.splitlines() if '"map"' in line]
    assert data == {"@a": {NAMES[length]: length + 1 for length in LENGTHS}}
    assert list(data["@a"].values()) == sorted(data["@a"].values())


def test_tuples_that_end_with_a_string(pytrace: Callable[..., Done], child: str):
    """Prints of single elements, reads, deletions: short and long ones are one map."""
    body = (
        "$s = str(args.filename); @m[1, $s] = strlen($s); @h[1, $s] = has_key(@m, (1, str(args.filename))); "
        '@v[(int8)1, $s] = @m[1, $s] + 1; @a["x", $s] = stats(7); @b["x", str(args.filename)] = count(); '
        "if (strlen($s) == 62 || strlen($s) == 500) { delete(@m, (1, str(args.filename))); } "
        'if (strlen($s) == 1 || strlen($s) == 65) { print(@a["x", $s]); } @n = len(@m);'
    )
    done = pytrace("-q", "-e", f"{OPEN} {{ {body} }} end {{ clear(@h); zero(@v); }}", "-c", child)
    kept = [length for length in LENGTHS if length not in (62, 500)]
    assert entries(done.stdout, "m") == {f"1, {NAMES[length]}": str(length) for length in kept}
    assert entries(done.stdout, "h") == {}
    assert entries(done.stdout, "v") == {f"1, {NAMES[length]}": "0" for length in LENGTHS}
    assert entries(done.stdout, "b") == {f"x, {NAMES[length]}": str(length + 1) for length in LENGTHS}
    assert f"@n: {len(kept)}" in done.stdout.splitlines()
    shown = [line for line in done.stdout.splitlines() if line.startswith("{ .count = ")]
    assert len(shown) == 2 + 66
    assert shown[-1] == "{ .count = 66, .average = 7, .total = 462 }"


def test_a_map_that_is_walked_through(pytrace: Callable[..., Done], child: str):
    body = "@a[str(args.filename)] = count();"
    end = "for ($kv : @a) { @sum = sum((int64)$kv.1); @longest = max(strlen($kv.0)); }"
    done = pytrace("-q", "-e", f"{OPEN} {{ {body} }} end {{ {end} }}", "-c", child)
    assert f"@sum: {sum(LENGTHS) + len(LENGTHS)}" in done.stdout.splitlines()
    assert f"@longest: {max(LENGTHS)}" in done.stdout.splitlines()


def test_shallow_and_deep_stacks_are_one_map(pytrace: Callable[..., Done], build: Callable[..., Path]):
    """A function that calls itself 1 to 60 times over: some stacks have more frames than short keys, some less."""
    deep = build("depths", "-O0", "-fno-omit-frame-pointer")
    for mode in ("", "raw"):
        stack = f"ustack({mode})"
        body = f"@a[{stack}] = count(); @b[{stack}]++; @s[{stack}] = stats(arg0);"
        done = pytrace("-q", "-e", f"uprobe:{deep}:bottom {{ {body} }}", "-c", str(deep))
        for name in ("a", "b"):
            counts = sorted(int(line[3:]) for line in stacks_of(done.stdout, name))
            assert counts == list(range(1, 61))
        assert len(stacks_of(done.stdout, "s")) == 60


def stacks_of(text: str, name: str) -> list[str]:
    """The ends of the entries of a map: the lines `]: VALUE`."""
    ends, inside = [], False
    for line in text.splitlines():
        inside = line == f"@{name}[" or (inside and not line.startswith("@"))
        if inside and line.startswith("]: "):
            ends.append(line)
    return ends
