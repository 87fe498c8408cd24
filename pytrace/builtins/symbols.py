"""Symbols: names of addresses, resolved when they are printed, and addresses of names (LIBRARY 5.2)."""

from __future__ import annotations

from pytrace.builtins.checks import argument, as_u64, only, provider, text, unknown
from pytrace.builtins.process import current_id, own_pid_namespace
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import TYPE_CHECKING
from pytrace.lazy import pattern
from pytrace.semantics import program as core
from pytrace.semantics.types import KSYM, UNKNOWN, USYM, Int, Pointer, Space, Unknown

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value
    from pytrace.probes.provider import Target

FAMILY = "symbols"


# --- names of addresses -------------------------------------------------------------------------------------------


def _check_symbol(site: CallSite, t: Typer) -> core.Expr:
    type_ = KSYM if site.name == "ksym" else USYM
    address = argument(t, site, 0)
    if not isinstance(address.type, Int | Pointer | Unknown):
        return t.error(site.span, f"{site.name}() expects an integer or pointer argument")
    if unknown(address):
        return core.Zero(type_, site.span)
    static = () if site.name == "ksym" else own_pid_namespace() or ()
    return core.Call(type_, site.span, site.name, (as_u64(address),), static)


def _fill_usym(e: Emitter, call: core.Call, at: Value) -> None:
    """The address, and the process and probe by which user space finds the program's symbols."""
    e.b.store(e.eval64(call.args[0]), at)
    e.b.store(current_id(e, call.static, process=True), at, 8)
    e.b.store(e.const(e.probe.order, "i32"), at, 12)


declare(Builtin(
    "ksym", _check_symbol, lambda e, call: e.eval64(call.args[0]), ("ksym(address)",),
    "The name of the kernel function that an address lies in, for printing.", FAMILY, (1, 1),
))  # fmt: skip
declare(Builtin(
    "usym", _check_symbol, None, ("usym(address)",),
    "The name of the function of the current process that an address lies in, for printing.", FAMILY, (1, 1),
    fill=_fill_usym,
))  # fmt: skip


# --- addresses of names -------------------------------------------------------------------------------------------

_KERNEL_ADDRESS = Int(8, False, space=Space.KERNEL)


def kernel_symbol(name: str) -> int | None:
    """The address of a kernel symbol; None if there is none, or if the kernel hides addresses from us."""
    from pytrace.kernel import kallsyms

    return next((symbol.address for symbol in kallsyms.lookup(name)), None)


def _check_kaddr(site: CallSite, t: Typer) -> core.Expr:
    name = text(t, site, 0)
    if name is None:
        return core.Zero(UNKNOWN, site.span)
    shown = name.decode("latin-1")
    address = kernel_symbol(shown)
    if address is None:
        return t.error(site.span, f"Failed to resolve kernel symbol: {shown}")
    return core.Const(_KERNEL_ADDRESS, site.span, address)


declare(Builtin(
    "kaddr", _check_kaddr, None, ('kaddr("symbol")',), "The address of a symbol of the kernel.", FAMILY, (1, 1),
))  # fmt: skip


def _check_percpu(site: CallSite, t: Typer) -> core.Expr:
    name = text(t, site, 0)
    if name is None:
        return core.Zero(UNKNOWN, site.span)
    cpu: tuple[core.Expr, ...] = ()
    if len(site.given) > 1:
        number = argument(t, site, 1)
        if not only(t, site, number, "int", Int) or unknown(number):
            return core.Zero(_KERNEL_ADDRESS, site.span)
        cpu = (as_u64(number),)
    shown = name.decode("latin-1")
    if not _is_percpu(shown):
        return t.error(site.span, f'Could not resolve variable "{shown}" from BTF')
    address = kernel_symbol(shown)
    if address is None:
        message = f'Could not find the address of variable "{shown}"'
        return t.error(site.span, message, hints=["the kernel lists variables if built with CONFIG_KALLSYMS_ALL"])
    # Without symmetric multiprocessing there is one copy, where the symbol says.
    return core.Call(_KERNEL_ADDRESS, site.span, "percpu_kaddr", cpu, (address, kernel_symbol("__per_cpu_offset") or 0))


def _is_percpu(name: str) -> bool:
    """Whether the kernel's type information lists a variable of that name among those with a copy for each CPU."""
    from pytrace.kernel.btf import Kind, kernel_btf

    btf = kernel_btf()
    section = btf.find(".data..percpu", Kind.DATASEC) if btf is not None else None
    if btf is None or section is None:
        return False
    wanted = {variable.id for variable in btf.find_all(name, Kind.VAR)}
    return any(entry[0] in wanted for entry in btf.variables(section))


