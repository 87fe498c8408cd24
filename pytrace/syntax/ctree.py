"""What the C of a preamble declares: structs, unions and enums, as written.

Nothing is resolved: an array's size is an expression, a typedef a name. `pytrace/semantics/ctypes_layout.py` computes
sizes, offsets and types from it.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import field, frozen


@frozen
class Node:
    """Base of all nodes; spans are not compared."""

    span: Span = field(compare=False, repr=False)


# --- constant expressions -----------------------------------------------------------------------------------------


@frozen
class Number(Node):
    """An integer constant. C's rules give it its type: `unsigned_` if it has a `u` or does not fit a signed one."""

    value: int
    unsigned_: bool = False


@frozen
class Name(Node):
    """An enumerator, or a typedef as the operand of `sizeof`."""

    name: str


@frozen
class Prefix(Node):
    """`op` is one of `- + ! ~`."""

    op: str
    operand: Constant


@frozen
class Operation(Node):
    """A binary operation."""

    op: str
    left: Constant
    right: Constant


@frozen
class Conditional(Node):
    """`cond ? then : orelse`."""

    cond: Constant
    then: Constant
    orelse: Constant


@frozen
class Converted(Node):
    """`(type)operand` with one of C's own types."""

    type: Base
    operand: Constant


@frozen
class SizeOf(Node):
    """`sizeof` of a type, of a pointer to one, or of a name."""

    operand: Type | Name


# --- types --------------------------------------------------------------------------------------------------------


@frozen
class Base(Node):
    """One of C's own types: its words in order, such as ("unsigned", "long", "long"), without qualifiers."""

    words: tuple[str, ...]


@frozen
class Typedef(Node):
    """A type by a bare name."""

    name: str


@frozen
class Tagged(Node):
    """`struct name`, `union name` or `enum name`, defined elsewhere or not at all."""

    kind: str
    name: str


@frozen
class Pointer(Node):
    """A pointer; to a function it is one to `Function`."""

    target: Type


@frozen
class Array(Node):
    """`size` is None for `[]`."""

    elem: Type
    size: Constant | None


@frozen
class Function(Node):
    """What a function pointer points to. Its parameters and result make no difference here."""


@frozen
class Attribute(Node):
    """One of the list in `__attribute__((…))`, its name without underscores around it."""

    name: str
    args: tuple[Constant | str, ...] = ()


@frozen
class Member(Node):
    """A member of a record. Without a name it is an inner record whose members count as the outer one's, or a
    bit-field that only takes room. `bits` is the width of a bit-field."""

    name: str
    type: Type
    bits: Constant | None = None
    attributes: tuple[Attribute, ...] = ()


@frozen
class Record(Node):
    """A struct or union (`kind`) with its members. `pack` is the limit on alignments set by `#pragma pack`, or 0."""

    kind: str
    name: str
    members: tuple[Member, ...]
    attributes: tuple[Attribute, ...] = ()
    pack: int = 0


@frozen
class Enumeration(Node):
    """An enum; an enumerator without a value is one more than the one before."""

    name: str
    enumerators: tuple[tuple[str, Constant | None], ...]
    attributes: tuple[Attribute, ...] = ()


Constant = Number | Name | Prefix | Operation | Conditional | Converted | SizeOf
Type = Base | Typedef | Tagged | Pointer | Array | Function | Record | Enumeration
Definition = Record | Enumeration


# --- the preamble -------------------------------------------------------------------------------------------------


@frozen
class Include(Node):
    """`#include`: the name as written, `system` for `<name>`."""

    name: str
    system: bool


@frozen
class Define(Node):
    """`#define`: `params` is None for an object-like macro. The span is that of the body."""

    name: str
    params: tuple[str, ...] | None
    body: str


@frozen
class Preamble:
    """A preamble that has been read. `defines` are those in force at its end."""

    includes: tuple[Include, ...] = ()
    defines: tuple[Define, ...] = ()
    definitions: tuple[Definition, ...] = ()
