"""Output by formatted text, and the end of the run (LIBRARY 2).

What a script sends to user space are records, one `core.Emit` for each place that sends them. This is the contract
between the checkers of this package, the code generator and `runtime/actions.py`: `static` is known beforehand, the
arguments travel in the record.

| kind | static | arguments |
|---|---|---|
| printf, errorf, warnf, cat, system | (pieces, refs) | one for each conversion |
| print | () | (value,) |
| print_map | (map, top, div): top 0 = all, div 0 = undivided | () |
| print_element | (map,) | (key,) of a map of stats |
| clear, zero | (map,) | () |
| time | (format,) as bytes | () |
| join | (separator,) as bytes | (`JOIN_TYPE`,) |
| exit | () | (code,) as int64 |
| skboutput | (file name,) | (nanoseconds since boot, length of the packet, bytes) |

`pieces` are those of `formats.parse`. `refs` are pairs (index of an argument, map): such an argument is the key of a
map of stats (an int8 0 if that has no keys), and what is shown is the value that the map holds when the record is
handled. `map` is the name with its `@`. A printed record has the type `Record`; text is bytes.

What changes or prints maps, tells the time or ends the run is urgent: it is few and small, and must not be lost where
an output of many records is.

Run-time warnings that builtins report (`Emitter.report`) are named, with what `retcode` holds:

| name | when | retcode |
|---|---|---|
| kstack, ustack | a stack could not be captured | the helper's error |
| dw_ustack | the process has no unwind tables | -1 |
| no_process | `comm(pid)` found none | the pid |
| signal | `signal`, `signal_thread` failed | the helper's error |
| signal_number, signal_thread_number | a computed number is none of a signal | the number |
"""

from __future__ import annotations

from pytrace.builtins import formats
from pytrace.builtins.checks import TYPE_ARGUMENT, address_space, argument, as_u64, only, provider, text, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import (
    I8,
    I64,
    U64,
    VOID,
    Aggregate,
    Array,
    Context,
    Int,
    Pointer,
    Str,
    Tuple,
)
from pytrace.syntax import tree

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

FAMILY = "output"

Refs = tuple[tuple[int, str], ...]


# --- formatted text -----------------------------------------------------------------------------------------------


def pieces_of(t: Typer, site: CallSite) -> tuple[formats.Piece, ...] | None:
    """The parsed format that is the first argument, for as many arguments as were given; None after an error."""
    format_ = text(t, site, 0)
    if format_ is None:
        return None
    try:
        pieces = formats.parse(format_)
        formats.check_count(pieces, len(site.given) - 1)
    except formats.FormatError as error:
        t.error(site.span, str(error))
        return None
    return pieces


def printable(t: Typer, expr: core.Expr) -> core.Expr:
    """A value as it is sent: `args` as the record of all arguments, if that can be printed."""
    if isinstance(expr.type, Context) and t.context.args_printable:
        from pytrace.semantics.typing.arguments import as_record

        return as_record(t, expr.span)  # type: ignore[arg-type]  # takes the Typer that there is
    return expr


def is_printable(expr: core.Expr) -> bool:
    """Whether a value can be sent at all: the context itself cannot."""
    return not isinstance(expr.type, Context) and not isinstance(expr, core.ContextAddress)


def arguments_of(
    t: Typer, site: CallSite, pieces: tuple[formats.Piece, ...]
) -> tuple[tuple[core.Expr, ...], Refs] | None:
    """The arguments of a format, checked, and which of them are keys of maps; None after an error."""
    args: list[core.Expr] = []
    refs: list[tuple[int, str]] = []
    good = True
    for piece, node in zip(formats.conversions(pieces), site.given[1:], strict=True):
        if isinstance(node, tree.Typeof):
            t.error(node.span, TYPE_ARGUMENT)
            return None
        expr = printable(t, t.expr(node))
        try:
            if not is_printable(expr):
                raise formats.FormatError(f"unable to print {expr.type} for specifier: {piece[4]}")
            formats.check_argument(piece, expr.type)
        except formats.FormatError as error:
            t.error(site.span, str(error))
            good = False
        if isinstance(expr, core.ReadMap) and isinstance(expr.type, Aggregate) and not expr.type.castable:
            refs.append((piece[5], expr.map.name))
            args.append(expr.key or core.Const(I8, expr.span, 0))
        elif isinstance(expr.type, Aggregate):
            args.append(t.value(node))
        else:
            args.append(expr)
    return (tuple(args), tuple(refs)) if good else None


def _check_formatted(site: CallSite, t: Typer) -> core.Expr:
    pieces = pieces_of(t, site)
    checked = arguments_of(t, site, pieces) if pieces is not None else None
    if pieces is None or checked is None:
        return core.Zero(VOID, site.span)
    args, refs = checked
    if site.name == "printf" and provider(t) == "iter":
        return _kernel_formatted(t, site, pieces, args)
    return core.Emit(VOID, site.span, site.name, (pieces, refs), args)