def _lower_percpu(e: Emitter, call: core.Call) -> Value:
    """The variable's place in the template plus the offset of the CPU's copy, as the kernel's own per_cpu_ptr()."""
    b = e.b
    symbol, table = call.static
    assert isinstance(symbol, int) and isinstance(table, int)
    cpu = e.eval64(call.args[0]) if call.args else e.helper("get_smp_processor_id")
    if not table:
        return e.choose(b.eq(cpu, 0), lambda: e.const(symbol), lambda: e.const(0))

    def address() -> Value:
        offset = e.scratch(8)
        e.read(offset, 8, b.add(b.shl(cpu, 3), table), Space.KERNEL, call.span)
        return b.add(b.load("i64", offset), symbol)

    if not call.args:
        return address()
    from pytrace.kernel.maps import possible_cpus

    return e.choose(b.ult(cpu, possible_cpus()), address, lambda: e.const(0))


declare(Builtin(
    "percpu_kaddr", _check_percpu, _lower_percpu, ('percpu_kaddr("variable")', 'percpu_kaddr("variable", cpu)'),
    "The address of this CPU's copy, or another one's, of a per-CPU variable of the kernel; 0 for a CPU that there is "
    "not.", FAMILY, (1, 2),
))  # fmt: skip


_SYMBOL = pattern(r"[a-zA-Z0-9./_-]+")
_USER_PROVIDERS = ("uprobe", "uretprobe", "usdt")


def _check_uaddr(site: CallSite, t: Typer) -> core.Expr:
    unfit = next((target.provider for target in t.targets if target.provider not in _USER_PROVIDERS), "")
    if unfit or not t.targets:
        return t.error(site.span, f'uaddr can not be used with "{unfit or provider(t)}" probes')
    name = text(t, site, 0)
    if name is None:
        return core.Zero(UNKNOWN, site.span)
    shown = name.decode("latin-1")
    if not _SYMBOL.fullmatch(shown):
        message = f'uaddr() expects a string that is a valid symbol ({_SYMBOL.pattern}) as input ("{shown}" provided)'
        return t.error(site.span, message)
    distances, sizes = [], set()
    for target in t.targets:
        found = _distance(target, shown)
        if found is None:
            return t.error(site.span, f"Could not resolve symbol: {target.text('path')}:{shown}")
        distances.append(found[0])
        sizes.add(found[1])
    size = sizes.pop() if len(sizes) == 1 else 8
    type_ = Pointer(Int(size if size in (1, 2, 4) else 8, False), Space.USER)
    at_entry = provider(t) != "uretprobe"
    if not at_entry:
        from pytrace.kernel import features

        if not features.user_func_ip():
            return t.error(site.span, "This kernel does not tell uretprobe probes which function it was (Linux 6.6)")
    return core.Call(type_, site.span, "uaddr", static=(tuple(distances), at_entry))


def _distance(target: Target, name: str) -> tuple[int, int] | None:
    """How far behind the probed instruction a symbol of the same file lies once loaded, and the symbol's size."""
    from pytrace.probes.user_places import open_elf

    elf = open_elf(target.text("path"))
    symbol = elf.symbol(name) if elf is not None else None
    here = elf.address_of(target.number("place")) if elf is not None else None
    return None if symbol is None or here is None else (symbol.address - here, symbol.size)


def _lower_uaddr(e: Emitter, call: core.Call) -> Value:
    """A file is loaded as a whole, so that the address of the probed instruction tells that of all its symbols."""
    distances, at_entry = call.static
    assert isinstance(distances, tuple)
    from pytrace.probes.registers import registers

    offset = registers().names["ip" if registers().arch == "x86_64" else "pc"]
    if at_entry:
        here = e.eval64(core.ContextRead(Int(8, False), call.span, (e.context.registers or 0) + offset, 8))
    else:
        here = e.helper("get_func_ip", e.context_pointer())
    return e.b.add(here, e.by_target(distances))


declare(Builtin(
    "uaddr", _check_uaddr, _lower_uaddr, ('uaddr("symbol")',),
    "The address of a symbol of the traced program: in uprobe, uretprobe and usdt probes.", FAMILY, (1, 1),
))  # fmt: skip
