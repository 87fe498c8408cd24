"""Rows for strings and stacks (`cached.py`), of maps that are stored as two (`storage.py`): for what fits into a row.

A string is read onto the stack, as much as rows have room for: most end there, and nothing else is touched before the
row. Otherwise it is read where keys of the hash are made, behind the table.

Of a stack all frames that there are make the row's number, and are compared with the row; the kernel fills up with
zeros what is behind them.
"""

from __future__ import annotations

from collections.abc import Callable

from pytrace.codegen.aggregates import Held
from pytrace.codegen.cached import MIX, TEXT, Cached, Candidate, row_key, row_of
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.layout import align_up, pieces
from pytrace.codegen.maps import Located
from pytrace.codegen.storage import SHORT, short_symbol
from pytrace.semantics import program as core
from pytrace.semantics.types import U64, Space, Stack, Tuple, size_of

__all__ = ["WideKeys"]


def reads_whole(call: core.Call) -> bool:
    """Whether a call is a `str()` that reads memory up to the end of the string."""
    return call.name == "str" and len(call.args) == 1 and bool(call.static[0]) and call.static[1] == -1


class WideKeys(Cached):
    def find_key(self, map_: core.Map, key: core.Expr | None, found: str, never: str) -> tuple[Located, Candidate]:
        if key is None or map_.index not in self.module.split:
            return super().find_key(map_, key, found, never)
        if isinstance(key, core.Call) and key.type == map_.key and reads_whole(key):
            return self._find_read(map_, key, found, never)
        at = self.located(map_, key)
        table, now = self.find_table(map_, never), self.round_of(map_)
        if isinstance(map_.key, Stack):
            assert at.either is not None
            return at, self._if(at.either[0], lambda: self._find_stack(map_, table, now, at.key, found))
        fits = self.b.eq(self.b.load("i8", at.key, TEXT - 2), 0)
        return at, self._if(fits, lambda: self.find_row(map_, table, now, self.words(at.key, pieces(TEXT, at.key.align)), found))

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

    def _find_read(self, map_: core.Map, key: core.Call, found: str, never: str) -> tuple[Located, Candidate]:
        """A string that has to be read from memory.

        All that stays in registers meanwhile is kept low, and read again where it is needed: a larger stack is not in
        the cache."""
        b, mark = self.b, len(self.frame.held)
        fits, long, join = b.block("fits"), b.block("long"), b.block("join")
        address, now = self.eval64(key.args[0]), self.round_of(map_)
        near = self.frame.take(TEXT) or self.in_scratch(TEXT)
        self.zero(near, TEXT)
        with self.at(key.span):
            read = self.read_string(near, TEXT, address, Space(key.static[0]), key.span)
        b.cond_br(b.eq(read, TEXT), long, fits)
        b.place(fits)
        table = self.find_table(map_, never)
        candidate = self.find_row(map_, table, now, self.words(near, pieces(TEXT, 8)), found)
        at = self._area(map_, table)
        for offset in range(0, SHORT, 8):
            b.store(b.load("i64", near, offset, volatile=True) if offset < TEXT else 0, at, offset)
        missed = b.current
        b.br(join)
        b.place(long)
        self.frame.give_back(mark)
        again = self._area(map_, self.find_table(map_, never))
        held = b.gep(again, align_up(size_of(key.type)) + SHORT)
        b.store(address, held)
        source: core.Expr = core.Part(U64, key.span, Held(Tuple((U64,)), key.span, held), 0)
        with self.strictly():
            self.short = SHORT
            self.store(core.Call(key.type, key.span, key.name, (source,), key.static), again)
            self.short = 0
        other = b.current
        b.place(join)
        area = Value(b.phi((at, missed), (again, other)).text, "ptr", ANYWHERE)
        candidate = self._joined(candidate, missed, other)
        short, whole = self.module.map(short_symbol(map_)), self.map_pointer(map_)
        is_short = b.eq(b.load("i8", area, SHORT - 1), 0)
        return Located(b.select(is_short, short, whole), area, (is_short, short, whole)), candidate

    def _area(self, map_: core.Map, table: Value) -> Value:
        """Where keys of the hash are made."""
        return self.b.gep(self.b.barrier(table), row_of(map_).area)

    def owner(self, map_: core.Map, row: Value, never: str) -> Value:
        if map_.index not in self.module.split:
            return super().owner(map_, row, never)
        key = self.b.gep(row, row_of(map_).key)
        if row_key(map_) == TEXT:
            assert map_.key is not None
            full = self.b.gep(self._area(map_, self.find_table(map_, never)), align_up(size_of(map_.key)))
            self.copy(full, key, TEXT)
            self.zero(self.b.gep(full, TEXT), SHORT - TEXT)
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
