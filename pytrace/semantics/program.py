"""The checked program: what semantics hands to code generation.

Everything is decided here. Each expression has its final type, each conversion is written out (`Convert`), each name
is resolved to a variable, a map, a place in the probe's context or a constant, each probe to its targets. Code
generation adds no checks and cannot fail on a `Program`.

Two kinds of values: *scalars* (`Int`, `Bool`, `Enum`, `Pointer`, opaque types of 8 bytes) and *aggregates* (strings,
buffers, arrays, tuples, records, structs, stacks, larger opaque types), which live in memory.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostic, Span
from pytrace.frozen import field, frozen
from pytrace.hints import TYPE_CHECKING, Mapping
from pytrace.semantics.configuration import Config as Config
from pytrace.semantics.types import Aggregate, Bool, Context, Enum, Int, Opaque, Pointer, Space, Struct, StructDef, Type

if TYPE_CHECKING:
    from pytrace.probes.contexts import ProbeContext
    from pytrace.probes.provider import Target

# --- storage ------------------------------------------------------------------------------------------------------


@frozen
class Var:
    """A scratch variable of one probe. `index` is unique in the probe (two scopes may use one name)."""

    index: int
    name: str
    type: Type


@frozen
class Map:
    """A map of the script. `name` has its `@`; `key` is None for a scalar map.

    `kind` is the declared kind (`hash`, `lruhash`, `percpuhash`, `percpulruhash`) or "" for the default. `size` is
    the number of keys (1 for a scalar map).
    """

    index: int
    name: str
    key: Type | None
    value: Type
    kind: str
    size: int
    span: Span = field(compare=False, repr=False)
    written: bool = True


# --- expressions --------------------------------------------------------------------------------------------------


@frozen
class Expr:
    type: Type
    span: Span = field(compare=False, repr=False)


@frozen
class Const(Expr):
    """A scalar constant; `value` is the mathematical value (negative for signed types)."""

    value: int


@frozen
class Text(Expr):
    """A string constant of type `Str`; `value` is without the final NUL and at most `type.size - 1` bytes."""

    value: bytes


@frozen
class Zero(Expr):
    """The zero value of any type."""


@frozen
class ReadVar(Expr):
    var: Var


@frozen
class ReadMap(Expr):
    """The value at a key, or the zero value where absent. For a castable aggregate the type is `Aggregate.as_int` and
    the value is reduced over all CPUs. `key` has exactly the map's key type."""

    map: Map
    key: Expr | None


@frozen
class Convert(Expr):
    """`value` as `type`. Integer to integer: truncation, or extension by the source's signedness. To bool: non-zero
    (strings: first byte non-zero). Pointer, enum and integer: the bits. String to string: copied and cut or
    zero-filled. Tuples and records: member by member (records by name). Integer to array and array to integer or
    array: bytes, zero-filled.
    """

    value: Expr


@frozen
class Arith(Expr):
    """`op`: add sub mul udiv umod and or xor shl lshr. Both operands have the type of the result (an `Int`, or `Bool`
    for and/or/xor). Division by zero gives 1 and a run-time warning."""

    op: str
    left: Expr
    right: Expr


@frozen
class Compare(Expr):
    """`op`: eq ne lt le gt ge, of two scalars of one type; signed when that type is a signed integer."""

    op: str
    left: Expr
    right: Expr


@frozen
class Equal(Expr):
    """Equality of two aggregates by content. Strings: up to the first NUL, at most the smaller size; buffers: the
    shorter length; arrays, tuples, records, structs of one type: all members."""

    left: Expr
    right: Expr
    negate: bool = False


@frozen
class Logical(Expr):
    """`op`: and, or; operands are `Bool`; the right one is evaluated only if needed."""

    op: str
    left: Expr
    right: Expr


@frozen
class Not(Expr):
    value: Expr


@frozen
class Select(Expr):
    """A ternary, or an `if` with values: only one side is evaluated. Both sides have the type of the result (VOID or
    NOTHING for effects only)."""

    cond: Expr
    then: Expr
    orelse: Expr


@frozen
class MakeTuple(Expr):
    """A tuple or record. `order` lists the positions in the order in which the members are evaluated."""

    items: tuple[Expr, ...]
    order: tuple[int, ...] = ()


@frozen
class Part(Expr):
    """The part of an aggregate in memory (member of a tuple, record or struct, element of an array with constant
    index) that starts `offset` bytes into `value`. `bit_size` > 0: a bit-field, see `types.Field`."""

    value: Expr
    offset: int
    bit_offset: int = 0
    bit_size: int = 0


@frozen
class Element(Expr):
    """`value[index]` of an array (or byte of a string, as int8) in memory, index at run time (u64). Out of bounds:
    run-time warning, value zero."""

    value: Expr
    index: Expr
    count: int


@frozen
class AddressOf(Expr):
    """`&$x` or `&@m`."""

    of: Var | Map


@frozen
class Load(Expr):
    """A read of `type` at `address` (Int(8) or Pointer) + `offset`. `space` chooses the helper. A failing read gives
    zero (a run-time warning with -k).

    `trusted` marks memory that the verifier lets us read directly (context pointers with BTF types)."""

    address: Expr
    offset: int = 0
    space: Space = Space.NONE
    bit_offset: int = 0
    bit_size: int = 0
    trusted: bool = False


