"""`config`: the configuration variables as a record of constants (LIBRARY 10)."""

from __future__ import annotations

from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.semantics import program as core
from pytrace.semantics.types import Record

FIELDS = (
    "cpp_demangle", "lazy_symbolication", "print_maps_on_exit", "use_blazesym", "show_debug_info", "log_size",
    "max_bpf_progs", "max_cat_bytes", "max_map_keys", "max_probes", "max_strlen", "on_stack_limit", "perf_rb_pages",
    "str_trunc_trailer", "unstable_import_statement", "unstable_tseries", "unstable_typeinfo", "unstable_dw_ustack",
    "missing_probes", "stack_mode", "license",
)  # fmt: skip
"""The variables that scripts can read, in the order in which the record has them."""


def _check_config(site: CallSite, t: Typer) -> core.Expr:
    items = []
    for name in FIELDS:
        value = getattr(t.config, name)
        items.append(t.constant(value.encode("latin-1") if isinstance(value, str) else value, site.span))
    type_ = Record(tuple((name, item.type) for name, item in zip(FIELDS, items, strict=True)))
    return core.MakeTuple(type_, site.span, tuple(items))


declare(Builtin(
    "config", _check_config, None, ("config", "config.NAME"), "The configuration variables, as constants.",
    "configuration", bare=True,
))  # fmt: skip
