"""The function that sorts the entries of a large map and writes their lines; its contract with `runtime/entries.py`.

It is called with the address of an `ENTRIES`: words of 64 bits, the first of which says what to do. Keys stand packed
at `first`, their values, each with `copies` copies of `stride` words, at `first_values`; those of the entries from
`split` on at `second` and `second_values`.

- `FIND`, of maps of numbers: where, among `count` keys at `first`, those `at` ones are that stand packed at `wanted`.
  Puts the numbers that it finds into words at `pairs`. `spare` is for `mask` + 1 words of 32 bits, all zero; more than
  `at`, a power of two;
- `MERGE`, of maps of histograms: adds the words of `count` values at `first_values` to those at `second_values` that
  have the numbers which stand at `pairs`;
- `KEYS`: makes a pair of each of `count` entries;
- `SORT_KEYS`: orders the pairs by keys. `spare` has room for as many, `counts` for `COUNTS` bytes. Gives 1 if the
  result is in `spare`, else 0. Keys that are no integers are all equal;
- `VALUES`: looks for the values of pairs that do not have them yet;
- `SORT_VALUES`: orders the pairs by values, those with equal ones as they are, like `SORT_KEYS`;
- `WRITE`: writes the lines of the pairs from `at` up to `count` into the buffer, as far as they fit; `at` is then the
  next. `rows` is for the words of a histogram.

A pair of an integer and a number is these two, and nothing else is looked at once there are pairs; any other is what
it is to be ordered by and the number of the entry. Both as what, taken for unsigned, has the order that is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.native.charts import CHART, Chart, chart_of
from pytrace.codegen.native.drain import ATTRIBUTES
from pytrace.codegen.native.formats import Fields, Format, Literals, Piece, has_text, most_bytes
from pytrace.codegen.native.library import LIBRARY, SLACK, module
from pytrace.codegen.native.sorting import COUNTS, SORTING
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
    "COUNTS", "ENTRIES", "FIND", "FOUND_SIZE", "KEYS", "MERGE", "SORT_KEYS", "SORT_VALUES", "VALUES", "WRITE",
    "EntriesSource", "entries_source", "number_of",
]  # fmt: skip

ENTRIES = (
    "what", "count", "copies", "first", "first_values", "second", "second_values", "split", "pairs", "spare", "counts",
    "at", "text", "room", "used", "tables", "wanted", "mask", "rows", "stride",
)  # fmt: skip
FIND, MERGE, KEYS, SORT_KEYS, VALUES, SORT_VALUES, WRITE = range(7)
FOUND_SIZE = 64
"""Bytes of keys that can be found, at most."""

_MOST, _MOST_CHART = 1 << 16, 1 << 19
"""Bytes of a line, and of a histogram: maps with longer ones are for Python."""
_SIGN = -1 << 63
_SCATTER = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: multiplied by it, keys in a row fall on different places."""


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


def _chart(value: Type) -> Chart | None:
    """How a value is drawn, if that is a histogram."""
    if not isinstance(value, Aggregate) or value.name not in ("hist", "lhist"):
        return None
    from pytrace.aggregations import AGGREGATIONS, Histogram

    histogram = AGGREGATIONS[value.name]
    assert isinstance(histogram, Histogram)
    return chart_of([histogram.bucket(value, n).label for n in range(histogram.bucket_count(value))])


def entries_source(name: bytes, key: Type, sizes: Sequence[int], value: Type, trailer: bytes) -> EntriesSource | None:
    """The code for a map's lines; None if it is not for here. `sizes` are those of the keys in the hashes behind it."""
    number, chart, found = number_of(value), _chart(value), _key_pieces(key)
    if found is None or ((number is None or size_of(number) not in (1, 2, 4, 8)) and chart is None):
        return None
    pieces, fields = found
    most = len(name) + 64 + most_bytes(pieces, fields, len(trailer))
    if most > _MOST or (chart is not None and chart.most > _MOST_CHART):
        return None
    most += chart.most if chart is not None else 0
    function = _Entries(name, key, sizes, number, chart, trailer)
    function.write(pieces, fields, most)
    text = f"{module(LIBRARY + SORTING + CHART, function.text())}\nattributes #0 = {ATTRIBUTES}\n"
    return EntriesSource(text, bytes(function.literals.data) + bytes(SLACK), most + SLACK)


