"""What kernel type information says about probes: functions, tracepoints, iterators, and functions of BPF programs."""

from __future__ import annotations

import os

from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING
from pytrace.once import cached_property
from pytrace.probes.contexts import ContextField
from pytrace.probes.patterns import has_wildcard, literal_prefix, matcher
from pytrace.probes.registers import registers
from pytrace.semantics.types import VOID, Pointer, Space, Struct, Type, Void, size_of

if TYPE_CHECKING:
    from pytrace.kernel.btf import Btf, BtfType, Parameter
    from pytrace.probes.kernel_functions import KernelFunctions

__all__ = ["STUBS", "Function", "KernelBtf", "Named", "Signature"]

_TRACEPOINT = "btf_trace_"
STUBS = ("__probestub_", "__traceiter_", "__bpf_trace_")
"""Functions that carry the names of a tracepoint's arguments, behind a first one of the kernel's own; which exist
depends on the kernel."""
_ITERATOR = "bpf_iter__"


@frozen
class Named:
    """Something that a TRACING program can be attached to. `btf_id` belongs to `module`'s types."""

    module: str
    name: str
    btf_id: int
    kind: str = "func"
    prefix: str = ""

    @property
    def attach_btf(self) -> str:
        """The text for `attach_btf.resolved`."""
        if self.module == "vmlinux":
            return str(self.btf_id)
        return f"module/{self.module}/{self.kind}/{self.prefix}{self.name}"


@frozen
class Signature:
    """A function's parameters (type, name) and what it returns, as text."""

    parameters: tuple[tuple[str, str], ...]
    returns: str


@frozen
class Function:
    """A function's parameters and result as a program attached to it sees them.

    `too_many`: it has more parameters than registers carry, and `fields` is empty.
    """

    fields: tuple[ContextField, ...]
    result: ContextField | None
    too_many: bool = False


@frozen
class IteratorKind:
    """An iterator: `parameters` are the fields of its context, without the one of the kernel's own. `subject` is where
    the context has the pointer to the object that a run is about: null in the last run, which only marks the end."""

    attach_btf: str
    parameters: tuple[tuple[str, str], ...]
    subject: int | None = None