for _name, _doc, _unsafe in (
    ("printf", "Prints text made from a format and its arguments.", False),
    ("errorf", "Prints an error with the place in the script; the run goes on.", False),
    ("warnf", "Prints a warning with the place in the script.", False),
    ("cat", "Prints the contents of the file whose name is formatted, up to max_cat_bytes.", False),
    ("system", "Runs a shell command and prints what it writes.", True),
):
    declare(Builtin(
        _name, _check_formatted, None, (f"{_name}(format, ...)",), _doc, FAMILY, (1, formats.MAX_ARGUMENTS),
        unsafe=_unsafe,
    ))  # fmt: skip


# --- text that the kernel formats ---------------------------------------------------------------------------------


def _kernel_format(pieces: tuple[formats.Piece, ...], allowed: str) -> bytes:
    """A format as the kernel's own formatter reads it (bpf_bprintf_prepare in kernel/bpf/helpers.c), which knows
    neither `#` nor `h`. Raises `FormatError`, naming the conversion, for one that is not `allowed`."""
    out = bytearray()
    for piece in pieces:
        if isinstance(piece, bytes):
            out += piece.replace(b"%", b"%%")
            continue
        _, flags, width, length, conversion, _ = piece
        if len(conversion) != 1 or conversion not in allowed:
            raise formats.FormatError(conversion)
        size = "ll" if length == "l" and conversion in "dux" else ""
        out += f"%{flags.replace('#', '')}{width or ''}{size}{conversion}".encode()
    return bytes(out) + b"\0"


def _kernel_formatted(
    t: Typer, site: CallSite, pieces: tuple[formats.Piece, ...], args: tuple[core.Expr, ...]
) -> core.Expr:
    """`printf` in an iterator writes to the file through which the iterator is read."""
    try:
        format_ = _kernel_format(pieces, "duxXpcs")
    except formats.FormatError as error:
        return t.error(site.span, f"iter probes do not support the format specifier: {error}")
    if len(args) > 12:
        return t.error(site.span, f"printf() in iter probes takes up to 12 values ({len(args)} provided)")
    for piece, arg in zip(formats.conversions(pieces), args, strict=True):
        if unknown(arg):
            return core.Zero(VOID, site.span)
        if (piece[4] == "s") != isinstance(arg.type, Str):
            message = f"printf() in iter probes can not show a value of type '{arg.type}' as: {piece[4]}"
            return t.error(site.span, message)
    values = tuple(arg if isinstance(arg.type, Str) else as_u64(arg) for arg in args)
    return core.Call(VOID, site.span, "seq_printf", values, (format_,))


def _lower_seq_printf(e: Emitter, call: core.Call) -> Value:
    b = e.b
    (format_,) = call.static
    assert isinstance(format_, bytes)
    # struct bpf_iter__NAME starts with struct bpf_iter_meta *, whose first member is the struct seq_file *.
    meta = b.load("i64", e.context_pointer())
    file = b.load("i64", b.inttoptr(meta))
    size = 8 * len(call.args)
    data = e.scratch(size) if size else e.const(0)
    for index, arg in enumerate(call.args):
        value = b.ptrtoint(e.place(arg)) if isinstance(arg.type, Str) else e.eval64(arg)
        b.store(value, data, 8 * index)
    e.helper("seq_printf", file, e.rodata(format_), len(format_), data, size)
    return e.void()


declare(Builtin(
    "seq_printf", lambda site, t: t.error(site.span, f"Unknown function: '{site.name}'"), _lower_seq_printf, (), "",
    FAMILY, internal=True,
))  # fmt: skip


def _check_debugf(site: CallSite, t: Typer) -> core.Expr:
    t.warning(
        site.span,
        "The debugf() builtin is not recommended for production use. "
        "For more information see bpf_trace_printk in bpf-helpers(7).",
    )
    pieces = pieces_of(t, site)
    if pieces is None:
        return core.Zero(VOID, site.span)
    given = formats.conversions(pieces)
    if len(given) > 3:
        return t.error(site.span, "cannot use more than 3 conversion specifiers")
    try:
        format_ = _kernel_format(pieces, "duxps")
    except formats.FormatError as error:
        return t.error(site.given[0].span, f"Invalid format specifier for `debugf`: {error}")
    args = []
    for index, piece in enumerate(given, 1):
        arg = argument(t, site, index)
        if not unknown(arg) and not isinstance(arg.type, Str if piece[4] == "s" else Int):
            return t.error(site.given[index].span, f"Type does not match format specifier: {piece[4]}")
        args.append(arg if isinstance(arg.type, Str) else as_u64(arg))
    return core.Call(VOID, site.span, "debugf", tuple(args), (format_,))


