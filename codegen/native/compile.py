"""From the actions of an image to machine code as plain data."""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.codegen.image import Action
from pytrace.codegen.llvm import compile_host
from pytrace.codegen.native.drain import native_source
from pytrace.kernel.object_file import read_object

__all__ = ["compile_native"]


def compile_native(actions: Sequence[Action], trailer: bytes, *, json: bool = False) -> tuple[bytes, int, bytes, int]:
    """The code, where in it to begin, its tables, and the room in the buffer that it needs for one record (0 if there
    is nothing that it could do). Raises `ValueError` if LLVM made something else than a piece of code that stands by
    itself, `RuntimeError` if it made nothing."""
    source = native_source(actions, trailer, json=json)
    if source is None:
        return b"", 0, b"", 0
    found = read_object(compile_host(source.text))
    sections = {section.name: section.data for section in found.sections if section.data}
    foreign = [name for name in sections if name.startswith((".rel", ".rodata", ".data", ".bss"))]
    entry = next((symbol for symbol in found.symbols if symbol.name == "drain" and symbol.is_function), None)
    if foreign or ".text" not in sections or entry is None or found.sections[entry.section].name != ".text":
        raise ValueError(f"the code needs {', '.join(foreign) or 'more than its text'}")
    return sections[".text"], entry.value, source.tables, source.most
