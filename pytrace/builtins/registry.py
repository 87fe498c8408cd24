"""The one declaration of every builtin and function, and who reads it.

The checker calls `check` with a `CallSite`, the code generator calls `lower` for each `Call` node of that name; the
list
command, completion, help and the reference pages read the rest. Each file of this package declares one family, at
import; a script is compiled with those that it uses.
"""

from __future__ import annotations

from pytrace.diagnostics import Span
from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING, Any, Callable, Iterator, Protocol
from pytrace.once import imported
from pytrace.semantics import program as core
from pytrace.semantics.types import Type, TypeTable
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value
    from pytrace.probes.contexts import ProbeContext
    from pytrace.probes.provider import Host, Target
    from pytrace.semantics.unit import Options


class Typer(Protocol):
    """What a checker may use of the pass that types expressions (`semantics/typing`).

    The whole script is typed in rounds until nothing changes, so a checker runs several times for one call, early on
    with types that are `UNKNOWN` or narrower than at the end. It must be a pure function of what it is given: no state
    of its own, the same questions in each round. Errors and warnings may be reported in every round; only those of the
    last one are kept. `UNKNOWN` agrees with everything: a checker that meets it reports nothing about it (it is
    either not solved yet or was reported already) and gives an expression of the type that it would give otherwise.
    """

    types: TypeTable
    config: core.Config
    options: Options
    host: Host | None
    context: ProbeContext
    targets: tuple[Target, ...]
    unsafe: bool
    final: bool
    """False while types are still being solved: errors are then dropped, and types may be narrower than at the end."""

    @property
    def in_loop(self) -> bool:
        """Whether this is the body of a `for`, where the probe's context is out of reach."""

    @property
    def looping(self) -> bool:
        """Whether this is the body of any loop, `while` included."""

    # expressions

    def expr(self, node: tree.Expr) -> core.Expr:
        """The typed form of an expression. An erroneous one gives a `Zero` of type UNKNOWN after reporting. A map
        that holds an aggregation gives a `ReadMap` of type `Aggregate`."""

    def value(self, node: tree.Expr) -> core.Expr:
        """The same, but a castable aggregation (count, sum, min, max, avg) is read as its integer."""

    def literal(self, node: tree.Expr | tree.Typeof) -> int | bytes | bool | None:
        """The value of a node that folds to a literal, else None. Positional parameters are literals."""

    def literal_of(self, expr: core.Expr) -> int | bytes | bool | None:
        """The same of an expression that was typed already."""

    def constant(self, value: int | bytes | bool, span: Span) -> core.Expr:
        """A literal, with the type that literals have (LANGUAGE 14.1)."""

    def type_of(self, node: tree.TypeOrExpr) -> Type | None:
        """The type that a type context means, reporting unknown names."""

    def convert(self, expr: core.Expr, to: Type, span: Span | None = None) -> core.Expr:
        """An implicit conversion: `expr` itself if it has the type already, else a `Convert`, with the warnings of
        LANGUAGE 14.4."""

    # variables and maps

    def variable(self, node: tree.Var) -> core.Var | None:
        """The variable of that name that is visible here, with the type known so far."""

    def assign(self, node: tree.Var, type_: Type, span: Span) -> core.Var | None:
        """The same, for a function that stores a value of the type into it: takes part in solving the variable's
        type, and reports a mismatch."""

    def map(self, node: tree.MapRef) -> core.Map | None:
        """The map, with the types known so far; None if undefined (reported). `key` is None for a scalar map."""

    def map_key(self, node: tree.MapRef, key: tree.Expr) -> core.Expr:
        """A key expression converted to the map's key type; takes part in solving that type."""

    # the whole program

    def unknown_space(self) -> None:
        """Note that memory is read at an address of which it is not known whether it is the kernel's or a process's."""

    def string(self, text: str) -> int:
        """The index of `text` in `Program.strings`."""

    def error(self, span: Span, message: str, *, notes: Any = (), hints: Any = ()) -> core.Expr:
        """Report an error; gives the erroneous expression to return."""

    def warning(self, span: Span, message: str, *, notes: Any = (), hints: Any = ()) -> None: ...


