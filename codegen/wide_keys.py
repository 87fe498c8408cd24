"""Rows for strings and stacks (`cached.py`), of maps that are stored as two (`storage.py`): for what fits into a row.

A key that is a string, or ends with one, is made on the stack, with as much of the string as rows have room for: most
end there, and nothing else is touched before the row. Otherwise it is made where keys of the hash are made, behind the
table.

Of a stack all frames that there are make the row's number, and are compared with the row; the kernel fills up with
zeros what is behind them.
"""

from __future__ import annotations

from pytrace.codegen.aggregates import Held
from pytrace.codegen.cached import MIX, Cached, Candidate, row_key, row_of
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import align_up, pieces
from pytrace.codegen.maps import Located
from pytrace.codegen.storage import SHORT, short_size, short_symbol, text_at
from pytrace.frozen import replace
from pytrace.hints import Callable
from pytrace.semantics import program as core
from pytrace.semantics.types import U64, Record, Space, Stack, Tuple, size_of

__all__ = ["WideKeys"]


def last_read(key: core.Expr) -> core.Call | None:
    """The `str()` that is a key or its end, evaluated last, if it reads memory up to the end of the string."""
    if isinstance(key, core.MakeTuple) and (not key.order or key.order[-1] == len(key.items) - 1):
        key = key.items[-1]
    if isinstance(key, core.Call) and key.name == "str" and len(key.args) == 1:
        return key if key.static[0] and key.static[1] == -1 else None
    return None


