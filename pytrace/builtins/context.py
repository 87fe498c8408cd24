"""What a probe sees of the place it is attached to (PROBES 2): arguments, return value, registers, names."""

from __future__ import annotations

from pytrace.builtins.checks import provider, text
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.probes.contexts import ContextField
from pytrace.probes.registers import registers
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, KSYM, U8, U64, UNKNOWN, USYM, Int, Space, Str
from pytrace.syntax import tree

ARGUMENTS = 64
"""How many argN there are names for. No architecture passes that many in registers; user-space static probes may have
12."""


def _value(field: ContextField, site: CallSite) -> core.Expr:
    # The typing pass imports this package before it can be imported itself.
    from pytrace.semantics.typing.arguments import context_value

    return context_value(field, site.span)


def _check_args(site: CallSite, t: Typer) -> core.Expr:
    # The typing pass answers for `args` itself, since of most probes only the fields are values.
    return t.expr(tree.Ident(site.span, "args"))


declare(Builtin(
    "args", _check_args, None, ("args", "args.NAME"),
    "The arguments of the traced function or event, by name: in tracepoint, rawtracepoint, fentry and fexit probes, "
    "and in uprobes of programs with debug information.",
    "context", bare=True, core=True, needs_context=True,
))  # fmt: skip


def _check_argument(site: CallSite, t: Typer) -> core.Expr:
    index = int(site.name[3:])
    arguments = t.context.arguments
    if index < len(arguments):
        if arguments[index].error:
            return t.error(site.span, f"{site.name} of {t.targets[0].name} cannot be read: {arguments[index].error}")
        return _value(arguments[index], site)
    if arguments and provider(t) != "usdt":
        return t.error(site.span, f"{registers().arch} doesn't support {site.name}")
    if arguments:
        return t.error(site.span, f"this probe has no {site.name}, only {len(arguments)} arguments")
    return t.error(
        site.span, f"The {site.name} builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes",
        hints=["rawtracepoint probes have it too"] if provider(t) in ("tracepoint", "fentry", "fexit") else (),
    )


for _n in range(ARGUMENTS):
    declare(Builtin(
        f"arg{_n}", _check_argument, None, (f"arg{_n}",),
        f"Argument {_n} of the traced function (counted from 0), as it is passed in a register.",
        "context", bare=True, core=True, needs_context=True, internal=_n > 9,
    ))  # fmt: skip


def _check_retval(site: CallSite, t: Typer) -> core.Expr:
    if t.context.retval is not None:
        return _value(t.context.retval, site)
    if t.context.retval_error:
        return t.error(site.span, t.context.retval_error)
    advice = " (try to use args.ret instead)" if provider(t) == "tracepoint" else ""
    return t.error(
        site.span,
        "The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'fentry' probes" + advice,
    )


declare(Builtin(
    "retval", _check_retval, None, ("retval",), "What the traced function returns: in kretprobe, uretprobe and fexit.",
    "context", bare=True, needs_context=True,
))  # fmt: skip


def _check_ctx(site: CallSite, t: Typer) -> core.Expr:
    if t.context.ctx is not None:
        return core.ContextAddress(t.context.ctx, site.span)
    if provider(t) == "tracepoint":
        return t.error(site.span, "Use args instead of ctx in tracepoint")
    return t.error(site.span, f"The ctx builtin can not be used with '{provider(t)}' probes")


declare(Builtin(
    "ctx", _check_ctx, None, ("ctx",), "The context of the BPF program, as a pointer to its C type.", "context",
    bare=True, core=True, needs_context=True,
))  # fmt: skip


# --- registers ----------------------------------------------------------------------------------------------------


def register(t: Typer, site: CallSite, name: str) -> core.Expr | None:
    """A register of the traced context; None where the context holds no registers."""
    if t.context.registers is None:
        return None
    offset = t.context.registers + registers().names[name]
    space = t.context.space
    return core.ContextRead(Int(8, False, space=space) if space is not Space.NONE else U64, site.span, offset, 8)


