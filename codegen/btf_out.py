"""BTF for the programs of an image: by it the kernel knows every function's name, and others can trace the programs.

The least that does: one integer, a pointer, two function types, and each function by its name
(Documentation/bpf/btf.rst). A function that is passed to a helper must have a type; a program needs one to be found by
`fentry:bpf` and to show its whole name in stacks and in listings.
"""

from __future__ import annotations

import struct

from pytrace.hints import Sequence

__all__ = ["program_btf"]

_INT, _PTR, _FUNC, _FUNC_PROTO = 1, 2, 12, 13
_STATIC, _GLOBAL = 0, 1
_LONG, _POINTER, _PROGRAM, _FUNCTION = 1, 2, 3, 4
"""Type numbers: a signed integer of 64 bits, a pointer to anything, the type of programs, that of other functions."""
_ARGUMENTS = ("a", "b", "c", "d", "e")


def program_btf(programs: Sequence[tuple[str, Sequence[tuple[str, int]]]]) -> tuple[bytes, list[bytes]]:
    """BTF of all programs, and the func_info of each: records (first slot, type) of 8 bytes.

    A program is its name and its functions' names and first slots, its own first. Functions other than a program's own
    are shared by name.

    Where the exit of a function is traced, the kernel calls it with the arguments that its type tells of. Ours have up
    to five, so all are told of: with fewer some would be lost.
    """
    strings = bytearray(b"\0")
    places: dict[str, int] = {"": 0}

    def string(text: str) -> int:
        at = places.get(text)
        if at is None:
            at = places[text] = len(strings)
            strings.extend(text.encode() + b"\0")
        return at

    def prototype(*parameters: tuple[str, int]) -> bytes:
        head = struct.pack("<III", 0, _FUNC_PROTO << 24 | len(parameters), _LONG)
        return head + b"".join(struct.pack("<II", string(name), type_) for name, type_ in parameters)

    types = bytearray(struct.pack("<IIII", string("long"), _INT << 24, 8, 1 << 24 | 64))
    types += struct.pack("<III", 0, _PTR << 24, 0)
    types += prototype(("ctx", _POINTER))
    types += prototype(*((name, _LONG) for name in _ARGUMENTS))
    count = _FUNCTION
    shared: dict[str, int] = {}
    infos = []
    for program, functions in programs:
        info = b""
        for number, (name, slot) in enumerate(functions):
            type_ = shared.get(name) if number else None
            if type_ is None:
                count = type_ = count + 1
                text, linkage, kind = (name, _STATIC, _FUNCTION) if number else (program, _GLOBAL, _PROGRAM)
                types += struct.pack("<III", string(text.replace(".", "_")), _FUNC << 24 | linkage, kind)
                if number:
                    shared[name] = type_
            info += struct.pack("<II", slot, type_)
        infos.append(info)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + bytes(types) + bytes(strings), infos
