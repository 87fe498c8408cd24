"""From the actions of an image, or the types of a map, to machine code as plain data."""

from __future__ import annotations

from collections.abc import Sequence

from pytrace.codegen.image import Action
from pytrace.codegen.llvm import compile_host
from pytrace.codegen.native.drain import native_source
from pytrace.codegen.native.entries import entries_source
from pytrace.kernel.object_file import read_object
from pytrace.semantics.types import Type

__all__ = ["compile_entries", "compile_native"]


def compile_native(actions: Sequence[Action], trailer: bytes, *, json: bool = False) -> tuple[bytes, int, bytes, int]:
    """The code, where in it to begin, its tables, and the room in the buffer that it needs for one record (0 if there
    is nothing that it could do). Raises `ValueError` if LLVM made something else than a piece of code that stands by
    itself, `RuntimeError` if it made nothing."""
    source = native_source(actions, trailer, json=json)
    if source is None:
        return b"", 0, b"", 0
    return *_machine_code(source.text, "drain"), source.tables, source.most


def compile_entries(
    name: bytes, key: Type, sizes: Sequence[int], value: Type, trailer: bytes
) -> tuple[bytes, int, bytes, int]:
    """The same for the lines of a large map, see `entries.entries_source`."""
    source = entries_source(name, key, sizes, value, trailer)
    if source is None:
        return b"", 0, b"", 0
    return *_machine_code(source.text, "entries"), source.tables, source.most


def _machine_code(text: str, function: str) -> tuple[bytes, int]:
    """The code of a module and where in it a function begins."""
    found = read_object(compile_host(text))
    sections = {section.name: section.data for section in found.sections if section.data}
    foreign = [name for name in sections if name.startswith((".rel", ".rodata", ".data", ".bss"))]
    entry = next((symbol for symbol in found.symbols if symbol.name == function and symbol.is_function), None)
    if foreign or ".text" not in sections or entry is None or found.sections[entry.section].name != ".text":
        raise ValueError(f"the code needs {', '.join(foreign) or 'more than its text'}")
    return sections[".text"], entry.value
