"""The function that turns the records of a ring into text, and its contract with `runtime/native.py`.

It is called with the address of a `STATE`: words of 64 bits that say where everything is, and in which it leaves how
far it came. It goes through the committed records from the consumer's position, writes their text, moves the
consumer's position, and gives the reason why it stopped:

- `END`: at the position that it must not pass, at a record that is still being written, or after as many as allowed;
- `FULL`: the next text might not fit into what is left of the buffer;
- `PYTHON`: the next record is for Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import Value
from pytrace.codegen.image import Action
from pytrace.codegen.native.formats import Fields, Format, Literals, Piece, fits, has_text, most_bytes, pieces_of
from pytrace.codegen.native.library import LIBRARY, SLACK, module
from pytrace.frozen import frozen

__all__ = ["ATTRIBUTES", "END", "FULL", "PYTHON", "STATE", "Source", "native_source"]

STATE = ("data", "mask", "consumer", "end", "text", "room", "used", "tables", "left")
"""The address of the ring's data and the mask of its offsets; the address of the consumer's position; the position not
to pass; address, size and used bytes of the buffer for text; the address of the tables; how many records may be
handled, and in the end how many more might have been."""
END, FULL, PYTHON = 0, 1, 2

ATTRIBUTES = '{ nounwind "no-jump-tables"="true" "no-builtins" "frame-pointer"="none" }'
_MOST = 1 << 17
"""Bytes of text of one record: longer ones are for Python."""


@frozen
class Source:
    """The module without the lines about the target, the bytes to which its `tables` must point, and the most bytes
    that the text of one record needs in the buffer. `actions` are those that it handles."""

    text: str
    tables: bytes
    most: int
    actions: tuple[int, ...]


def _format_of(action: Action) -> tuple[Sequence[Piece], Fields] | None:
    """What an action prints, if the text can be made here."""
    fields = action.layout.fields
    if action.kind == "printf":
        pieces, whole = pieces_of(action.static)
        return (pieces, fields) if whole and fits(pieces, fields) else None
    if action.kind == "print" and has_text(fields[0][1]):
        return (("conv", "", 0, "", "s", 0), b"\n"), fields
    return None


def native_source(actions: Sequence[Action], trailer: bytes, *, json: bool = False) -> Source | None:
    """The code for the actions of an image, for text or JSON; None if there is none that it could handle.

    `trailer` marks a string that was cut (`str_trunc_trailer`).
    """
    formats: dict[int, tuple[Sequence[Piece], Fields, int]] = {}
    for index, action in enumerate(actions):
        found = _format_of(action) if not json or action.kind == "printf" else None
        if found is not None and (most := most_bytes(*found, len(trailer))) <= _MOST:
            formats[index] = (*found, most)
    if not formats:
        return None
    function = _Drain(trailer, json)
    function.write(formats)
    text = f"{module(LIBRARY, function.text())}\nattributes #0 = {ATTRIBUTES}\n"
    return Source(text, bytes(function.literals.data) + bytes(SLACK), function.most, tuple(formats))


class _Drain:
    def __init__(self, trailer: bytes, json: bool) -> None:
        self.b = b = Builder(("state",))
        self.json = json
        self.most = 0
        self.state = Value("%state", "ptr", 8)
        self.tables = self._word("tables", pointer=True)
        self.literals = Literals(b, self.tables)
        self.format = Format(b, self.tables, self.literals, trailer)
        self.at, self.to, self.left = b.register("i64"), b.register("ptr"), b.register("i64")

    def _place(self, name: str) -> int:
        return 8 * STATE.index(name)

    def _word(self, name: str, *, pointer: bool = False) -> Value:
        return self.b.load("ptr" if pointer else "i64", self.state, self._place(name))

    def write(self, formats: dict[int, tuple[Sequence[Piece], Fields, int]]) -> None:
        b = self.b
        data, mask, end = self._word("data", pointer=True), self._word("mask"), self._word("end")
        consumer, text = self._word("consumer", pointer=True), self._word("text", pointer=True)
        limit = b.gep(text, self._word("room"))
        b.store(b.load("i64", consumer), self.at)
        b.store(b.gep(text, self._word("used")), self.to)
        b.store(self._word("left"), self.left)

        test, look, again, leave = (b.block(name) for name in ("test", "look", "again", "leave"))
        reason = b.register("i64")
        b.store(END, reason)
        b.place(test)
        at = b.load("i64", self.at)
        b.cond_br(b.select(b.ult(at, end), b.ne(b.load("i64", self.left), 0), b.const(0, "i1")), look, leave)

        b.place(look)
        header = b.gep(data, b.and_(at, mask))
        word = b.result("i32", f"load atomic i32, ptr {header.text} acquire, align 4")
        length = b.zext(b.and_(word, 0x3FFFFFFF))
        following = b.add(at, b.and_(b.add(length, 15), -8))
        committed, kept = b.block("committed"), b.block("kept")
        b.cond_br(b.slt(word, 0), leave, committed)
        b.place(committed)
        b.store(following, self.at)
        b.cond_br(b.ne(b.and_(word, 1 << 30), 0), test, kept)

        b.place(kept)
        record = Value(b.gep(header, 8).text, "ptr", 1)
        action = b.load("i32", record)
        python, full = b.block("python"), b.block("full")
        blocks = {index: b.block("action") for index in formats}
        cases = " ".join(f"i32 {index}, label %{label}" for index, label in blocks.items())
        b.line(f"switch i32 {action.text}, label %{python} [ {cases} ]")
        b.closed = True
        for index, (pieces, fields, most) in formats.items():
            b.place(blocks[index])
            self._action(pieces, fields, most, record, limit, (again, full, python))

        b.place(again)
        b.store(b.sub(b.load("i64", self.left), 1), self.left)
        b.br(test)
        for label, why in ((python, PYTHON), (full, FULL)):
            b.place(label)
            b.store(at, self.at)
            b.store(why, reason)
            b.br(leave)
        b.place(leave)
        position = b.load("i64", self.at)
        b.line(f"store atomic i64 {position.text}, ptr {consumer.text} release, align 8")
        b.store(b.sub(b.ptrtoint(b.load("ptr", self.to)), b.ptrtoint(text)), self.state, self._place("used"))
        b.store(b.load("i64", self.left), self.state, self._place("left"))
        b.ret(b.load("i64", reason))

    def _action(
        self, pieces: Sequence[Piece], fields: Fields, most: int, record: Value, limit: Value,
        labels: tuple[str, str, str],
    ) -> None:
        """The text of one record, if there is room for it."""
        b, (again, full, python) = self.b, labels
        # Escaped text is at most six times as long, and stands before the text that it is made from.
        front = 6 * most + 2 * SLACK if self.json else 0
        needed = front + most + SLACK
        self.most = max(self.most, needed)
        to = b.load("ptr", self.to)
        room, fitting = b.sub(b.ptrtoint(limit), b.ptrtoint(to)), b.block("fitting")
        b.cond_br(b.ult(room, needed), full, fitting)
        b.place(fitting)
        if not self.json:
            b.store(self.format.write(pieces, fields, record, to), self.to)
            b.br(again)
            return
        source = b.gep(to, front)
        end = self.format.write(pieces, fields, record, source)
        inside = self.format.literal(b'{"type": "printf", "data": "', to)
        size = b.sub(b.ptrtoint(end), b.ptrtoint(source))
        escaped = b.call("@escape", (inside, source, size, self.tables), "ptr")
        ascii_ = b.block("ascii")
        b.cond_br(b.is_null(escaped), python, ascii_)
        b.place(ascii_)
        b.store(self.format.literal(b'"}\n', escaped), self.to)
        b.br(again)

    def text(self) -> str:
        body = "\n".join(("entry:", *self.b.entry, *self.b.lines))
        return f"define i64 @drain(ptr %state) #0 {{\n{body}\n}}\n"
