"""What means nothing in a value's memory does not make two keys of one: padding, bits beside bit-fields, what is behind
the NUL of a `char[n]`."""

from __future__ import annotations

import struct

import pytest

pytestmark = pytest.mark.live

# Members, and where they are in 32 bytes: what is not listed means nothing.
KINDS = {
    "padding": ("char a; int b; char c;", [(0, 1), (4, 8), (8, 9)], 12),
    "bit_fields": ("int a : 3; int b : 7; short c;", [(2, 4)], 4),
    "text": ("char a[5]; int b;", [(0, 2), (8, 12)], 12),
    "nested": ("struct { char a; short b; } in; struct { char c[3]; int d; } also;",
               [(0, 1), (2, 4), (4, 6), (8, 12)], 12),
    "array": ("struct Inner { char a; short b; } all[12]; ", [(at, at + 1) for at in range(0, 48, 4)]
              + [(at + 2, at + 4) for at in range(0, 48, 4)], 48),
    "texts": ("char all[3][4]; char last;", [(0, 2), (4, 6), (8, 10), (12, 13)], 13),
    "anonymous": ("union { struct { char a; int b; }; short c; }; long d;", [(0, 2), (4, 8), (8, 16)], 16),
}  # fmt: skip


def memory(kind: str, fill: int) -> bytes:
    """The members' bytes, among bytes that mean nothing."""
    data = bytearray([fill] * 48)
    for start, end in KINDS[kind][1]:
        data[start:end] = bytes(range(0x41, 0x41 + end - start))
    if kind == "bit_fields":
        data[0:2] = struct.pack("<H", 0b10101_011 | (fill & 0xFC) << 8)
    for start in {"text": [1], "nested": [5], "texts": [1, 5, 9]}.get(kind, []):
        data[start] = 0  # the NUL, with something behind it
    return bytes(data)


def words(data: bytes) -> str:
    """A tuple that has these bytes."""
    return "(" + ", ".join(f"(uint64){word}" for word in struct.unpack("<6Q", data)) + ")"


def program(kind: str, body: str, fills: tuple[int, int] = (0xAA, 0x77)) -> str:
    """`body` with `$p` and `$q`, which point to two structs."""
    values = [words(memory(kind, fill)) for fill in fills]
    return (
        f"struct Outer {{ {KINDS[kind][0]} }}; begin {{ $x = {values[0]}; $y = {values[1]}; "
        f"$p = (struct Outer *)&$x; $q = (struct Outer *)&$y; {body} exit(); }}"
    )


USES = {
    "key": "@k[*$p]++; @k[*$q]++; print(len(@k));",
    "variable": "$a = *$p; $b = *$q; @k[$a]++; @k[$b]++; print(len(@k));",
    "tuple": "@k[1, *$p]++; @k[1, *$q]++; $t = (1, *$q); @k[$t]++; print(len(@k));",
    "record": "@k[(n = 1, s = *$p)]++; @k[(n = 1, s = *$q)]++; print(len(@k));",
    "map": "@a = *$p; @b[1] = *$q; @k[@a]++; @k[@b[1]]++; print(len(@k));",
    "found": "@k[*$p]++; print(has_key(@k, *$q) && delete(@k, *$q) ? 1 : 0);",
    "equal": "print(*$p == *$q ? 1 : 0);",
    "equal_tuples": "print((2, *$p) == (2, *$q) ? 1 : 0);",
}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_members_are_one_key(pytrace, kind):
    body = "".join(text.replace("@k", f"@{use}") for use, text in USES.items())
    printed = pytrace("-q", "--no-warnings", "-e", program(kind, body)).stdout.split("\n")
    assert dict(zip(USES, printed, strict=False)) == dict.fromkeys(USES, "1")


@pytest.mark.parametrize("kind", KINDS)
def test_other_members_are_other_keys(pytrace, kind):
    """Each byte that means something tells keys apart, and no other one."""
    whole = memory(kind, 0)
    parts, wanted = [], []
    for at in range(KINDS[kind][2]):
        changed = bytearray(whole)
        changed[at] ^= 0x01
        means = any(start <= at < end for start, end in KINDS[kind][1]) or (kind == "bit_fields" and at < 2)
        parts.append(
            f"$x = {words(whole)}; $y = {words(bytes(changed))}; @k[{at}, *$p]++; @k[{at}, *$q]++; "
            f'printf("%d ", *$p == *$q); '
        )
        wanted.append(str(int(not means)))
    text = (
        f"struct Outer {{ {KINDS[kind][0]} }}; begin {{ $x = {words(whole)}; $y = {words(whole)}; "
        f"$p = (struct Outer *)&$x; $q = (struct Outer *)&$y; {''.join(parts)} print(len(@k)); exit(); }}"
    )
    printed = pytrace("-q", "--no-warnings", "-e", text).stdout.split("\n")[0].split()
    assert printed == [*wanted, str(len(wanted) + wanted.count("0"))]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 64, 65, 127, 128, 129, 200])
def test_texts_end_where_their_member_does(pytrace, size):
    """A `char[n]` without a NUL has n characters, however it is copied; one with a NUL is the same key everywhere."""
    whole = b"X" * 3 + bytes(0x61 + i % 26 for i in range(size)) + b"Y" * 8
    short = b"X" * 3 + (b"q\0" if size > 1 else b"\0") + b"Z" * (size + 8)
    text, end = whole[3:-8].decode(), "q" if size > 1 else ""

    def tuple_of(data: bytes) -> str:
        data = data[: size + 8].ljust(-(-(size + 8) // 8) * 8, b"W")
        return "(" + ", ".join(f"(uint64){word}" for (word,) in struct.iter_unpack("<Q", data)) + ")"

    ways = ["$q.arr", "$v", "$s.arr", "$t.1", "$u.1.arr", "@m.arr", "@e[0].arr", "@v", "$r.a"]
    program = (
        f"struct S {{ char pre[3]; char arr[{size}]; char post[4]; }} begin {{ $x = {tuple_of(whole)}; "
        f"$y = {tuple_of(short)}; $p = (struct S *)&$x; $q = (struct S *)&$y; $v = $q.arr; $s = *$q; $t = (1, $q.arr); "
        "$u = (1, *$q); @m = *$q; @e[0] = *$q; @v = $q.arr; $r = (a = @m.arr, b = 1); "
        + "".join(f"@k[{way}]++; @kk[1, {way}]++; " for way in ways)
        + '$z = $p.arr; @z = $p.arr; @zz = (1, *$p); printf("%s|%s|%s|%s|%s|%s|%d|%d\\n", $p.arr, $z, @z, @zz.1.arr, '
        "$q.arr, @v, strlen($p.arr), $v == $q.arr); print(@k); print(@kk); print($p.arr); exit(); }"
    )
    printed = pytrace("-q", "--no-warnings", "-e", program).stdout.split("\n")
    assert printed[:4] == [
        "|".join([text] * 4 + [end] * 2 + [str(size), "1"]),
        f"@k[{end}]: {len(ways)}",
        f"@kk[1, {end}]: {len(ways)}",
        text,
    ]


def test_structs_of_the_kernel(pytrace):
    """Printed, stored and keys as a whole."""
    program = (
        "begin { $s = curtask.pending; @k[curtask.pending]++; @k[$s]++; @v = $s; print(@v == $s); print($s); exit(); }"
    )
    printed = pytrace("-q", "-e", program).stdout.split("\n")
    assert printed[0] == "true"
    assert printed[1].startswith("{ .list = { .next = 0xffff")
    assert f"@k[{printed[1]}]: 2" in printed
