"""Parameters of functions, in the registers that carry them into the function.

On x86-64 by the System V ABI (3.2.3, Parameter Passing): what a parameter consists of decides, eight bytes at a time.
Elsewhere structs up to 16 bytes take general registers; those of floating-point numbers only take others.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.probes.contexts import ContextField
from pytrace.probes.debug_info import attribute, name_of, referenced
from pytrace.probes.debug_types import (
    COMPOSITES,
    FLOATING,
    DebugTypes,
    array_length,
    behind,
    byte_size,
    members_of,
)
from pytrace.probes.registers import registers
from pytrace.semantics.types import Pointer, Space, size_of

if TYPE_CHECKING:
    from elftools.dwarf.die import DIE

__all__ = ["Unplaced", "argument_fields", "changed_fields", "is_changed_copy"]

_BY_REFERENCE, _BY_VALUE = 4, 5
"""DW_CC_pass_by_reference: an object that only its class knows how to copy. DW_CC_pass_by_value."""
_WORDS = 2
"""What takes more than so many times eight bytes is passed in memory."""
_ELEMENTS_AT_MOST = 16
_TAKEN_AWAY = "this copy of the function, which the compiler made, does not take it"
_VECTOR = "it is passed in a floating-point register, which programs cannot see"


class Unplaced(Exception):
    """The parameters of a function cannot all be found in registers; the message says why."""


def argument_fields(parameters: list[DIE], types: DebugTypes, source: str) -> tuple[ContextField, ...]:
    """The parameters of a function at its entry, where the calling convention puts them.

    Floating-point ones travel in registers that programs cannot see: they have an `error`, as has what has a part in
    such. Raises `Unplaced` if another one is on the stack.
    """
    known = registers()
    places = [known.names[name] for name in known.arguments]
    fields, used = [], 0
    for parameter in parameters:
        die = behind(referenced(parameter))
        type_ = types.convert(die, source)
        if die is not None and _copies_itself(die):
            type_, words = Pointer(type_, Space.USER), ["general"]
        else:
            words = _words(die)
        needed = words.count("general")
        if "memory" in words:
            if known.arch != "x86_64" and byte_size(die) > 8 * _WORDS:  # a copy, by its address
                type_, words, needed = Pointer(type_, Space.USER), ["general"], 1
            elif die is not None and die.tag not in COMPOSITES:  # a floating-point number of more than eight bytes
                fields.append(ContextField(name_of(parameter), type_, 0, 8, Space.USER, error=_VECTOR))
                continue
        if "memory" in words or used + needed > len(places):
            raise Unplaced("'args' builtin is not supported for probes with stack-passed arguments.")
        if needed < len(words):
            fields.append(ContextField(name_of(parameter), type_, 0, 8, Space.USER, error=_VECTOR))
        else:
            fields.append(ContextField(
                name_of(parameter), type_, places[used], max(8, size_of(type_)), Space.USER,
                rest=places[used + 1] if needed > 1 else None,
            ))
        used += needed
    return tuple(fields)


_NUMBERED = {
    "x86_64": ("ax", "dx", "cx", "bx", "si", "di", "bp", "sp", *(f"r{n}" for n in range(8, 16))),
    "arm64": (*(f"r{n}" for n in range(31)), "sp"),
}
"""The registers in DWARF's order (System V ABI, figure 3.36; DWARF for the Arm 64-bit Architecture, 4.1)."""
_CHANGED = (".isra.", ".constprop.")


def is_changed_copy(symbol: str) -> bool:
    """Whether a compiler made a copy of a function that takes other parameters, which its symbol tells."""
    return any(mark in symbol for mark in _CHANGED)


def changed_fields(
    parameters: list[tuple[DIE, int | None]], types: DebugTypes, source: str
) -> tuple[ContextField, ...]:
    """The parameters of such a copy, with the numbers of the registers in which the debug information has them at the
    entry. Those that the compiler took away have an `error`."""
    known = registers()
    names = _NUMBERED.get(known.arch, ())
    fields = []
    for parameter, number in parameters:
        type_ = types.convert(referenced(parameter), source)
        name = names[number] if number is not None and number < len(names) else ""
        if name and 0 < size_of(type_) <= 8:
            fields.append(ContextField(name_of(parameter), type_, known.names[name], 8, Space.USER))
        else:
            fields.append(ContextField(name_of(parameter), type_, 0, 8, Space.USER, error=_TAKEN_AWAY))
    return tuple(fields)


