"""The function that sorts the entries of a large map and writes their lines; its contract with `runtime/entries.py`.

It is called with the address of an `ENTRIES`: words of 64 bits, the first of which says what to do:

- `FOLD`: adds up the copies of each value, `count` values of `copies` words at `source`, into words at `target`;
- `KEYS`: makes a pair of each of `count` keys at `source`, from the pair `at` on: the key as a number that orders it,
  and the entry's number, which is that of the pair. Keys that are no integers are all equal;
- `VALUES`: puts the value's number in the place of the key's in each of `count` pairs, from the words at `source`;
- `SORT`: orders `count` pairs, those with equal numbers as they are, with room for as many at `spare` and for `COUNTS`
  bytes at `source`. Gives 1 if the result is in `spare`, else 0;
- `WRITE`: writes the lines of the pairs from `at` up to `count` into the buffer, as far as they fit; `at` is then the
  next. Keys stand packed at `first` and, of the entries from `split` on, at `second`; values are the words at `source`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.native.drain import ATTRIBUTES
from pytrace.codegen.native.formats import Fields, Format, Literals, Piece, has_text, most_bytes
from pytrace.codegen.native.library import LIBRARY, SLACK
from pytrace.frozen import frozen
from pytrace.semantics.types import (
    Aggregate,
    Int,
    Str,
    Tuple,
    Type,
    members_of,
    offsets_of,
    size_of,
)

__all__ = [
    "COUNTS",
    "ENTRIES",
    "FOLD",
    "KEYS",
    "SORT",
    "VALUES",
    "WRITE",
    "EntriesSource",
    "entries_source",
    "number_of",
]

ENTRIES = (
    "what", "count", "copies", "source", "target", "pairs", "spare", "at", "text", "room", "used", "tables", "first",
    "second", "split",
)  # fmt: skip
FOLD, KEYS, VALUES, SORT, WRITE = range(5)
COUNTS = 8 * 256 * 8

_MOST = 1 << 16
"""Bytes of a line: maps with longer ones are for Python."""

_SORT = """
; Orders pairs of words by the first one, byte by byte from the lowest; gives where the result is.
define internal ptr @sort(ptr %pairs, ptr %spare, ptr %counts, i64 %n) #0 {
entry:
  br label %zero
zero:
  %z = phi i64 [ 0, %entry ], [ %z1, %zero ]
  %zp = getelementptr i64, ptr %counts, i64 %z
  store i64 0, ptr %zp, align 8
  %z1 = add i64 %z, 1
  %zm = icmp ult i64 %z1, 2048
  br i1 %zm, label %zero, label %count
count:
  %c = phi i64 [ 0, %zero ], [ %c1, %counted ]
  %cp = getelementptr [2 x i64], ptr %pairs, i64 %c
  %word = load i64, ptr %cp, align 8
  br label %digit
digit:
  %d = phi i64 [ 0, %count ], [ %d1, %digit ]
  %shift = shl i64 %d, 3
  %shifted = lshr i64 %word, %shift
  %byte = and i64 %shifted, 255
  %row = shl i64 %d, 8
  %cell = or i64 %row, %byte
  %cellp = getelementptr i64, ptr %counts, i64 %cell
  %old = load i64, ptr %cellp, align 8
  %new = add i64 %old, 1
  store i64 %new, ptr %cellp, align 8
  %d1 = add i64 %d, 1
  %dm = icmp ult i64 %d1, 8
  br i1 %dm, label %digit, label %counted
counted:
  %c1 = add i64 %c, 1
  %cm = icmp ult i64 %c1, %n
  br i1 %cm, label %count, label %pass
pass:
  %p = phi i64 [ 0, %counted ], [ %p1, %passed ]
  %from = phi ptr [ %pairs, %counted ], [ %from1, %passed ]
  %to = phi ptr [ %spare, %counted ], [ %to1, %passed ]
  %prow = shl i64 %p, 8
  %base = getelementptr i64, ptr %counts, i64 %prow
  %pshift = shl i64 %p, 3
  %first = load i64, ptr %from, align 8
  %fs = lshr i64 %first, %pshift
  %fb = and i64 %fs, 255
  %fp = getelementptr i64, ptr %base, i64 %fb
  %same = load i64, ptr %fp, align 8
  %all = icmp eq i64 %same, %n
  br i1 %all, label %passed, label %sum