@frozen
class CallSite:
    """A use of a builtin: `args` is None when it was written without parentheses."""

    name: str
    args: tuple[tree.Expr | tree.Typeof, ...] | None
    span: Span
    node: tree.Call | tree.Ident

    @property
    def given(self) -> tuple[tree.Expr | tree.Typeof, ...]:
        return self.args or ()


Check = Callable[[CallSite, Typer], core.Expr]
Lower = Callable[["Emitter", core.Call], "Value"]
Fill = Callable[["Emitter", core.Call, "Value"], None]


@frozen
class Builtin:
    """A builtin value or function.

    `signatures` are what help and the reference show; `arity` is (least, most) arguments, checked before types; `bare`
    tells whether it may be written without parentheses. `core` builtins cannot be replaced by a macro when bare.
    `map_function` marks the ones that only stand as the whole right side of a map assignment: their `check` gives a
    `Call` whose type is the `Aggregate` and whose `args` are the arguments to pass at run time, as 64-bit integers.

    `lower` gives the code of a `Call` node with a scalar value (or none). A `Call` whose value lives in memory has
    `fill` instead, which writes all bytes of the value at the place it is given: the caller chooses the place (a map
    key, a record, a variable), so nothing is copied. Builtins whose `check` gives other nodes have neither.
    """

    name: str
    check: Check
    lower: Lower | None
    signatures: tuple[str, ...]
    doc: str
    family: str
    arity: tuple[int, int] = (0, 0)
    bare: bool = False
    core: bool = False
    unsafe: bool = False
    needs_context: bool = False
    map_function: bool = False
    fill: Fill | None = None
    internal: bool = False
    """A spelling that is accepted but not offered by help, completion or the reference."""


_FAMILIES = {
    "aggregating": "count sum min max avg stats hist lhist tseries",
    "configuration": "config",
    "context": "args argN retval ctx reg usermode func probe probetype",
    "control": "signal signal_thread override unwatch cgroupid cgroup_path",
    "cpu": "ncpus cpu numaid rand",
    "imported": "(imported)",
    "introspection": (
        "is_str is_ptr is_array is_integer is_unsigned_integer is_literal kfunc_exist kfunc_allowed getopt"
    ),
    "maps": "len has_key find delete clear zero is_scalar",
    "memory": "buf bswap kptr uptr path write_user",
    "process": "pid tid uid gid username curtask ppid pcomm leader_tid leader_comm comm cgroup cpid has_cpid",
    "network": "ntop pton macaddr socket_cookie skboutput",
    "output": "printf errorf warnf cat system seq_printf debugf fail time join exit",
    "printing": "print",
    "strings": "str strlen strcap str_concat strerror signal_name syscall_name",
    "search": "strstr strcontains strncmp memcmp",
    "stacks": "kstack ustack dw_ustack",
    "symbols": "ksym usym kaddr percpu_kaddr uaddr",
    "time": "nsecs elapsed jiffies strftime",
}
"""The names that each file of this package declares, and their order; `argN` stands for all of those."""
_FILES = {name: file for file, names in _FAMILIES.items() for name in names.split()}


def _file(name: str) -> str | None:
    return _FILES.get("argN" if name.startswith("arg") and name[3:].isdigit() else name)


class _Registry(dict[str, Builtin]):
    """Imports what declares a builtin when it is asked for by name, and everything when it is gone through."""

    def __missing__(self, name: str) -> Builtin:
        file = _file(name)
        if file is None:
            raise KeyError(name)
        imported(f"pytrace.builtins.{file}")
        return self._known(name)

    def _known(self, name: str) -> Builtin:
        if not super().__contains__(name):
            raise KeyError(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self.get(name) is not None)

    def _all(self) -> dict[str, Builtin]:
        for file in _FAMILIES:
            imported(f"pytrace.builtins.{file}")
        files = list(_FAMILIES)
        return dict(sorted(super().items(), key=lambda item: files.index(_file(item[0]) or files[0])))

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def keys(self) -> Any:
        return self._all().keys()

    def values(self) -> Any:
        return self._all().values()

    def items(self) -> Any:
        return self._all().items()


REGISTRY: dict[str, Builtin] = _Registry()


def declare(builtin: Builtin) -> Builtin:
    """Enter a builtin; a name is declared once."""
    if dict.__contains__(REGISTRY, builtin.name):
        raise ValueError(f"builtin {builtin.name} is declared twice")
    REGISTRY[builtin.name] = builtin
    return builtin
