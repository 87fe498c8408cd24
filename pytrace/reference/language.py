"""What the reference says of words that are not in the registry: those of the syntax, and the library's macros."""

from __future__ import annotations

from pytrace.frozen import frozen

__all__ = ["MACROS", "SYNTAX", "Entry"]


@frozen
class Entry:
    name: str
    signatures: tuple[str, ...]
    doc: str


SYNTAX = (
    Entry("sizeof", ("sizeof(type)", "sizeof(expression)"), "The size in bytes of a type, or of an expression's value; "
    "the expression is not evaluated."),
    Entry("offsetof", ("offsetof(type, member)", "offsetof(expression, member)"), "Where a member of a struct lies, in "
    "bytes; members of members are separated by dots."),
    Entry("typeof", ("typeof(type)", "typeof(expression)"), "The type of an expression, where a type is expected: in "
    "declarations, casts, and arguments of macros."),
    Entry("typeinfo", ("typeinfo(type)", "typeinfo(expression)"), "What is known of a type while compiling, as a "
    "record with `.base_type` and `.full_type`. Unstable: needs `unstable_typeinfo`."),
)

MACROS = (
    Entry("assert", ("assert(condition, message)",), "Ends the run with status 1 and the message unless the condition "
    "holds."),
    Entry("static_assert", ("static_assert(condition, message)",), "Rejects the script with the message unless the "
    "condition, which must be known while compiling, holds."),
    Entry("assert_str", ("assert_str(expression)",), "Rejects the script unless the expression can be read as text: a "
    "string, or an array of or pointer to characters."),
    Entry("container_of", ("container_of(pointer, typeof(type), member)",), "The struct of which a pointer points to a "
    "member."),
    Entry("default_str_length", ("default_str_length()",), "The capacity of strings that are read without a length."),
    Entry("is_err", ("is_err(pointer)",), "Whether a value is an error number of the kernel: -4095 to -1."),
)