@frozen
class ContextRead(Expr):
    """Reads `size` bytes at `offset` of the probe's context and truncates them to `type` (scalars), or copies the
    bytes (aggregates). `data_loc`: the 4 bytes at `offset` locate the data; the value is its address.
    With `rest` only the first 8 bytes are at `offset`, and the others there."""

    offset: int
    size: int
    data_loc: bool = False
    rest: int | None = None

    def part(self, offset: int, size: int) -> int | None:
        """Where in the context `size` bytes from `offset` on of the value are; None if they are not in one piece."""
        if self.rest is None or offset + size <= 8:
            return self.offset + offset
        return self.rest + offset - 8 if offset >= 8 else None


@frozen
class ContextAddress(Expr):
    """The context pointer plus `offset`."""

    offset: int = 0


@frozen
class Step(Expr):
    """`++`/`--` on a variable, or a map (with its key). `delta` is what is added (scaled for pointers). The value is
    the new one with `prefix`, else the old one; `type` is the type of that value, the arithmetic is done in the
    target's type."""

    target: Var | Map
    key: Expr | None
    delta: int
    prefix: bool


@frozen
class ProbeName(Expr):
    """The full name of the target that fired: a constant, or looked up by attach cookie when the program has several
    targets. `type` is a `Str` wide enough for all of them."""


@frozen
class Do(Expr):
    """Runs `body`, then gives `value` (None: type NOTHING or VOID)."""

    body: tuple[Stmt, ...]
    value: Expr | None


@frozen
class Call(Expr):
    """A builtin or function of the registry that needs code of its own. `static` is plain data its lowering
    understands (mode, limits, names); `args` have the types that its checker fixed."""

    name: str
    args: tuple[Expr, ...] = ()
    static: tuple[object, ...] = ()


@frozen
class MapCall(Expr):
    """has_key, delete, find, len, … : an operation of a map. `key` has the map's key type; `args` as its checker
    fixed."""

    name: str
    map: Map
    key: Expr | None = None
    args: tuple[Expr, ...] = ()


@frozen
class Emit(Expr):
    """Sends a record to user space, where the action `kind` (see `runtime/actions.py`) handles it.

    `static` is plain data (strings, bytes, integers, tuples of those) that user space knows beforehand: format
    strings, map names. `args` travel in the record. `urgent` records use a ring of their own, and are not lost when
    the other one is full.
    """

    kind: str
    static: tuple[object, ...] = ()
    args: tuple[Expr, ...] = ()
    urgent: bool = False


# --- statements ---------------------------------------------------------------------------------------------------


@frozen
class Stmt:
    span: Span = field(compare=False, repr=False)


@frozen
class Evaluate(Stmt):
    expr: Expr


@frozen
class SetVar(Stmt):
    """`value` has the variable's type."""

    var: Var
    value: Expr


@frozen
class SetMap(Stmt):
    """The value is evaluated before the key."""

    map: Map
    key: Expr | None
    value: Expr


@frozen
class Update(Stmt):
    """An aggregation in place: `@m[key] = sum(x)`. `map.value` is the `Aggregate`; args are its non-literal arguments
    as 64-bit integers."""

    map: Map
    key: Expr | None
    args: tuple[Expr, ...]


@frozen
class Branch(Stmt):
    cond: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@frozen
class WhileLoop(Stmt):
    cond: Expr
    body: tuple[Stmt, ...]


@frozen
class RangeLoop(Stmt):
    """`start` and `end` are 64-bit, evaluated once; `var` gets a fresh copy of the counter, converted to its type."""

    var: Var
    start: Expr
    end: Expr
    body: tuple[Stmt, ...]


@frozen
class MapLoop(Stmt):
    """`var` is the tuple (key, value) of each entry; castable aggregates are reduced to integers."""

    var: Var
    map: Map
    body: tuple[Stmt, ...]


@frozen
class Break(Stmt):
    pass


@frozen
class Continue(Stmt):
    pass


@frozen
class Return(Stmt):
    """Ends the program; `value` is a 64-bit integer or None for 0."""

    value: Expr | None = None


# --- the whole ----------------------------------------------------------------------------------------------------


@frozen
class Probe:
    """One BPF program and all the targets it is attached to.

    `order` is the 1-based number of the program in the script; `body` includes the predicate and a filter for `-p`
    where the provider has none of its own. `context` is what its provider says of it.
    """

    order: int
    name: str
    targets: tuple[Target, ...]
    variables: tuple[Var, ...]
    body: tuple[Stmt, ...]
    span: Span = field(compare=False, repr=False)
    context: ProbeContext | None = field(default=None, compare=False, repr=False)


@frozen
class Program:
    """A script, checked. `structs` and `enums` define what printed values refer to. `strings` are indexed by opaque
    types."""

    probes: tuple[Probe, ...]
    maps: tuple[Map, ...]
    config: Config
    strings: tuple[str, ...] = ()
    structs: Mapping[Struct, StructDef] = field(default_factory=dict)
    enums: Mapping[Enum, Mapping[int, str]] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    check_reads: bool = False
    """Whether failing reads and lookups are reported (-k)."""
    shared: bool = False
    """Whether programs of other scripts may use the same maps."""
    objects: tuple[bytes, ...] = ()
    """The BPF object files whose functions may be called."""


def is_scalar(type_: Type) -> bool:
    """Whether values of the type travel in a register (see the module's head)."""
    match type_:
        case Int() | Bool() | Enum() | Pointer() | Context() | Aggregate():
            return True
        case Opaque(name=name):
            return name in ("ksym_t", "username_t")
    return False
