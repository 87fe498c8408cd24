"""DWARF of traced programs: which address a source line has, and what parameters a function takes.

Only what was asked for is read: the compilation unit that holds an address, the line tables that name a file.
"""

from __future__ import annotations

import os
from io import BytesIO

from pytrace.hints import TYPE_CHECKING, Any, Iterator
from pytrace.probes.binaries import FileState
from pytrace.recent import recent

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

__all__ = ["Damaged", "DebugInfo", "NoPlace", "careful", "debug_info"]

_SYSTEM = "/usr/lib/debug"
_INFO = (".debug_info", ".zdebug_info")
"""The sections one of which a file with debug information has."""


class Damaged(Exception):
    """The debug information of a file contradicts itself; the message names the file."""


class careful:
    """Raises `Damaged` for whatever reading damaged debug information of `path` leads to."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, NoPlace):
            return
        from struct import error as struct_error
        from zlib import error as zlib_error

        from elftools.common.exceptions import DWARFError, ELFError
        from elftools.construct.core import ConstructError

        damage = (
            DWARFError, ELFError, ConstructError, LookupError, ValueError, TypeError, AttributeError, AssertionError,
            RecursionError, MemoryError, ArithmeticError, EOFError, NotImplementedError, struct_error, zlib_error,
        )  # fmt: skip
        if isinstance(error, damage):
            raise Damaged(f"the debug information of {self._path} cannot be read: {error}") from error


class NoPlace(LookupError):
    """A source line has no address; the message is for the user."""


def debug_info(path: str, folders: tuple[str, ...] = (), start: int = 0, size: int = 0) -> DebugInfo | None:
    """The debug information of a file, from itself or from a separate file; None if there is none.

    `folders` are searched before `.debug` next to the file and the system's own. Of an archive the file is the member
    of `size` bytes from `start` on.
    """
    for candidate in ((path, start, size), *((each, 0, 0) for each in _separate_files(path, folders, start, size))):
        try:
            info = _read(candidate[0], FileState.of(candidate[0]), *candidate[1:])
        except OSError:
            continue
        if info is not None:
            return info
    return None


@recent(maxsize=8)
def _read(path: str, state: FileState, start: int, size: int) -> DebugInfo | None:
    from pytrace.kernel.elf import Elf, ElfError

    try:
        elf = Elf(path, start, size)  # which refuses what would fill the memory
    except ElfError:
        return None
    if all(elf.section_address(name) is None for name in _INFO):
        return None
    from elftools.elf.elffile import ELFFile

    try:
        with careful(path):
            # The file stays open: sections are read when they are needed.
            file = ELFFile(_part(path, start, size) if size else open(path, "rb"))  # noqa: SIM115
            return DebugInfo(file.get_dwarf_info()) if file.has_dwarf_info(strict=True) else None
    except Damaged:
        return None


def _part(path: str, start: int, size: int) -> BytesIO:
    with open(path, "rb") as file:
        file.seek(start)
        return BytesIO(file.read(size))


def _separate_files(path: str, folders: tuple[str, ...], start: int, size: int) -> Iterator[str]:
    """Where separate debug information may be: by build id, then by the name that the file gives (GDB manual, Separate
    Debug Files)."""
    from pytrace.kernel.elf import Elf, ElfError

    try:
        elf = Elf(path, start, size)
    except (OSError, ElfError):
        return
    real = os.path.dirname(os.path.realpath(path))
    roots = [folder.removeprefix("+") for folder in folders]
    if identity := elf.build_id:
        text = identity.hex()
        yield from (f"{root}/.build-id/{text[:2]}/{text[2:]}.debug" for root in (*roots, _SYSTEM))
    link = (elf.section(".gnu_debuglink") or b"").partition(b"\0")[0]
    if link:
        name = os.fsdecode(link)
        yield from (f"{root}/{name}" for root in roots)
        yield f"{real}/{name}"
        yield f"{real}/.debug/{name}"
        yield from (f"{root}{real}/{name}" for root in (*roots, _SYSTEM))


class DebugInfo:
    """An opened file's DWARF."""

    def __init__(self, dwarf: DWARFInfo) -> None:
        self._dwarf = dwarf

    # --- source lines ---------------------------------------------------------------------------------------------

    def address_of_line(self, file: str, line: int, column: int = 0) -> int:
        """The lowest address at which a statement of a source line begins. `file` is a path or the end of one; without
        a column any will do. Raises `NoPlace`."""
        found: list[int] = []
        known = False
        for unit in self._dwarf.iter_CUs():
            program = self._dwarf.line_program_for_CU(unit)
            if program is None or not (numbers := _matching_files(unit, program, file)):
                continue
            known = True
            for entry in program.get_entries():
                state = entry.state
                if (
                    state is not None and state.is_stmt and not state.end_sequence and state.line == line
                    and state.file in numbers and (not column or state.column == column)
                ):  # fmt: skip
                    found.append(state.address)
        if found:
            return min(found)
        place = f"{file}:{line}:{column}" if column else f"{file}:{line}"
        raise NoPlace(
            f"DWARF error: Unable to map '{place}' to address"
            if known
            else f"DWARF error: No compilation unit matches {file}"
        )

    # --- functions ------------------------------------------------------------------------------------------------

    def function(self, address: int) -> DIE | None:
        """The function that starts at an address."""
        for unit in self._units_at(address):
            for die in unit.iter_DIEs():
                start = die.attributes.get("DW_AT_low_pc") if die.tag == "DW_TAG_subprogram" else None
                if start is not None and start.value == address:
                    return die
        return None

    def _units_at(self, address: int) -> Iterator[CompileUnit]:
        ranges = self._dwarf.get_aranges()
        offset = ranges.cu_offset_at_addr(address) if ranges is not None else None
        if offset is not None:
            yield self._dwarf.get_CU_containing(offset)
        else:
            # Not all compilers write the table.
            yield from self._dwarf.iter_CUs()

    @staticmethod
    def parameters(function: DIE) -> list[DIE]:
        """The formal parameters of a function, in order."""
        return [die for die in function.iter_children() if die.tag == "DW_TAG_formal_parameter"]


    def register_at_entry(self, function: DIE, parameter: DIE) -> int | None:
        """The number, in DWARF's count, of the register that a parameter is in when the function begins; None if it is
        elsewhere, or nowhere."""
        from elftools.dwarf.locationlists import BaseAddressEntry, LocationEntry, LocationExpr, LocationParser

        given = parameter.attributes.get("DW_AT_location")
        if given is None:
            return None
        start = function.attributes["DW_AT_low_pc"].value
        unit = function.cu
        found = LocationParser(self._dwarf.location_lists()).parse_from_attribute(given, unit["version"], die=parameter)
        if isinstance(found, LocationExpr):
            return _register(found.loc_expr)
        base = attribute(unit.get_top_DIE(), "DW_AT_low_pc") or 0
        for entry in found:
            if isinstance(entry, BaseAddressEntry):
                base = entry.base_address
            elif isinstance(entry, LocationEntry):
                moved = 0 if entry.is_absolute else base
                if entry.begin_offset + moved <= start < entry.end_offset + moved:
                    return _register(entry.loc_expr)
        return None