def _lower_debugf(e: Emitter, call: core.Call) -> Value:
    (format_,) = call.static
    assert isinstance(format_, bytes)
    values = [e.place(arg) if isinstance(arg.type, Str) else e.eval64(arg) for arg in call.args]
    e.helper("trace_printk", e.rodata(format_), len(format_), *values)
    return e.void()


declare(Builtin(
    "debugf", _check_debugf, _lower_debugf, ("debugf(format, ...)",),
    "Writes a line with at most three values to the kernel's trace pipe, for finding faults in scripts.", FAMILY,
    (1, formats.MAX_ARGUMENTS),
))  # fmt: skip


def _check_fail(site: CallSite, t: Typer) -> core.Expr:
    format_ = text(t, site, 0)
    if format_ is None:
        return core.Zero(VOID, site.span)
    values = [t.literal(node) for node in site.given[1:]]
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return t.error(site.span, "fail() arguments need to be literals")
    try:
        pieces = formats.parse(format_)
        formats.check_count(pieces, len(present))
        message = formats.format_literals(pieces, present)
    except formats.FormatError as error:
        return t.error(site.span, str(error))
    return t.error(site.span, message.decode("latin-1"))


declare(Builtin(
    "fail", _check_fail, None, ("fail(format, ...)",), "Ends the compilation with a message, if it is reached.", FAMILY,
    (1, formats.MAX_ARGUMENTS),
))  # fmt: skip


# --- others -------------------------------------------------------------------------------------------------------


def _check_time(site: CallSite, t: Typer) -> core.Expr:
    format_ = text(t, site, 0) if site.given else b"%H:%M:%S\n"
    return core.Emit(VOID, site.span, "time", (format_ or b"",), urgent=True)


declare(Builtin(
    "time", _check_time, None, ("time()", "time(format)"),
    "Prints the time of day, in a format of C's strftime (default `%H:%M:%S\\n`).", FAMILY, (0, 1),
))  # fmt: skip


JOIN_LIMIT = 16
JOIN_TEXT = 1024
JOIN_TYPE = Tuple((U64, Array(Str(JOIN_TEXT), JOIN_LIMIT)))
"""How many strings there are, and their texts."""


def _check_join(site: CallSite, t: Typer) -> core.Expr:
    separator: bytes | None = b" "
    if len(site.given) > 1:
        separator = text(t, site, 1)
    strings = argument(t, site, 0)
    if separator is None or not only(t, site, strings, "int or pointer", Int, Pointer) or unknown(strings):
        return core.Zero(VOID, site.span)
    texts = core.Call(JOIN_TYPE, site.span, "join", (as_u64(strings),), (address_space(t, strings).value,))
    return core.Emit(VOID, site.span, "join", (separator,), (texts,))


def _fill_join(e: Emitter, call: core.Call, at: Value) -> None:
    from pytrace.semantics.types import Space

    b, space = e.b, Space(call.static[0])
    strings = e.eval64(call.args[0])
    pointer = e.scratch(8)
    if e.strict:
        e.zero(at, 8 + JOIN_LIMIT * JOIN_TEXT)
    b.store(0, at)

    def take(index: int) -> None:
        """The string number `index`, and those after it, unless the array ends here."""
        b.store(0, pointer)
        e.read(pointer, 8, b.add(strings, 8 * index), space, call.span)
        address = b.load("i64", pointer)

        def there() -> None:
            slot = b.gep(at, 8 + index * JOIN_TEXT)
            b.store(b.const(0, "i8"), slot)
            e.read_string(slot, JOIN_TEXT, address, space, call.span)
            b.store(index + 1, at)
            if index + 1 < JOIN_LIMIT:
                take(index + 1)

        e.when(b.ne(address, 0), there)

    take(0)


declare(Builtin(
    "join", _check_join, None, ("join(strings)", "join(strings, separator)"),
    "Prints the strings of a `char *` array that ends with NULL, up to 16 of 1023 bytes.", FAMILY, (1, 2),
    fill=_fill_join,
))  # fmt: skip


def _check_exit(site: CallSite, t: Typer) -> core.Expr:
    code: core.Expr = core.Const(I64, site.span, 0)
    if site.given:
        given = argument(t, site, 0)
        if not only(t, site, given, "int", Int):
            return core.Zero(VOID, site.span)
        code = core.Convert(I64, given.span, given) if not unknown(given) else code
    emit = core.Emit(VOID, site.span, "exit", (), (code,), urgent=True)
    return core.Do(VOID, site.span, (core.Evaluate(site.span, emit), core.Return(site.span)), None)


declare(Builtin(
    "exit", _check_exit, None, ("exit()", "exit(code)"),
    "Ends the probe and the run, with an exit status. No further event is seen.", FAMILY, (0, 1),
))  # fmt: skip
