"""Strings: reading them, their lengths, and fixed texts for numbers (LIBRARY 6)."""

from __future__ import annotations

from pytrace.builtins import texts
from pytrace.builtins.checks import address_space, argument, as_u64, kind, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.builtins.syscalls import syscall_names
from pytrace.hints import TYPE_CHECKING, Callable
from pytrace.once import cache
from pytrace.semantics import program as core
from pytrace.semantics.types import I32, U64, Array, Bool, Enum, Int, Pointer, Space, Str, Type, size_of

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "strings"

NEVER_FULL = 1024
"""From this max_strlen on, `str` always leaves room for the NUL (LIBRARY 6, truncation marker)."""


# --- str ----------------------------------------------------------------------------------------------------------


def _check_str(site: CallSite, t: Typer) -> core.Expr:
    most = t.config.max_strlen
    limit = _limit(t, site) if len(site.given) > 1 else None
    if isinstance(limit, core.Expr) and unknown(limit):
        return core.Zero(Str(most), site.span)
    literal = t.literal(site.given[0])
    if literal is not None and not isinstance(literal, bool) and not isinstance(limit, core.Expr):
        written = literal if isinstance(literal, bytes) else str(literal).encode()
        return t.constant(written[:limit], site.span)
    source = argument(t, site, 0)
    if unknown(source):
        return core.Zero(Str(most), site.span)
    if not isinstance(source.type, Str | Int | Pointer):
        message = f"str() expects a string, integer or a pointer type as first argument ({source.type} provided)"
        return t.error(site.span, message)
    if isinstance(limit, int) and limit >= most:
        t.warning(
            site.span,
            f"length param ({limit}) is too long and will be shortened to {most} bytes (see BPFTRACE_MAX_STRLEN)",
        )
        limit = None
    size = Str(min(limit + 1, most) if isinstance(limit, int) else most)
    args = () if limit is None or isinstance(limit, int) else (as_u64(limit),)
    static = limit if isinstance(limit, int) else -1
    if isinstance(source.type, Str):
        return core.Call(size, site.span, "str", (source, *args), ("", static))
    space = address_space(t, source)
    return core.Call(size, site.span, "str", (as_u64(source), *args), (space.value, static))


def _limit(t: Typer, site: CallSite) -> int | core.Expr:
    """The second argument: a number if it is a literal. Of an unknown type after an error."""
    value = t.literal(site.given[1])
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            return t.error(site.span, f"{site.name}() cannot use negative length ({value})")
        return value
    length = argument(t, site, 1)
    if not unknown(length) and not isinstance(length.type, Int):
        return t.error(site.span, f"{site.name}() only supports int arguments ({kind(length.type)} provided)")
    return length


def _fill_str(e: Emitter, call: core.Call, at: Value) -> None:
    """Reads at most as many bytes as asked for, a NUL among them.

    Without a limit, a string type smaller than the default may be filled to its last byte: whoever prints such a value
    marks it as cut.
    """
    b, size = e.b, size_of(call.type)
    space, limit = call.static
    assert isinstance(limit, int)
    short, e.short = e.short, 0
    source = call.args[0]
    if space:
        address = e.eval64(source)
        where, most = Space(space), size
    else:
        # Text that is in our own memory already: it may lack a NUL, so its size bounds what is read.
        address = b.ptrtoint(e.place(source))
        where, most = Space.KERNEL, min(size, size_of(source.type) + 1)
    if len(call.args) > 1:
        length: Value | int = e.clamp(e.eval64(call.args[1]), most)
    else:
        length = most if limit < 0 else min(limit, most)
    whole = bool(space) and limit < 0 and len(call.args) == 1
    if not whole:
        short = 0
    if e.strict:
        e.zero(at, short or size)
    else:
        b.store(b.const(0, "i8"), at)
    if length == 0:
        return
    read = e.read_string(at, short or length, address, where, call.span)
    if not whole:
        return

    def full() -> None:
        """The byte in the place of the NUL tells whether the string goes on, and is kept where there is room."""
        last = b.gep(at, size - 1)
        e.read(last, 1, b.add(address, size - 1), where, call.span)
        e.when(b.ne(b.load("i8", last), 0), lambda: e.lose("string", str(size), call.span))
        if size >= NEVER_FULL:
            b.store(b.const(0, "i8"), last)

    def long() -> None:
        """The string goes on, or ends just here: the rest follows, its first byte in the place of the NUL."""
        rest, left = b.gep(at, short - 1), size - short + 1
        e.zero(b.gep(at, short), size - short)
        again = e.read_string(rest, left, b.add(address, short - 1), where, call.span)
        e.when(b.eq(again, left), full)

    if short:
        e.when(b.eq(read, short), long)
    else:
        e.when(b.eq(read, size), full)


