"""The configuration: the script's `config` block, then the environment, which wins (LANGUAGE 9, LIBRARY 10)."""

from __future__ import annotations

from pytrace.diagnostics import CompileError, Diagnostic, Diagnostics, Severity
from pytrace.frozen import fields, replace
from pytrace.hints import Callable, Mapping
from pytrace.semantics.configuration import Config
from pytrace.semantics.numbers import U64_MAX, parse_integer
from pytrace.semantics.unit import Unit
from pytrace.syntax import tree

PREFIXES = ("BPFTRACE_", "PYTRACE_")

RENAMED = {
    "strlen": "max_strlen", "no_cpp_demangle": "cpp_demangle", "cat_bytes_max": "max_cat_bytes",
    "map_keys_max": "max_map_keys",
}
DEAD = frozenset({
    "symbol_source", "max_type_res_iterations", "unstable_addr", "unstable_import", "unstable_macro",
    "unstable_map_decl",
})
ENVIRONMENT_ONLY = frozenset({"btf", "dummy_ts_map", "vmlinux", "kernel_source", "kernel_build"})

LICENSES = ("Dual MIT/GPL", "Dual BSD/GPL", "Dual MPL/GPL", "GPL and additional rights", "GPL v2", "GPL")
STACK_MODES = ("bpftrace", "raw", "perf", "build_id")

Value = int | bool | str
"""A setting as given: an integer, a boolean, or the text of a string, a bare word or an environment variable."""


class _Refused(Exception):
    """A value that a variable does not take; the message is what the user gets."""


def _number(name: str, value: Value) -> int:
    if isinstance(value, str):
        number = parse_integer(value)
        if number is None or not -U64_MAX <= number <= U64_MAX:
            raise _Refused(f"{name}: expecting a number, got {value}")
        return number & U64_MAX
    return int(value)


_BOOLEANS = {
    "true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False,
}


def _boolean(name: str, value: Value) -> bool:
    if isinstance(value, str):
        if value.lower() not in _BOOLEANS:
            raise _Refused(f"{name}: Invalid bool value: valid values are true, false, 1 or 0.")
        return _BOOLEANS[value.lower()]
    return bool(value)


def _text(name: str, value: Value) -> str:
    return value if isinstance(value, str) else str(int(value))


def _license(name: str, value: Value) -> str:
    if value not in LICENSES:
        raise _Refused(
            f"Invalid value for license. Found: {_text(name, value)}. Valid values: {', '.join(LICENSES)}. Read more "
            "about BPF programs and licensing: "
            "https://docs.kernel.org/bpf/bpf_licensing.html#using-bpf-programs-in-the-linux-kernel"
        )
    return str(value)


def _stack_mode(name: str, value: Value) -> str:
    if value not in STACK_MODES:
        raise _Refused(f"{name}: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.")
    return str(value)


def _missing_probes(name: str, value: Value) -> str:
    word = value.lower() if isinstance(value, str) else ""
    if word not in ("ignore", "warn", "error"):
        raise _Refused(f"{name}: Invalid value for missing_probes: valid values are ignore, warn, and error.")
    return word


_DEFAULTS = Config()


def _cache_user_symbols(name: str, value: Value) -> str:
    if not isinstance(value, str):
        return _DEFAULTS.cache_user_symbols if value else "NONE"
    word = {"0": "NONE", "1": _DEFAULTS.cache_user_symbols}.get(value, value.upper())
    if word not in ("PER_PID", "PER_PROGRAM", "NONE"):
        raise _Refused(
            f"{name}: Invalid value for cache_user_symbols: valid values are PER_PID, PER_PROGRAM, and NONE."
        )
    return word


def _unstable(name: str, value: Value) -> str:
    if not isinstance(value, str):
        return "enable" if value else "error"
    word = {"true": "enable", "1": "enable", "false": "error", "0": "error"}.get(value.lower(), value.lower())
    if word not in ("enable", "warn", "error"):
        raise _Refused(f"{name}: Invalid value for unstable config: valid values are enable, warn, and error.")
    return word


_READERS: dict[str, Callable[[str, Value], Value]] = {
    "license": _license,
    "stack_mode": _stack_mode,
    "missing_probes": _missing_probes,
    "cache_user_symbols": _cache_user_symbols,
    "str_trunc_trailer": _text,
    "dummy_ts_map": _text,
}
for _field in fields(Config):
    if _field.name.startswith("unstable_"):
        _READERS[_field.name] = _unstable
    elif _field.name not in _READERS:
        _READERS[_field.name] = _boolean if isinstance(_field.default, bool) else _number


def read(unit: Unit, diagnostics: Diagnostics) -> Unit:
    """The unit with its configuration. A bad value in the environment ends the compilation with status 2."""
    config = from_environment(unit.options.environment, _block(unit, diagnostics), diagnostics)
    return replace(unit, config=config)


def from_environment(environment: Mapping[str, str], config: Config, diagnostics: Diagnostics) -> Config:
    """`config` with what `BPFTRACE_*` and `PYTRACE_*` variables set. Variables that name no setting are not ours."""
    for prefix in PREFIXES:
        for variable, text in environment.items():
            name = variable.removeprefix(prefix).lower()
            if not variable.startswith(prefix) or variable != variable.upper() or name not in _READERS:
                continue
            try:
                config = replace(config, **{name: _READERS[name](name, text)})
            except _Refused as refused:
                diagnostics.add(Diagnostic(Severity.ERROR, str(refused), bare=True))
                raise CompileError(diagnostics, 2) from None
    return config


def _block(unit: Unit, diagnostics: Diagnostics) -> Config:
    # One traced command runs one program: its symbols may be kept for all its processes.
    config = Config() if unit.options.child_path is None else Config(cache_user_symbols="PER_PROGRAM")
    for setting in unit.script.config.settings if unit.script.config else ():
        name = setting.name.lower()
        if name.startswith("bpftrace_"):
            name = name.removeprefix("bpftrace_")
        if name in RENAMED:
            diagnostics.warning(setting.span, f"{name} has been renamed, please use {RENAMED[name]}")
            name = RENAMED[name]
        if name in DEAD:
            diagnostics.warning(setting.span, f"{name} is deprecated and has no effect")
        elif name in ENVIRONMENT_ONLY:
            diagnostics.error(setting.span, f"{name}: can only be set as an environment variable")
        elif name not in _READERS:
            diagnostics.error(setting.span, f"{setting.name}: not a known configuration option")
        else:
            try:
                value = _READERS[name](name, _value(setting.value))
                config = replace(config, **{name: value})
            except _Refused as refused:
                diagnostics.error(setting.span, str(refused))
    return config


def _value(node: tree.IntLit | tree.StrLit | tree.BoolLit | tree.Ident) -> Value:
    match node:
        case tree.StrLit(value=value):
            return value.decode("latin-1")
        case tree.Ident(name=name):
            return name
    return node.value