class _Entries:
    def __init__(
        self, name: bytes, key: Type, sizes: Sequence[int], number: Int | None, chart: Chart | None, trailer: bytes
    ) -> None:
        self.b = b = Builder(("state",))
        self.name, self.key, self.sizes, self.number, self.chart = name, key, sizes, number, chart
        self.state = Value("%state", "ptr", 8)
        self.tables = self._pointer("tables")
        self.literals = Literals(b, self.tables)
        self.format = Format(b, self.tables, self.literals, trailer)
        self.index = b.register("i64")
        self.direct = isinstance(key, Int) and number is not None
        """Whether pairs are key and value."""

    def _word(self, name: str) -> Value:
        return self.b.load("i64", self.state, 8 * ENTRIES.index(name))

    def _pointer(self, name: str) -> Value:
        return self.b.load("ptr", self.state, 8 * ENTRIES.index(name))

    def write(self, pieces: list[Piece], fields: Fields, most: int) -> None:
        b = self.b
        tasks = (self._find, self._merge, self._keys, self._sort_keys, self._values, self._sort_values)
        labels = [b.block("task") for _ in (*tasks, WRITE)]
        task = self._word("what")
        cases = " ".join(f"i64 {what}, label %{label}" for what, label in enumerate(labels))
        b.line(f"switch i64 {task.text}, label %{labels[0]} [ {cases} ]")
        b.closed = True
        for label, emit in zip(labels, tasks, strict=False):
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

    # finding

    def _find(self) -> None:
        b = self.b
        if self.sizes[0] > FOUND_SIZE or self.number is None:
            b.ret(1)
            return
        wanted, slots, mask = self._pointer("wanted"), self._pointer("spare"), self._word("mask")
        keys, places, slot = self._pointer("first"), self._pointer("pairs"), b.register("i64")

        def probe(key: list[Value]) -> tuple[Value, Value, str]:
            """Opens a loop through the slots in which a key may be: the slot, what is in it, and the label to go on
            with."""
            look, step = b.block("look"), b.block("step")
            spread = b.mul(key[0], _SCATTER)
            for word in key[1:]:
                spread = b.mul(b.xor(b.xor(spread, b.lshr(spread, 32)), word), _SCATTER)
            b.store(b.and_(b.lshr(spread, 32), mask), slot)
            b.br(look)
            b.place(step)
            b.store(b.and_(b.add(b.load("i64", slot), 1), mask), slot)
            b.br(look)
            b.place(look)
            at = Value(b.gep(slots, b.mul(b.load("i64", slot), 4)).text, "ptr", 4)
            return at, b.load("i32", at), step

        n, again, behind = self._each(0, self._word("at"))
        at, found, step = probe(self._key_words(wanted, n))
        free = b.block("free")
        b.cond_br(b.eq(found, 0), free, step)
        b.place(free)
        b.store(b.trunc(b.add(n, 1), "i32"), at)
        self._end(again, behind)

        n, again, behind = self._each(0, self._word("count"))
        key = self._key_words(keys, n)
        _, found, step = probe(key)
        used, same = b.block("used"), b.block("same")
        b.cond_br(b.eq(found, 0), again, used)
        b.place(used)
        number = b.sub(b.zext(found), 1)
        difference = b.const(0)
        for left, right in zip(key, self._key_words(wanted, number), strict=True):
            difference = b.or_(difference, b.xor(left, right))
        b.cond_br(b.eq(difference, 0), same, step)
        b.place(same)
        b.store(n, Value(b.gep(places, b.mul(number, 8)).text, "ptr", 8))
        self._end(again, behind)
        b.ret(0)

    def _key_words(self, keys: Value, n: Value) -> list[Value]:
        """A key in words, padded with zeros."""
        b, size = self.b, self.sizes[0]
        at = Value(b.gep(keys, b.mul(n, size)).text, "ptr", 1)
        words = [b.load("i64", at, offset) for offset in range(0, size, 8)]
        if rest := size % 8:
            words[-1] = b.and_(words[-1], (1 << 8 * rest) - 1)
        return words

    def _merge(self) -> None:
        b = self.b
        if self.chart is None:
            b.ret(1)
            return
        numbers, source, target, stride = (
            self._pointer("pairs"), self._pointer("first_values"), self._pointer("second_values"), self._word("stride"),
        )  # fmt: skip
        size = b.mul(stride, 8)
        n, again, behind = self._each(0, self._word("count"))
        number = b.load("i64", Value(b.gep(numbers, b.mul(n, 8)).text, "ptr", 8))
        to, from_ = b.gep(target, b.mul(number, size)), b.gep(source, b.mul(n, size))
        b.call("@add_words", (to, from_, stride), "void")
        self._end(again, behind)
        b.ret(0)

    # sorting

    def _pair(self, n: Value) -> Value:
        return Value(self.b.gep(self._pointer("pairs"), self.b.mul(n, 16)).text, "ptr", 8)

    def _key_at(self, n: Value) -> Value:
        """The address of an entry's key."""
        b = self.b
        return self._one_of(n, ("first", "second"), (b.const(self.sizes[0]), b.const(self.sizes[-1])), 1)

    def _value_at(self, n: Value) -> Value:
        """The address of an entry's value, of the first copy."""
        size = self.b.mul(self.b.mul(self._word("copies"), self._word("stride")), 8)
        return self._one_of(n, ("first_values", "second_values"), (size, size), 8)

    def _one_of(self, n: Value, columns: tuple[str, str], sizes: tuple[Value, Value], align: int) -> Value:
        """The address of what an entry has in one of two columns."""
        b, at = self.b, self.b.register("ptr")
        b.store(b.gep(self._pointer(columns[0]), b.mul(n, sizes[0])), at)
        if len(self.sizes) > 1:
            other, chosen, split = b.block("other"), b.block("chosen"), self._word("split")
            b.cond_br(b.ult(n, split), chosen, other)
            b.place(other)
            b.store(b.gep(self._pointer(columns[1]), b.mul(b.sub(n, split), sizes[1])), at)
            b.place(chosen)
        return Value(b.load("ptr", at).text, "ptr", align)

    def _keys(self) -> None:
        """Unsigned keys are ordered as if they were signed, as `output.contents` does."""
        b = self.b
        n, again, behind = self._each(0, self._word("count"))
        pair = self._pair(n)
        if isinstance(self.key, Int):
            key = b.load(f"i{8 * size_of(self.key)}", self._key_at(n))
            b.store(b.xor(b.resize(key, "i64", True), _SIGN), pair)
        else:
            b.store(0, pair)
        b.store(self._rank(n) if self.direct else n, pair, 8)
        self._end(again, behind)
        b.ret(0)

    def _values(self) -> None:
        b = self.b
        if not self.direct:
            n, again, behind = self._each(0, self._word("count"))
            pair = self._pair(n)
            b.store(self._rank(b.load("i64", pair, 8)), pair)
            self._end(again, behind)
        b.ret(0)

    def _rank(self, n: Value) -> Value:
        """What an entry is ordered by: its number, or how much its histogram counted."""
        b, at = self.b, self._value_at(n)
        if self.chart is not None:
            return b.call("@sum", (at, b.mul(self._word("copies"), self._word("stride")), b.const(1)))
        assert self.number is not None
        if (size := size_of(self.number)) < 8:
            return self._signed(b.resize(b.load(f"i{8 * size}", at), "i64", self.number.signed))
        return self._signed(b.call("@sum", (at, self._word("copies"), self._word("stride"))))

    def _signed(self, value: Value) -> Value:
        """From a number to what it is ordered by, and back."""
        assert self.number is not None
        return self.b.xor(value, _SIGN) if self.number.signed else value

    def _sort_keys(self) -> None:
        if isinstance(self.key, Int):
            self._sort(0)
        else:
            self.b.ret(0)

    def _sort_values(self) -> None:
        self._sort(1 if self.direct else 0)

    def _sort(self, by: int) -> None:
        b, pairs = self.b, self._pointer("pairs")
        args = (pairs, self._pointer("spare"), self._pointer("counts"), self._word("count"), b.const(by))
        b.ret(b.select(b.eq(b.ptrtoint(b.call("@sort", args, "ptr")), b.ptrtoint(pairs)), b.const(0), b.const(1)))

    # writing

    def _lines(self, pieces: list[Piece], fields: Fields, most: int) -> None:
        b, text = self.b, self._pointer("text")
        limit = b.gep(text, self._word("room"))
        to = b.register("ptr")
        b.store(text, to)
        n, again, behind = self._each(self._word("at"), self._word("count"))
        at, fitting = b.load("ptr", to), b.block("fitting")
        b.cond_br(b.ult(b.sub(b.ptrtoint(limit), b.ptrtoint(at)), most + SLACK), behind, fitting)
        b.place(fitting)
        pair = self._pair(n)
        at = self.format.literal(self.name + b"[", at)
        if self.direct:
            assert isinstance(self.key, Int)
            key = b.xor(b.load("i64", pair), _SIGN)
            if not self.key.signed and self.key.size < 8:
                key = b.and_(key, (1 << 8 * self.key.size) - 1)
            at = self.format.number(key, self.key.signed, at)
        else:
            entry = b.load("i64", pair, 8)
            start, at = at, self.format.write(pieces, fields, self._key_at(entry), at)
            if isinstance(self.key, Str):
                at = self._bare(start, at)
        if self.chart is not None:
            at = self._chart(self.chart, entry, self.format.literal(b"]:\n", at))
        else:
            assert self.number is not None
            number = self._signed(b.load("i64", pair, 8 if self.direct else 0))
            at = self.format.number(number, self.number.signed, self.format.literal(b"]: ", at))
        b.store(self.format.literal(b"\n", at), to)
        self._end(again, behind)
        b.store(b.load("i64", self.index), self.state, 8 * ENTRIES.index("at"))
        b.store(b.sub(b.ptrtoint(b.load("ptr", to)), b.ptrtoint(text)), self.state, 8 * ENTRIES.index("used"))
        b.ret(0)

    def _chart(self, chart: Chart, entry: Value, to: Value) -> Value:
        b, rows, words = self.b, self._pointer("rows"), self.b.const(chart.words)
        b.call("@add_rows", (rows, self._value_at(entry), words, self._word("copies")), "void")
        data = self.literals(chart.data)
        args = (to, rows, words, b.gep(data, chart.labels), b.const(chart.stride), data, self.tables)
        return Value(b.call("@chart", args, "ptr").text, "ptr", 1)

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