sum:
  %s = phi i64 [ 0, %pass ], [ %s1, %sum ]
  %total = phi i64 [ 0, %pass ], [ %total1, %sum ]
  %sp = getelementptr i64, ptr %base, i64 %s
  %many = load i64, ptr %sp, align 8
  store i64 %total, ptr %sp, align 8
  %total1 = add i64 %total, %many
  %s1 = add i64 %s, 1
  %sm = icmp ult i64 %s1, 256
  br i1 %sm, label %sum, label %move
move:
  %m = phi i64 [ 0, %sum ], [ %m1, %move ]
  %mp = getelementptr [2 x i64], ptr %from, i64 %m
  %mw = load i64, ptr %mp, align 8
  %ip = getelementptr i64, ptr %mp, i64 1
  %mi = load i64, ptr %ip, align 8
  %ms = lshr i64 %mw, %pshift
  %mb = and i64 %ms, 255
  %bp = getelementptr i64, ptr %base, i64 %mb
  %place = load i64, ptr %bp, align 8
  %next = add i64 %place, 1
  store i64 %next, ptr %bp, align 8
  %tp = getelementptr [2 x i64], ptr %to, i64 %place
  store i64 %mw, ptr %tp, align 8
  %ti = getelementptr i64, ptr %tp, i64 1
  store i64 %mi, ptr %ti, align 8
  %m1 = add i64 %m, 1
  %mm = icmp ult i64 %m1, %n
  br i1 %mm, label %move, label %swap
swap:
  br label %passed
passed:
  %from1 = phi ptr [ %from, %pass ], [ %to, %swap ]
  %to1 = phi ptr [ %to, %pass ], [ %from, %swap ]
  %p1 = add i64 %p, 1
  %pm = icmp ult i64 %p1, 8
  br i1 %pm, label %pass, label %done
done:
  ret ptr %from1
}
"""


@frozen
class EntriesSource:
    """The module without the lines about the target, the bytes to which `tables` must point, and the most bytes that a
    line needs in the buffer."""

    text: str
    tables: bytes
    most: int


def number_of(type_: Type) -> Int | None:
    """As what a value is shown and ordered, if that is one integer."""
    if isinstance(type_, Aggregate):
        return type_.as_int if type_.name in ("count", "sum") else None
    return type_ if isinstance(type_, Int) else None


def _key_pieces(type_: Type) -> tuple[list[Piece], Fields] | None:
    """The text of a key, without the outermost parentheses, if it can be made here."""
    if not has_text(type_):
        return None
    if isinstance(type_, Tuple):
        members = members_of(type_)
        pieces: list[Piece] = []
        for index in range(len(members)):
            pieces += [b", "] * bool(index) + [("conv", "", 0, "", "s", index)]
        return pieces, tuple(zip(offsets_of(type_), members, strict=True))
    return [("conv", "", 0, "", "s", 0)], ((0, type_),)


def entries_source(name: bytes, key: Type, sizes: Sequence[int], value: Type, trailer: bytes) -> EntriesSource | None:
    """The code for a map's lines; None if it is not for here. `sizes` are those of the keys in the hashes behind it."""
    number, found = number_of(value), _key_pieces(key)
    if number is None or found is None or size_of(number) not in (1, 2, 4, 8):
        return None
    pieces, fields = found
    most = len(name) + 64 + most_bytes(pieces, fields, len(trailer))
    if most > _MOST:
        return None
    function = _Entries(name, key, sizes, number, trailer)
    function.write(pieces, fields, most)
    text = f"{LIBRARY}\n{_SORT}\n{function.text()}\nattributes #0 = {ATTRIBUTES}\n"
    return EntriesSource(text, bytes(function.literals.data) + bytes(SLACK), most + SLACK)


