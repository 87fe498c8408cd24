"""Fuzzy search in a hundred thousand names while somebody types: a few milliseconds for each key.

A name matches when it has the query, or its characters in their order from the beginning of a word on, whatever their
case. Python may look at a few
hundred names for each key, not at all of them, so all else is left to operations that run in C over many names at once:

* Names are kept by length, then alphabetically: short ones match better, so who stops early stops with the best.
* For each character there is one large integer with a bit for each name that has it, one for those that have it twice,
  and one for those in which a word begins with it. Names that can match are the conjunction of a few integers.
* Names that have the query as it is are found by searching for it in one text of all names. Only if these are too few
  are its characters looked for one by one, from the beginning of a word on, by a regular expression which never steps
  back.
* A longer query matches only what a shorter one did: the names that were found for the last one are searched again.

At most a few hundred names found in this way are then ranked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, islice
from typing import NamedTuple

__all__ = ["SCATTERED", "Names", "Packed", "folded_query", "pack", "rank"]

LIMIT = 200
"""How many names a search gives."""
_FUZZY_LIMIT = 300
_ENOUGH = 40
"""With that many names that have the query as it is, nobody looks for its characters one by one."""
_LONGEST = 60
"""Nobody types that much of a name and leaves out the rest."""
_CHUNK = 8192
SCATTERED = 4
"""The kind of a match, as `rank` numbers them, of scattered characters that begin where a word does."""
_WORD_STARTS = "_:.-/ "


class Packed(NamedTuple):
    """Prepared names as plain data, for the way between processes: `size` of them. `names` are lines, `folded` the
    same in lower case (empty if it is no different); bits are by character, the first name has the highest one."""

    size: int
    names: bytes
    folded: bytes
    once: dict[int, int]
    twice: dict[int, int]
    starts: dict[int, int]


_INSIDE_WORDS = re.compile(rb"(?<=[^\n_:./ -])[^\n_:./ -]+")
_ONES = bytes(int(byte == ord("1")) for byte in range(256))


def pack(names: Iterable[str], *, bits: bool = True) -> Packed:
    """Prepare names: ASCII or not, without newlines; the same name counts once. `bits` False leaves these out."""
    ordered = sorted({name for name in names if name and "\n" not in name}, key=lambda name: (len(name), name))
    text = "".join(f"{name}\n" for name in ordered).encode("utf-8", "surrogateescape")
    folded = text.lower()
    once: dict[int, int] = {}
    twice: dict[int, int] = {}
    starts: dict[int, int] = {}
    initials = _INSIDE_WORDS.sub(b"", folded) if bits else b""
    for byte in set(folded) - {10} if bits else ():
        kept = _ones(folded, byte)
        once[byte] = _bits(kept)
        twice[byte] = _bits(kept.replace(b"11", b"2").replace(b"1\n", b"\n").replace(b"2", b"1"))
        starts[byte] = _bits(_ones(initials, byte))
    return Packed(len(ordered), text, folded if folded != text else b"", once, twice, starts)


def _ones(lines: bytes, byte: int) -> bytes:
    """Of each line as many ones as it has of this byte."""
    table = bytes(ord("1") if each == byte else each for each in range(256))
    return lines.translate(table, bytes(set(range(256)) - {byte, 10}))


def _bits(lines: bytes) -> int:
    """A number with a digit for each line: whether it has any ones."""
    while b"11" in lines:
        lines = lines.replace(b"11", b"1")
    digits = lines.replace(b"1\n", b"1").replace(b"\n", b"0")
    return int(digits, 2) if digits else 0


def folded_query(text: str) -> str:
    """A query as it is compared: stars and the blanks around it mean nothing here."""
    return text.lower().replace("*", "").strip(" ")


class Names:
    """Names to search in. Those that stand alone are made by `Names(pack(names))`."""

    def __init__(self, packed: Packed) -> None:
        self._names = packed.names.decode("utf-8", "surrogateescape").split("\n")[:-1]
        folded = packed.folded or packed.names
        # With a newline in front, so that each name has one on both sides.
        self._text = "\n" + folded.decode("utf-8", "surrogateescape")
        self._folded = self._text.split("\n")[1:-1] if packed.folded else self._names
        self._once, self._twice, self._first = packed.once, packed.twice, packed.starts
        self._starts = [start for start in _WORD_STARTS if start in self._text]
        # What the last searches left: a text that is in no name; a query and the numbers of all that match it.
        self._absent = ""
        self._last: tuple[str, list[int]] | None = None

    @classmethod
    def of(cls, names: Iterable[str], *, prepared: bool = True) -> Names:
        """Prepared here, which takes some microseconds for each name; or only put in order, then looking for scattered
        characters takes longer."""
        return cls(pack(names, bits=prepared))

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: str) -> bool:
        folded = name.lower()
        same = self._lines(f"\n{folded}\n", LIMIT)
        return any(self._names[index] == name for index in same)

    def search(self, query: str, limit: int = LIMIT, among: bytes = b"") -> list[str]:
        """The names that match best, the best first; of an empty query the shortest names.

        `among` has a byte for each name, 0 for those that do not count; of the best ones these are left out.
        """
        query = folded_query(query)
        if not query:
            return list(islice(compress(self._names, among) if among else self._names, limit))
        found: dict[int, None] = {}
        if not (self._absent and self._absent in query):
            found = dict.fromkeys(self._lines(query, limit))
            if len(found) == limit:
                # Among those that are left out may be better ones.
                for text in (f"\n{query}", *(start + query for start in self._starts)):
                    found.update(dict.fromkeys(self._lines(text, limit)))
            if not found:
                self._absent = query
        if len(found) < min(limit, _ENOUGH) and 1 < len(query) <= _LONGEST:
            found.update(dict.fromkeys(self._scattered(query)))
        names, folded = self._names, self._folded
        ranked = sorted((rank(query, folded[index]), index) for index in found if not among or among[index])
        return [names[index] for (kind, _, _), index in islice(ranked, limit) if kind <= SCATTERED]

    def _lines(self, text: str, limit: int) -> Iterator[int]:
        """The numbers of the names that a text occurs in, in order."""
        find, whole = self._text.find, self._text
        at, line, counted = find(text), 0, 0
        for _ in range(limit):
            if at < 0:
                return
            stop = at + 1  # a newline that the text begins with ends the name before it
            line += whole.count("\n", counted, stop)
            counted = stop
            yield line - 1
            at = find(text, whole.find("\n", stop))

    def _scattered(self, query: str) -> list[int]:
        """Numbers of the names that have the characters of the query in order, but for too many of them; some have them
        from the middle of a word on."""
        last = self._last
        if last is not None and query.startswith(last[0]):
            candidates: Iterable[Sequence[int]] = (last[1],)
        else:
            candidates = self._candidates(query)
        pattern = _in_order(query)
        folded = self._folded
        found: list[int] = []
        for some in candidates:
            match = pattern.match
            found += [index for index in some if match(folded[index])]
            if len(found) >= _FUZZY_LIMIT:
                return found
        self._last = query, found
        return found

    def _candidates(self, query: str) -> Iterator[list[int]]:
        """Numbers of the names that have all the characters, the first one at the beginning of a word, some thousand at
        a time."""
        count = len(self._names)
        if not self._once:
            yield from (list(range(start, min(start + _CHUNK, count))) for start in range(0, count, _CHUNK))
            return
        bits = self._first.get(query[0].encode("utf-8", "surrogateescape")[0], 0)
        for byte in set(query.encode("utf-8", "surrogateescape")):
            bits &= (self._twice if query.count(chr(byte)) > 1 else self._once).get(byte, 0)
        if not bits:
            return
        flags = bin(bits)[2:].zfill(count).encode().translate(_ONES)
        for start in range(0, count, _CHUNK):
            yield list(compress(range(start, count), flags[start : start + _CHUNK]))


@lru_cache(maxsize=64)
def _in_order(query: str) -> re.Pattern[str]:
    return re.compile("".join(f"[^{re.escape(each)}]*{re.escape(each)}" for each in query))


def rank(query: str, name: str) -> tuple[int, int, int]:
    """How well a name in lower case that matches a folded query does so: what sorts first is best.

    The whole name, its beginning, the beginning of a word, any place; then scattered characters that begin where a word
    does, by how many jumps there are between them: one to the beginning of a word counts half. Shorter names first.
    Scattered characters that begin elsewhere are no match: there are too many by chance.
    """
    length = len(name)
    if name.startswith(query):
        return int(length > len(query)), 0, length
    at = name.find(query)
    if at >= 0:
        while at >= 0:
            if name[at - 1] in _WORD_STARTS:
                return 2, 0, length
            at = name.find(query, at + 1)
        return 3, 0, length
    if found := _from_word_start(query).search(name):
        jumps = 0
        for jump in found.groups():
            if jump:
                jumps += 1 if jump[-1] in _WORD_STARTS else 2
        return SCATTERED, jumps, length
    return SCATTERED + 1, 0, length


@lru_cache(maxsize=64)
def _from_word_start(query: str) -> re.Pattern[str]:
    """A pattern whose groups are what stands between the characters."""
    first, *rest = map(re.escape, query)
    pattern = first + "".join(f"([^{each}]*){each}" for each in rest)
    return re.compile(rf"(?:^|(?<=[{re.escape(_WORD_STARTS)}])){pattern}")