class WideKeys(Cached):
    def find_key(self, map_: core.Map, key: core.Expr | None, found: str, never: str) -> tuple[Located, Candidate]:
        if key is None or map_.index not in self.module.split:
            return super().find_key(map_, key, found, never)
        read = last_read(key)
        if read is not None and key.type == map_.key and not self.is_unclean(key.type):
            return self._find_read(map_, key, read, found, never)
        at = self.located(map_, key)
        table, now, width = self.find_table(map_, never), self.round_of(map_), row_key(map_)
        if isinstance(map_.key, Stack):
            assert at.either is not None
            return at, self._if(at.either[0], lambda: self._find_stack(map_, table, now, at.key, found))
        fits = self.b.eq(self.b.load("i8", at.key, width - 2), 0)
        accesses = pieces(width, at.key.align)
        return at, self._if(fits, lambda: self.find_row(map_, table, now, self.words(at.key, accesses), found))

    def _if(self, fits: Value, find: Callable[[], Candidate]) -> Candidate:
        """What `find` finds if the key fits into a row."""
        b, try_, join = self.b, self.b.block("try"), self.b.block("join")
        other = b.current
        b.cond_br(fits, try_, join)
        b.place(try_)
        candidate = find()
        missed = b.current
        b.place(join)
        return self._joined(candidate, missed, other)

    def _joined(self, candidate: Candidate, missed: str, other: str) -> Candidate:
        """The candidate for who comes from the block `missed`, none for who comes from `other`."""
        row = self.b.phi((candidate.row, missed), (Value("null", "ptr"), other))
        return Candidate(Value(row.text, "ptr", ANYWHERE), candidate.hit, candidate.now, nullable=True)

    # strings

    def _find_read(
        self, map_: core.Map, key: core.Expr, call: core.Call, found: str, never: str
    ) -> tuple[Located, Candidate]:
        """A key that ends with a string that has to be read from memory.

        All that stays in registers meanwhile is kept low, and read again where it is needed: a larger stack is not in
        the cache."""
        b, mark, width = self.b, len(self.frame.held), row_key(map_)
        start, short = text_at(key.type) or 0, short_size(key.type)
        fits, long, join = b.block("fits"), b.block("long"), b.block("join")
        near = self.frame.take(width) or self.in_scratch(width)
        now = self.round_of(map_)
        if isinstance(key, core.MakeTuple):
            self._store_head(key, near)
        address = self.eval64(call.args[0])
        self.zero(b.gep(near, start), width - start)
        with self.at(call.span):
            read = self.read_string(b.gep(near, start), width - start, address, Space(call.static[0]), call.span)
        b.cond_br(b.eq(read, width - start), long, fits)
        b.place(fits)
        table = self.find_table(map_, never)
        candidate = self.find_row(map_, table, now, self.words(near, pieces(width, near.align)), found)
        at = self._area(map_, table)
        for offset in range(0, width, 8):
            b.store(b.load("i64", near, offset, volatile=True), at, offset)
        self.zero(b.gep(at, width), short - width)
        missed = b.current
        b.br(join)
        b.place(long)
        again = self._area(map_, self.find_table(map_, never))
        self.copy(again, near, start)
        self.frame.give_back(mark)
        held = b.gep(again, align_up(size_of(key.type)) + align_up(short))
        b.store(address, held)
        source: core.Expr = core.Part(U64, call.span, Held(Tuple((U64,)), call.span, held), 0)
        with self.strictly():
            self.short = SHORT
            self.store(replace(call, args=(source,)), b.gep(again, start))
            self.short = 0
        other = b.current
        b.place(join)
        area = Value(b.phi((at, missed), (again, other)).text, "ptr", ANYWHERE)
        candidate = self._joined(candidate, missed, other)
        short_map, whole = self.module.map(short_symbol(map_)), self.map_pointer(map_)
        is_short = b.eq(b.load("i8", area, short - 1), 0)
        return Located(b.select(is_short, short_map, whole), area, (is_short, short_map, whole)), candidate

    def _store_head(self, key: core.MakeTuple, at: Value) -> None:
        """Writes what is in front of the last member. A string needs no alignment: there is no gap between them."""
        assert isinstance(key.type, Tuple | Record)
        head: Tuple | Record
        if isinstance(key.type, Record):
            head = Record(key.type.fields[:-1])
        else:
            head = Tuple(key.type.elems[:-1])
        with self.strictly():
            self.store(core.MakeTuple(head, key.span, key.items[:-1], key.order[:-1]), at)

    def _area(self, map_: core.Map, table: Value) -> Value:
        """Where keys of the hash are made."""
        return self.b.gep(self.b.barrier(table), row_of(map_).area)

    def owner(self, map_: core.Map, row: Value, never: str) -> Value:
        if map_.index not in self.module.split:
            return super().owner(map_, row, never)
        assert map_.key is not None
        key, width, short = self.b.gep(row, row_of(map_).key), row_key(map_), short_size(map_.key)
        if width < short:
            full = self.b.gep(self._area(map_, self.find_table(map_, never)), align_up(size_of(map_.key)))
            self.copy(full, key, width)
            self.zero(self.b.gep(full, width), short - width)
            key = full
        return self.pointer_helper("map_lookup_elem", self.module.map(short_symbol(map_)), key)

    # stacks

    def _find_stack(self, map_: core.Map, table: Value, now: Value, key: Value, found: str) -> Candidate:
        b, layout, size = self.b, row_of(map_), row_key(map_)
        assert isinstance(map_.key, Stack)
        head = 2 if map_.key.kind != "kstack" else 1
        pairs = b.lshr(b.add(b.load("i64", key), head + 1), 1)

        def mix(at: Value, so_far: Value) -> Value:
            first, second = b.load("i64", b.gep(key, at)), b.load("i64", b.gep(key, at), 8)
            return b.add(b.mul(so_far, MIX * MIX % (1 << 64)), b.add(b.mul(first, MIX), second))

        row = self.row_at(map_, table, self._fold(pairs, size // 16, mix))
        round_ = b.load("i32", row, layout.meta + 4, volatile=True)

        def differ(at: Value, so_far: Value) -> Value:
            mine, theirs = b.gep(key, at), b.gep(b.gep(row, layout.key), at)
            first = b.xor(b.load("i64", mine), b.load("i64", theirs))
            return b.or_(so_far, b.or_(first, b.xor(b.load("i64", mine, 8), b.load("i64", theirs, 8))))

        differs = self._fold(pairs, size // 16, differ)
        miss = b.block("miss")
        b.cond_br(b.eq(b.or_(differs, b.zext(b.xor(round_, now))), 0), found, miss)
        b.place(miss)
        return Candidate(row, row, now)

    def _fold(self, pairs: Value, most: int, step: Callable[[Value, Value], Value]) -> Value:
        """What `step` makes of 0 and the offsets of so many pairs of words, one after the other."""
        b, limit = self.b, self.b.shl(self.clamp(pairs, most), 4)
        before, again, inside, done = b.current, b.block("fold"), b.block("round"), b.block("folded")
        b.place(again)
        at, so_far, line = Value(b.name(), "i64"), Value(b.name(), "i64"), len(b.lines)
        b.cond_br(b.ult(at, limit), inside, done)
        b.place(inside)
        result = step(at, so_far)
        following = b.add(at, 16)
        for each, next_ in ((so_far, result), (at, following)):
            b.lines.insert(line, f"{each.text} = phi i64 [ 0, %{before} ], [ {next_.text}, %{b.current} ]")
        b.br(again)
        b.place(done)
        return so_far

    def copy_key(self, map_: core.Map, row: Value, key: Value) -> None:
        if map_.index in self.module.split and isinstance(map_.key, Stack):
            self.copy(self.b.gep(row, row_of(map_).key), Value(key.text, "ptr", ANYWHERE), row_key(map_))
        else:
            super().copy_key(map_, row, key)