declare(Builtin(
    "str", _check_str, None, ("str(pointer)", "str(pointer, size)"),
    "The string at an address, up to max_strlen bytes, or up to `size` bytes with the NUL. Of a literal or a "
    "parameter: its text.", FAMILY, (1, 2), fill=_fill_str,
))  # fmt: skip


# --- strings in memory --------------------------------------------------------------------------------------------


def is_text(type_: Type) -> bool:
    """Whether a value can be used as a string: a string, an array of bytes, or a pointer to bytes."""
    match type_:
        case Str():
            return True
        case Array(elem=Int(size=1)) | Pointer(pointee=Int(size=1)):
            return True
    return False


def string_like(t: Typer, site: CallSite, index: int) -> core.Expr | None:
    """An argument that is used as a string; None after reporting. A pointer is read, an array of bytes copied."""
    value = argument(t, site, index)
    if unknown(value):
        return value
    if not is_text(value.type):
        t.error(site.span, f"{site.name}() expects strings, byte arrays or pointers to bytes ({value.type} provided)")
        return None
    if isinstance(value.type, Pointer):
        static = (address_space(t, value).value, -1)
        return core.Call(Str(t.config.max_strlen), value.span, "str", (as_u64(value),), static)
    if isinstance(value.type, Array):
        return core.Convert(Str(value.type.count), value.span, value)
    return value


def terminated(e: Emitter, expr: core.Expr, extra: int = 0) -> tuple[Value, Value, int]:
    """A copy of a string that ends in a NUL, its length without that (i64), and the most that this can be. For text
    that is known: itself. There is room for `extra` bytes at least."""
    b = e.b
    if isinstance(expr, core.Text):
        known = expr.value.partition(b"\0")[0]
        return e.rodata((known + b"\0").ljust(extra, b"\0")), e.const(len(known)), len(known)
    size = size_of(expr.type)
    at = e.scratch(max(size + 1, extra))
    b.store(b.const(0, "i8"), at)
    length = e.helper("probe_read_kernel_str", at, size + 1, e.place(expr))
    # Reading our own memory does not fail; the verifier cannot know.
    return at, b.sub(b.select(b.sgt(length, 0), length, 1), 1), size


def _check_strlen(site: CallSite, t: Typer) -> core.Expr:
    value = string_like(t, site, 0)
    if value is None or unknown(value):
        return core.Zero(U64, site.span)
    literal = t.literal_of(value)
    if isinstance(literal, bytes):
        return core.Const(U64, site.span, len(literal.partition(b"\0")[0]))
    return core.Call(U64, site.span, "strlen", (value,))


declare(Builtin(
    "strlen", _check_strlen, lambda e, call: terminated(e, call.args[0])[1], ("strlen(string)",),
    "How many bytes of a string stand before its NUL.", FAMILY, (1, 1),
))  # fmt: skip


def _check_strcap(site: CallSite, t: Typer) -> core.Expr:
    value = argument(t, site, 0)
    if unknown(value):
        return core.Zero(U64, site.span)
    match value.type:
        case Str(size=size) | Array(count=size):
            return core.Const(U64, site.span, size)
    return _check_strlen(site, t)


declare(Builtin(
    "strcap", _check_strcap, None, ("strcap(string)",),
    "The capacity of a string or array in bytes or elements; of a pointer: the length of the string there.", FAMILY,
    (1, 1),
))  # fmt: skip


CONCATENATED = 1024