class _Entries:
    def __init__(self, name: bytes, key: Type, sizes: Sequence[int], number: Int, trailer: bytes) -> None:
        self.b = b = Builder(("state",))
        self.name, self.key, self.sizes, self.number = name, key, sizes, number
        self.state = Value("%state", "ptr", 8)
        self.tables = self._pointer("tables")
        self.literals = Literals(b, self.tables)
        self.format = Format(b, self.tables, self.literals, trailer)
        self.index = b.register("i64")

    def _word(self, name: str) -> Value:
        return self.b.load("i64", self.state, 8 * ENTRIES.index(name))

    def _pointer(self, name: str) -> Value:
        return self.b.load("ptr", self.state, 8 * ENTRIES.index(name))

    def write(self, pieces: list[Piece], fields: Fields, most: int) -> None:
        b = self.b
        labels = [b.block("task") for _ in range(5)]
        task = self._word("what")
        cases = " ".join(f"i64 {what}, label %{label}" for what, label in enumerate(labels))
        b.line(f"switch i64 {task.text}, label %{labels[0]} [ {cases} ]")
        b.closed = True
        for label, emit in zip(labels, (self._fold, self._keys, self._values, self._sort), strict=False):
            b.place(label)
            emit()
        b.place(labels[WRITE])
        self._lines(pieces, fields, most)

    def _each(self, start: Value | int, end: Value) -> tuple[Value, str, str]:
        """Opens a loop: the number of the round, the label to go on with, and that of what is behind the loop."""
        b = self.b
        test, body, again, behind = (b.block(name) for name in ("test", "body", "again", "behind"))
        b.store(start, self.index)
        b.br(test)
        b.place(again)
        b.store(b.add(b.load("i64", self.index), 1), self.index)
        b.br(test)
        b.place(test)
        number = b.load("i64", self.index)
        b.cond_br(b.ult(number, end), body, behind)
        b.place(body)
        return number, again, behind

    def _end(self, again: str, behind: str) -> None:
        self.b.br(again)
        self.b.place(behind)

    def _fold(self) -> None:
        b = self.b
        source, target, copies, count = (
            self._pointer("source"), self._pointer("target"), self._word("copies"), self._word("count"),
        )  # fmt: skip
        total, at = b.register("i64"), b.register("i64")
        n, again, behind = self._each(0, count)
        first = b.gep(source, b.mul(b.mul(n, copies), 8))
        b.store(0, total)
        b.store(0, at)
        add, added = b.block("add"), b.block("added")
        b.place(add)
        copy = b.load("i64", at)
        b.store(b.add(b.load("i64", total), b.load("i64", Value(b.gep(first, b.mul(copy, 8)).text, "ptr", 8))), total)
        b.store(b.add(copy, 1), at)
        b.cond_br(b.ult(b.add(copy, 1), copies), add, added)
        b.place(added)
        b.store(b.load("i64", total), Value(b.gep(target, b.mul(n, 8)).text, "ptr", 8))
        self._end(again, behind)
        b.ret(0)

    def _pair(self, pairs: Value, n: Value) -> Value:
        return Value(self.b.gep(pairs, self.b.mul(n, 16)).text, "ptr", 8)

    def _keys(self) -> None:
        """Unsigned keys are ordered as if they were signed, as `output.contents` does."""
        b = self.b
        source, pairs, count, at = (
            self._pointer("source"), self._pointer("pairs"), self._word("count"), self._word("at"),
        )  # fmt: skip
        n, again, behind = self._each(0, count)
        place = b.add(n, at)
        pair = self._pair(pairs, place)
        if isinstance(self.key, Int):
            size = size_of(self.key)
            raw = b.load(f"i{8 * size}", Value(b.gep(source, b.mul(n, self.sizes[0])).text, "ptr", 1))
            b.store(b.xor(b.resize(raw, "i64", True), -1 << 63), pair)
        else:
            b.store(0, pair)
        b.store(place, pair, 8)
        self._end(again, behind)
        b.ret(0)

    def _values(self) -> None:
        b = self.b
        source, pairs, count = self._pointer("source"), self._pointer("pairs"), self._word("count")
        n, again, behind = self._each(0, count)
        pair = self._pair(pairs, n)
        value = self._value(source, b.load("i64", pair, 8))
        b.store(b.xor(value, -1 << 63) if self.number.signed else value, pair)
        self._end(again, behind)
        b.ret(0)

    def _value(self, source: Value, entry: Value) -> Value:
        """The value of an entry in 64 bits; it is stored in a word."""
        b = self.b
        place = Value(b.gep(source, b.mul(entry, 8)).text, "ptr", 8)
        return b.resize(b.load(f"i{8 * size_of(self.number)}", place), "i64", self.number.signed)

    def _sort(self) -> None:
        b = self.b
        pairs = self._pointer("pairs")
        sorted_ = b.call("@sort", (pairs, self._pointer("spare"), self._pointer("source"), self._word("count")), "ptr")
        b.ret(b.select(b.eq(b.ptrtoint(sorted_), b.ptrtoint(pairs)), b.const(0), b.const(1)))

    def _lines(self, pieces: list[Piece], fields: Fields, most: int) -> None:
        b = self.b
        pairs, source, split, text = (
            self._pointer("pairs"), self._pointer("source"), self._word("split"), self._pointer("text"),
        )  # fmt: skip
        limit = b.gep(text, self._word("room"))
        to = b.register("ptr")
        b.store(text, to)
        n, again, behind = self._each(self._word("at"), self._word("count"))
        at, fitting = b.load("ptr", to), b.block("fitting")
        b.cond_br(b.ult(b.sub(b.ptrtoint(limit), b.ptrtoint(at)), most + SLACK), behind, fitting)
        b.place(fitting)
        entry = b.load("i64", self._pair(pairs, n), 8)
        key = b.register("ptr")
        first = b.gep(self._pointer("first"), b.mul(entry, self.sizes[0]))
        b.store(first, key)
        if len(self.sizes) > 1:
            other, chosen = b.block("other"), b.block("chosen")
            b.cond_br(b.ult(entry, split), chosen, other)
            b.place(other)
            b.store(b.gep(self._pointer("second"), b.mul(b.sub(entry, split), self.sizes[1])), key)
            b.place(chosen)
        at = self.format.literal(self.name + b"[", at)
        start, at = at, self.format.write(pieces, fields, Value(b.load("ptr", key).text, "ptr", 1), at)
        if isinstance(self.key, Str):
            at = self._bare(start, at)
        at = self.format.literal(b"]: ", at)
        at = self.format.number(self._value(source, entry), self.number.signed, at)
        b.store(self.format.literal(b"\n", at), to)
        self._end(again, behind)
        b.store(b.load("i64", self.index), self.state, 8 * ENTRIES.index("at"))
        b.store(b.sub(b.ptrtoint(b.load("ptr", to)), b.ptrtoint(text)), self.state, 8 * ENTRIES.index("used"))
        b.ret(0)

    def _bare(self, start: Value, end: Value) -> Value:
        """Takes parentheses off: a string that has them looks like a tuple, in Python as well."""
        b = self.b
        result = b.register("ptr")
        b.store(end, result)
        inside, done = b.block("inside"), b.block("done")
        last = b.load("i8", Value(b.gep(end, -1).text, "ptr", 1))
        both = b.and_(b.eq(b.load("i8", Value(start.text, "ptr", 1)), ord("(")), b.eq(last, ord(")")))
        b.cond_br(b.and_(both, b.ne(b.ptrtoint(end), b.ptrtoint(start))), inside, done)
        b.place(inside)
        size = b.sub(b.sub(b.ptrtoint(end), b.ptrtoint(start)), 2)
        b.store(b.call("@copy", (start, b.gep(start, 1), size), "ptr"), result)
        b.place(done)
        return b.load("ptr", result)

    def text(self) -> str:
        body = "\n".join(("entry:", *self.b.entry, *self.b.lines))
        return f"define i64 @entries(ptr %state) #0 {{\n{body}\n}}\n"
