"""Writes BTF, so that its reader can be tested without a kernel, and with what this kernel does not contain."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pytrace.kernel.btf import Kind


class BtfWriter:
    """Types are numbered in the order in which they are added, from `first_id` (1, or the end of a base)."""

    def __init__(self, first_id: int = 1, first_string: int = 0) -> None:
        self._next = first_id
        self._first_string = first_string
        self._strings = b"" if first_string else b"\0"
        self._offsets: dict[str, int] = {}
        self._types = b""

    def _name(self, name: str) -> int:
        if not name:
            return 0
        if name not in self._offsets:
            self._offsets[name] = self._first_string + len(self._strings)
            self._strings += name.encode() + b"\0"
        return self._offsets[name]

    def add(self, kind: int, name: str, value: int, parts: bytes = b"", vlen: int = 0, flag: bool = False) -> int:
        self._types += struct.pack("<III", self._name(name), flag << 31 | kind << 24 | vlen, value) + parts
        self._next += 1
        return self._next - 1

    def int(self, name: str, size: int, encoding: int = 0, bits: int | None = None, first: int = 0) -> int:
        data = encoding << 24 | first << 16 | (size * 8 if bits is None else bits)
        return self.add(Kind.INT, name, size, struct.pack("<I", data))

    def pointer(self, to: int) -> int:
        return self.add(Kind.PTR, "", to)

    def array(self, elem: int, count: int) -> int:
        return self.add(Kind.ARRAY, "", 0, struct.pack("<III", elem, 0, count))

    def struct(
        self, name: str, size: int, members: Sequence[tuple[str, int, int] | tuple[str, int, int, int]],
        kind: int = Kind.STRUCT,
    ) -> int:
        """Members (name, type, bit offset[, bit size]); with a bit size anywhere the kind flag is set."""
        flag = any(len(m) == 4 for m in members)
        parts = b"".join(
            struct.pack("<III", self._name(m[0]), m[1], m[2] | (m[3] << 24 if len(m) == 4 else 0)) for m in members
        )
        return self.add(kind, name, size, parts, len(members), flag)

    def enum(self, name: str, values: Sequence[tuple[str, int]], size: int = 4) -> int:
        signed = any(value < 0 for _, value in values)
        parts = b"".join(struct.pack("<II", self._name(n), v & 0xFFFFFFFF) for n, v in values)
        return self.add(Kind.ENUM, name, size, parts, len(values), signed)

    def enum64(self, name: str, values: Sequence[tuple[str, int]]) -> int:
        signed = any(value < 0 for _, value in values)
        parts = b"".join(
            struct.pack("<III", self._name(n), v & 0xFFFFFFFF, v >> 32 & 0xFFFFFFFF) for n, v in values
        )
        return self.add(Kind.ENUM64, name, 8, parts, len(values), signed)

    def prototype(self, returns: int, parameters: Sequence[tuple[str, int]]) -> int:
        parts = b"".join(struct.pack("<II", self._name(n), t) for n, t in parameters)
        return self.add(Kind.FUNC_PROTO, "", returns, parts, len(parameters))

    def section(self, name: str, variables: Sequence[tuple[int, int, int]]) -> int:
        parts = b"".join(struct.pack("<III", *v) for v in variables)
        return self.add(Kind.DATASEC, name, sum(v[2] for v in variables), parts, len(variables))

    def data(self) -> bytes:
        header = struct.pack(
            "<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._strings)
        )
        return header + self._types + self._strings