class KernelBtf:
    """Looks up in the kernel's BTF and that of its modules; what is found depends on `functions` too, since not every
    function that has a type can be traced."""

    def __init__(self, traceable: KernelFunctions) -> None:
        self._traceable = traceable
        self._texts: dict[tuple[str, int], str] = {}
        self._signatures: dict[tuple[str, int, int], Signature] = {}

    @cached_property
    def _vmlinux(self) -> Btf | None:
        from pytrace.kernel.btf import kernel_btf

        return kernel_btf()

    @property
    def available(self) -> bool:
        """Whether this kernel has type information at all."""
        return self._vmlinux is not None

    def _btf(self, module: str) -> Btf | None:
        from pytrace.kernel.btf import module_btf

        return self._vmlinux if module == "vmlinux" else module_btf(module)

    def _modules(self, pattern: str) -> list[str]:
        from pytrace.kernel.btf import modules

        if "\0" in pattern:
            return []
        if not has_wildcard(pattern):
            return [pattern] if self._btf(pattern) is not None else []
        matches = matcher(pattern)
        return [name for name in ("vmlinux", *modules()) if matches(name) and self._btf(name) is not None]

    # --- functions ------------------------------------------------------------------------------------------------

    def functions(self, module: str, pattern: str) -> list[Named]:
        """The traceable functions with a type that match, in byte order of `module:name`."""
        from pytrace.kernel.btf import Kind

        found = []
        exact = not has_wildcard(pattern)
        for owner in self._modules(module):
            btf = self._btf(owner)
            assert btf is not None
            if exact:
                type_ = next(btf.find_all(pattern, Kind.FUNC), None)
                if type_ is not None and self._traceable.is_traceable(owner, pattern):
                    found.append(Named(owner, pattern, type_.id))
                continue
            names = btf.names(Kind.FUNC)
            traceable = self._traceable.of_module(owner, pattern)
            found += [Named(owner, name, names[name][0]) for name in traceable if name in names]
        return sorted(found, key=lambda each: f"{each.module}:{each.name}")

    def function_names(self, module: str, pattern: str) -> list[str]:
        """The same as lines `module:name`: for long lists."""
        from pytrace.kernel.btf import Kind

        found = []
        for owner in self._modules(module):
            btf = self._btf(owner)
            assert btf is not None
            names = btf.names(Kind.FUNC)
            found += [f"{owner}:{name}" for name in self._traceable.of_module(owner, pattern) if name in names]
        return sorted(found)

    def _find(self, module: str, name: str) -> tuple[Btf, BtfType] | None:
        from pytrace.kernel.btf import Kind

        btf = self._btf(module)
        type_ = next(btf.find_all(name, Kind.FUNC), None) if btf is not None else None
        return (btf, type_) if btf is not None and type_ is not None else None

    def function(self, module: str, name: str) -> Function | None:
        """What programs attached to a function see; None if it has no type."""
        found = self._find(module, name)
        return None if found is None else self._describe(*found)

    def signature(self, module: str, name: str) -> Signature | None:
        """A function's declaration; None if it has no type."""
        btf = self._btf(module)
        prototype = btf.prototype(name) if btf is not None else None
        return None if btf is None or prototype is None else self._sign(btf, prototype)

    def _sign(self, btf: Btf, id_: int, skip: int = 0) -> Signature:
        # Half of the kernel's functions are declared like another one.
        key = (btf.name, id_, skip)
        if key not in self._signatures:
            prototype = btf.type(id_)
            parameters = btf.parameters(prototype)[skip:]
            self._signatures[key] = Signature(
                tuple((self._text(btf, each.type), _name(each, n)) for n, each in enumerate(parameters)),
                self._text(btf, prototype.value),
            )
        return self._signatures[key]

    def _text(self, btf: Btf, id_: int) -> str:
        from pytrace.kernel.btf_print import type_text

        key = (btf.name, id_)
        if key not in self._texts:
            self._texts[key] = type_text(btf, id_) if id_ else "void"
        return self._texts[key]

    def _describe(self, btf: Btf, function: BtfType, skip: int = 0, limit: int | None = None) -> Function:
        from pytrace.kernel.btf_types import convert

        prototype = btf.type(function.value)
        fields, slot = [], 0
        for n, each in enumerate(btf.parameters(prototype)[skip:]):
            type_ = convert(btf, each.type, Space.KERNEL)
            size = max(8, (size_of(type_) + 7) // 8 * 8)
            copied = _not_loaded(btf, each.type)
            fields.append(_field(_name(each, n), type_, slot * 8, size, copied))
            slot += size // 8
        result = None
        returns = convert(btf, prototype.value, Space.KERNEL) if prototype.value else VOID
        if not isinstance(returns, Void):
            result = _field("retval", returns, slot * 8, 8)
        too_many = slot > (limit or len(registers().arguments))
        return Function(() if too_many else tuple(fields), result, too_many)

    # --- tracepoints ----------------------------------------------------------------------------------------------

    def tracepoints(self, module: str, pattern: str) -> list[Named]:
        """The tracepoints that match, in byte order of `module:name`."""
        from pytrace.kernel.btf import Kind

        found = []
        for owner in self._modules(module):
            btf = self._btf(owner)
            assert btf is not None
            if not has_wildcard(pattern):
                ids = {_TRACEPOINT + pattern: [each.id for each in btf.find_all(_TRACEPOINT + pattern, Kind.TYPEDEF)]}
            else:
                ids = btf.names(Kind.TYPEDEF)
            prefix, matches = _TRACEPOINT + literal_prefix(pattern), matcher(_TRACEPOINT + pattern)
            found += [
                Named(owner, name.removeprefix(_TRACEPOINT), numbers[0], "typedef", _TRACEPOINT)
                for name, numbers in ids.items()
                if numbers and name.startswith(prefix) and matches(name)
            ]
        return sorted(found, key=lambda each: f"{each.module}:{each.name}")

    def _stub(self, module: str, name: str) -> tuple[Btf, BtfType] | None:
        return next((found for stub in STUBS if (found := self._find(module, stub + name)) is not None), None)

    def tracepoint(self, module: str, name: str) -> Function | None:
        """What a tracepoint's programs are called with; None if that is not known."""
        found = self._stub(module, name)
        return None if found is None else self._describe(*found, skip=1, limit=_MAX_TRACE_ARGUMENTS)

    def tracepoint_signature(self, module: str, name: str) -> Signature | None:
        """The declaration of a tracepoint's arguments; None if that is not known."""
        found = self._stub(module, name)
        return None if found is None else self._sign(found[0], found[1].value, skip=1)

    # --- iterators and BPF programs -------------------------------------------------------------------------------

    def iterator(self, name: str) -> IteratorKind | None:
        """One of the kernel's iterators; None if there is none of that name."""
        from pytrace.kernel.btf import Kind

        btf = self._vmlinux
        if btf is None:
            return None
        function = next(btf.find_all(f"bpf_iter_{name}", Kind.FUNC), None)
        struct = next(btf.find_all(_ITERATOR + name, Kind.STRUCT), None)
        if function is None or struct is None:
            return None
        fields = []
        pointers = []
        for member in btf.members(struct):
            # Members stand in anonymous unions, which pad pointers to 64 bits.
            inner = btf.resolve(member.type)
            each = btf.members(inner)[0] if not member.name and inner.kind == Kind.UNION else member
            if each.name != "meta":
                fields.append((self._text(btf, each.type), each.name))
                if btf.resolve(each.type).kind == Kind.PTR:
                    pointers.append((each.name, member.bit_offset // 8))
        # The elements of a map come with the map, which is there to the end.
        if len(pointers) > 1 and pointers[0][0] == "map":
            del pointers[0]
        return IteratorKind(str(function.id), tuple(fields), pointers[0][1] if pointers else None)

    def iterators(self) -> list[str]:
        """The names of the kernel's iterators, sorted."""
        from pytrace.kernel.btf import Kind

        structs = self._vmlinux.names(Kind.STRUCT) if self._vmlinux is not None else ()
        names = (name.removeprefix(_ITERATOR) for name in structs if name.startswith(_ITERATOR))
        return sorted(name for name in names if self.iterator(name) is not None)

    def bpf_functions(self, program: int, pattern: str) -> list[tuple[int, str]]:
        """Functions of loaded BPF programs that have type information: (id of the program, name of the function).

        `program` 0 means all programs."""
        from pytrace.kernel import links

        matches = matcher(pattern)
        found: set[tuple[int, str]] = set()
        for number in [program] if program else list(links.ids("prog")):
            try:
                found.update((number, name) for name in program_functions(number) if matches(name))
            except OSError:
                # Programs come and go.
                continue
        return sorted(found, key=lambda each: f"{each[0]}:{each[1]}")


_MAX_TRACE_ARGUMENTS = 12
"""MAX_BPF_FUNC_ARGS (include/linux/bpf.h): all are passed in memory, however many registers there are."""


def _name(parameter: Parameter, number: int) -> str:
    return parameter.name or f"arg{number}"


def _not_loaded(btf: Btf, type_: int) -> bool:
    """Whether the verifier refuses to load an argument of a type: a pointer of which it makes nothing (`btf_ctx_access`
    in kernel/bpf/btf.c)."""
    from pytrace.kernel import features
    from pytrace.kernel.btf import Kind

    pointer = btf.resolve(type_)
    if pointer.kind != Kind.PTR:
        return False
    pointee = btf.resolve(pointer.value).kind
    if pointee == Kind.INT:
        return not features.int_pointers()
    return pointee not in (Kind.VOID, Kind.STRUCT, Kind.UNION)


def _field(name: str, type_: Type, offset: int, size: int, copied: bool = False) -> ContextField:
    trusted = isinstance(type_, Pointer) and type_.space is Space.KERNEL and isinstance(type_.pointee, Struct)
    space = type_.space if isinstance(type_, Pointer) and type_.space is Space.USER else Space.KERNEL
    return ContextField(name, type_, offset, size, space, trusted=trusted, copied=copied)


def program_functions(program: int) -> dict[str, int]:
    """Names of the functions of a loaded program that has type information, with their ids. Raises `OSError`."""
    from pytrace.kernel import links
    from pytrace.kernel.btf import Btf, Kind

    fd = links.fd_by_id("prog", program)
    try:
        info = links.prog_info(fd)
    finally:
        os.close(fd)
    if not info.btf_id:
        return {}
    fd = links.fd_by_id("btf", info.btf_id)
    try:
        *_, data = links.btf_info(fd)
    finally:
        os.close(fd)
    btf = Btf(data, "")
    functions = [btf.type(id_) for _, id_ in info.func_info]
    return {each.name: each.id for each in functions if each.kind == Kind.FUNC}