def _register(expression: list[int]) -> int | None:
    """The register that a location is: DW_OP_reg0 and following."""
    return expression[0] - 0x50 if len(expression) == 1 and 0x50 <= expression[0] <= 0x6F else None


def attribute(die: DIE, name: str) -> Any:
    """The value of an attribute, of the entry itself or of the declaration that it completes; None if there is none."""
    seen = 0
    while name not in die.attributes:
        seen += 1
        origin = next((n for n in ("DW_AT_abstract_origin", "DW_AT_specification") if n in die.attributes), None)
        if origin is None or seen > 8:
            return None
        die = die.get_DIE_from_attribute(origin)
    return die.attributes[name].value


def referenced(die: DIE, name: str = "DW_AT_type") -> DIE | None:
    """The entry that an attribute refers to, as `attribute`."""
    seen = 0
    while name not in die.attributes:
        seen += 1
        origin = next((n for n in ("DW_AT_abstract_origin", "DW_AT_specification") if n in die.attributes), None)
        if origin is None or seen > 8:
            return None
        die = die.get_DIE_from_attribute(origin)
    return die.get_DIE_from_attribute(name)


def name_of(die: DIE) -> str:
    """An entry's name; empty if it has none."""
    value = attribute(die, "DW_AT_name")
    return value.decode("latin-1") if isinstance(value, bytes) else ""


def _matching_files(unit: CompileUnit, program: Any, file: str) -> set[int]:
    """The numbers, in a line table, of the files whose path ends with `file`, compared by its components."""
    header = program.header
    wanted = [part for part in file.split("/") if part not in ("", ".")]
    first = 0 if header.version >= 5 else 1
    top = unit.get_top_DIE().attributes
    compiled_in = top["DW_AT_comp_dir"].value.decode("latin-1") if "DW_AT_comp_dir" in top else ""
    folders = [each.decode("latin-1") for each in header.include_directory]
    if header.version < 5:
        folders = [compiled_in, *folders]
    numbers = set()
    for number, entry in enumerate(header.file_entry, first):
        name = entry.name.decode("latin-1")
        index = entry.dir_index
        folder = folders[index] if index < len(folders) else ""
        path = os.path.normpath(os.path.join(compiled_in, folder, name))
        parts = [part for part in path.split("/") if part]
        matches = parts == wanted if file.startswith("/") else parts[-len(wanted) :] == wanted
        if wanted and matches:
            numbers.add(number)
    return numbers