def _copies_itself(die: DIE) -> bool:
    """Whether objects of a class are passed by reference, for it has its own destructor, a constructor that copies or
    moves, or virtual functions (Itanium C++ ABI, "non-trivial for the purposes of calls"). Not all compilers say so.
    """
    if die.tag not in COMPOSITES:
        element = behind(referenced(die)) if die.tag == "DW_TAG_array_type" else None
        return element is not None and _copies_itself(element)
    told = attribute(die, "DW_AT_calling_convention")
    if told in (_BY_REFERENCE, _BY_VALUE):
        return bool(told == _BY_REFERENCE)
    name = name_of(die)
    for child in die.iter_children():
        if child.tag == "DW_TAG_subprogram":
            if attribute(child, "DW_AT_virtuality"):
                return True
            own = name_of(child).startswith("~") or (name and name_of(child) == name and _takes_its_like(child, die))
            if own and not attribute(child, "DW_AT_defaulted") and not attribute(child, "DW_AT_artificial"):
                return True
    return any((inner := behind(referenced(each))) is not None and _copies_itself(inner) for each in members_of(die))


def _takes_its_like(constructor: DIE, die: DIE) -> bool:
    """Whether a constructor's parameters are a reference to an object of the class, and nothing that has no default."""
    given = [
        parameter for parameter in constructor.iter_children()
        if parameter.tag == "DW_TAG_formal_parameter" and not attribute(parameter, "DW_AT_artificial")
    ]  # fmt: skip
    first = behind(referenced(given[0])) if len(given) == 1 else None
    if first is None or first.tag not in ("DW_TAG_reference_type", "DW_TAG_rvalue_reference_type"):
        return False
    target = behind(referenced(first))
    return target is not None and target.offset == die.offset


def _words(die: DIE | None) -> list[str]:
    """How each eight bytes of a type are passed: "general" and "vector" registers, or "memory" for the whole."""
    size = byte_size(die)
    if size > 8 * _WORDS:
        return ["memory"]
    words = [""] * max((size + 7) // 8, 1)
    if not _classify(die, 0, words):
        return ["memory"]
    # Eight bytes of padding only are passed like floating point.
    return [word or "vector" for word in words] if size else ["general"]


def _classify(die: DIE | None, offset: int, words: list[str]) -> bool:
    """Enters what is at `offset` bytes of a parameter; False if it is such that the whole is passed in memory."""
    die = behind(die)
    size = byte_size(die)
    if die is None or not size:
        return True
    if die.tag in COMPOSITES:
        for member in members_of(die):
            at = attribute(member, "DW_AT_data_member_location")
            bits = attribute(member, "DW_AT_data_bit_offset")
            place = at if isinstance(at, int) else bits // 8 if isinstance(bits, int) else 0
            if attribute(member, "DW_AT_bit_size") is not None:
                _enter("general", offset + place, 1, words)
            elif not _classify(referenced(member), offset + place, words):
                return False
        return True
    if die.tag == "DW_TAG_array_type":
        element = referenced(die)
        step, count = byte_size(element), array_length(die)
        return count <= _ELEMENTS_AT_MOST and all(
            _classify(element, offset + n * step, words) for n in range(count if step else 0)
        )
    floating = die.tag == "DW_TAG_base_type" and attribute(die, "DW_AT_encoding") in FLOATING
    if offset % min(size, 16) or (floating and size > 8):
        return False
    _enter("vector" if floating else "general", offset, size, words)
    return True


def _enter(kind: str, offset: int, size: int, words: list[str]) -> None:
    for n in range(offset // 8, (offset + size + 7) // 8):
        if n < len(words) and words[n] != "general":
            words[n] = kind