def _check_concat(site: CallSite, t: Typer) -> core.Expr:
    values = [string_like(t, site, index) for index in (0, 1)]
    first, second = values
    type_ = Str(CONCATENATED)
    if first is None or second is None or unknown(first) or unknown(second):
        return core.Zero(type_, site.span)
    left, right = t.literal_of(first), t.literal_of(second)
    if isinstance(left, bytes) and isinstance(right, bytes):
        both = left.partition(b"\0")[0] + right.partition(b"\0")[0]
        return core.Text(type_, site.span, both[: CONCATENATED - 1])
    return core.Call(type_, site.span, "str_concat", (first, second))


def _fill_concat(e: Emitter, call: core.Call, at: Value) -> None:
    b = e.b
    first, second = call.args
    left, length, most = terminated(e, first)
    size = min(size_of(first.type) + 1, CONCATENATED)
    if e.strict:
        e.zero(at, CONCATENATED)
    e.copy(at, left, min(size, most + 1))
    offset = e.clamp(length, size - 1)
    rest = min(size_of(second.type) + 1, CONCATENATED)
    source = e.place(second)
    if size - 1 + rest <= CONCATENATED:
        e.helper("probe_read_kernel_str", b.gep(at, offset), rest, source)
        return
    # The verifier wants to see that no offset leads out of the value: join them where there is room for both.
    joined = e.scratch(size + rest)
    e.copy(joined, left, min(size, most + 1))
    e.helper("probe_read_kernel_str", b.gep(joined, offset), rest, source)
    e.helper("probe_read_kernel_str", at, CONCATENATED, joined)


declare(Builtin(
    "str_concat", _check_concat, None, ("str_concat(a, b)",), "The second string behind the first.", FAMILY, (2, 2),
    fill=_fill_concat,
))  # fmt: skip


# --- texts for numbers --------------------------------------------------------------------------------------------


@cache
def _table(name: str) -> tuple[str, ...]:
    """The texts by number; the last one is for numbers that have none."""
    if name == "strerror":
        return (*texts.ERROR_TEXTS, texts.UNKNOWN_ERROR)
    if name == "signal_name":
        return (*texts.SIGNAL_TEXTS, texts.UNKNOWN_SIGNAL)
    names = syscall_names()
    return tuple(names.get(number, texts.UNKNOWN_SYSCALL) for number in range(max(names, default=-1) + 2))


_TEXT_OF: dict[str, Callable[[int], str]] = {
    "strerror": texts.error_text, "signal_name": texts.signal_text, "syscall_name": texts.syscall_text,
}  # fmt: skip


def _check_text(site: CallSite, t: Typer) -> core.Expr:
    type_ = Str(texts.TEXT_SIZE)
    value = argument(t, site, 0)
    if unknown(value):
        return core.Zero(type_, site.span)
    if not isinstance(value.type, Int | Bool | Enum | Pointer):
        return t.error(site.span, f'Cannot cast from "{value.type}" to "int32"')
    if isinstance(value, core.Const):
        number = value.value & 0xFFFFFFFF
        number -= number >> 31 << 32
        return core.Text(type_, site.span, _TEXT_OF[site.name](number).encode())
    return core.Call(type_, site.span, site.name, (core.Convert(I32, value.span, value),))


def _fill_text(e: Emitter, call: core.Call, at: Value) -> None:
    b, size, table = e.b, texts.TEXT_SIZE, _table(call.name)
    number = e.eval64(call.args[0])
    if call.name == "strerror":
        number = b.select(b.slt(number, 0), b.neg(number), number)
    # Negative numbers are great ones without sign, and numbers that are too great get the last text.
    index = e.clamp(number, len(table) - 1)
    data = b"".join(text.encode().ljust(size, b"\0") for text in table)
    e.copy(at, b.gep(e.rodata(data, 8), b.mul(index, size)), size)


for _name, _doc in (
    ("strerror", "The text of an error number; its sign does not matter."),
    ("signal_name", "The text of a signal number."),
    ("syscall_name", "The name of a system call number."),
):
    declare(Builtin(
        _name, _check_text, None, (f"{_name}(number)",), _doc, FAMILY, (1, 1), fill=_fill_text,
    ))  # fmt: skip