def _check_reg(site: CallSite, t: Typer) -> core.Expr:
    node = site.given[0]
    name = t.literal(node)
    if not isinstance(name, bytes):
        text(t, site, 0)
        return core.Zero(UNKNOWN, site.span)
    if t.context.registers is None:
        return t.error(site.span, f'reg can not be used with "{provider(t)}" probes')
    shown = name.decode("latin-1")
    known = registers()
    if shown not in known.names:
        message = f"'{shown}' is not a valid register on this architecture ({known.arch})"
        return t.error(site.span, message, hints=["the registers are " + ", ".join(known.names)])
    found = register(t, site, shown)
    assert found is not None
    return found


declare(Builtin(
    "reg", _check_reg, None, ('reg("name")',), "A register of the traced context, by its name in struct pt_regs.",
    "context", (1, 1),
))  # fmt: skip


def _check_usermode(site: CallSite, t: Typer) -> core.Expr:
    if registers().arch != "x86_64":
        return t.error(site.span, "usermode is available on x86_64 only")
    segment = register(t, site, "cs")
    if segment is None:
        return t.error(site.span, f'usermode can not be used with "{provider(t)}" probes')
    # The low two bits of the code segment are the privilege level: 3 in user space, 0 in the kernel.
    level = core.Arith(U64, site.span, "and", segment, core.Const(U64, site.span, 3))
    user = core.Compare(BOOL, site.span, "ne", level, core.Const(U64, site.span, 0))
    return core.Convert(U8, site.span, user)


declare(Builtin(
    "usermode", _check_usermode, None, ("usermode",), "1 if the CPU was in user space when the probe fired, else 0.",
    "context", bare=True,
))  # fmt: skip


# --- names --------------------------------------------------------------------------------------------------------


def _asked_function(site: CallSite, t: Typer) -> core.Expr:
    """Where the traced function begins, as the kernel tells; before it does, a program has one target, whose address is
    known (`semantics.matching`)."""
    from pytrace.kernel import features

    if t.context.func == "user":
        if not features.user_func_ip():
            message = f"This kernel does not tell {provider(t)} probes which function it was (Linux 6.6)"
            return t.error(site.span, message)
    elif not features.get_func_ip():
        from pytrace.builtins.symbols import kernel_symbol

        addresses = {kernel_symbol(target.text("function")) for target in t.targets}
        address = addresses.pop() if len(addresses) == 1 else None
        if address is None:
            return t.error(site.span, "func needs the helper bpf_get_func_ip (Linux 5.15), which is missing")
        return core.Const(U64, site.span, address)
    return core.Call(U64, site.span, "func")


def _check_func(site: CallSite, t: Typer) -> core.Expr:
    where = t.context.func
    if not where:
        return t.error(site.span, f"The func builtin can not be used with '{provider(t)}' probes")
    # At its entry the instruction pointer lies in the function; a probe of its return has to ask for it.
    entry = provider(t) in ("kprobe", "uprobe") and t.context.registers is not None
    address = register(t, site, "ip" if registers().arch == "x86_64" else "pc") if entry else None
    if address is None:
        address = _asked_function(site, t)
    if where == "kernel":
        return core.Call(KSYM, site.span, "ksym", (address,))
    return core.Call(USYM, site.span, "usym", (address,))


declare(Builtin(
    "func", _check_func, lambda e, call: e.helper("get_func_ip", e.context_pointer()), ("func",),
    "The name of the traced function.", "context", bare=True,
))  # fmt: skip


def _check_probe(site: CallSite, t: Typer) -> core.Expr:
    longest = max((len(target.name.encode("latin-1", "replace")) for target in t.targets), default=0)
    return core.ProbeName(Str(longest + 1), site.span)


declare(Builtin(
    "probe", _check_probe, None, ("probe",), "The full name of the probe that fired.", "context", bare=True,
))  # fmt: skip


def _check_probetype(site: CallSite, t: Typer) -> core.Expr:
    return t.constant(t.context.probetype.encode(), site.span)


declare(Builtin(
    "probetype", _check_probetype, None, ("probetype",),
    "The provider of the probe; `special` for begin, end and self, `test` and `benchmark`.", "context", bare=True,
))  # fmt: skip
