"""How to find the caller of a function: the call frame information of an ELF file as a table of rules.

Compilers describe, for every instruction, where the caller's registers are. The description is a program for each
function (`frame_programs.py`); here it is run once for all of them and gives a table, in which one search finds the
rule for an address. x86-64 only.
"""

from __future__ import annotations

from array import array

from pytrace.kernel.elf import Elf, ElfError
from pytrace.kernel.frame_programs import FrameReader, Function
from pytrace.kernel.frame_rules import END, NO_RULE, SAVED, SIGNAL, Kind, Rule
from pytrace.named import NamedTuple

__all__ = ["END", "NO_RULE", "SAVED", "SIGNAL", "Kind", "Rule", "UnwindTable", "unwind_table"]

_X86_64 = 62
"""EM_X86_64"""


class UnwindTable(NamedTuple):
    """`rules[rows[n]]` holds from address `starts[n]` to below `starts[n + 1]`; addresses count from `base` (as in the
    file, before relocation). `refused` counts functions whose description could not be understood: they have no rule.
    """

    base: int
    starts: array[int]
    rows: array[int]
    rules: tuple[Rule, ...]
    refused: int


def _join(functions: list[Function]) -> tuple[int, array[int], array[int]]:
    """The rows of all functions in one table, which starts at the address that is given first."""
    base = functions[0][0]
    starts, rows = array("I"), array("I")

    def append(address: int, rule: int) -> None:
        if rows and starts[-1] == address - base:
            rows[-1] = rule
        elif not rows or rows[-1] != rule:
            starts.append(address - base)
            rows.append(rule)

    covered = base
    for start, end, found in functions:
        if end <= covered:
            continue
        if end - base > 0xFFFFFFFF:
            break
        if start > covered:
            append(covered, 0)
        for n, (distance, rule) in enumerate(found):
            # Of two descriptions of one place, the one that came first is kept.
            at = start + distance
            if at >= end:
                break
            if at >= covered or n + 1 == len(found) or start + found[n + 1][0] > covered:
                covered = max(at, covered)
                append(covered, rule)
        covered = end
    append(covered, 0)
    return base, starts, rows


def unwind_table(elf: Elf) -> UnwindTable | None:
    """The table of a file, from `.eh_frame`, and from `.debug_frame` for what that leaves out; None if it has neither.

    Raises `ElfError` for a file of another machine. What cannot be understood has no rule; nothing else is raised.
    """
    if elf.machine != _X86_64:
        raise ElfError(f"{elf.path} is not an x86-64 file")
    rules: dict[Rule, int] = {NO_RULE: 0}
    functions: list[Function] = []
    refused = 0
    for name in (".eh_frame", ".debug_frame"):
        data, address = elf.section(name), elf.section_address(name)
        if data and address is not None:
            reader = FrameReader(data, address, rules, eh=name == ".eh_frame")
            functions += reader.functions()
            refused += reader.refused
    functions.sort(key=lambda function: function[0])
    return UnwindTable(*_join(functions), tuple(rules), refused) if functions else None
