"""Processors and chance (LIBRARY 1)."""

from __future__ import annotations

from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import U64

if TYPE_CHECKING:
    from pytrace.builtins.registry import Lower


def _check_ncpus(site: CallSite, t: Typer) -> core.Expr:
    from pytrace.kernel.maps import possible_cpus

    return core.Const(U64, site.span, possible_cpus())


declare(Builtin(
    "ncpus", _check_ncpus, None, ("ncpus",), "The number of possible CPUs.", "cpu", bare=True,
))  # fmt: skip


def _check(site: CallSite, t: Typer) -> core.Expr:
    return core.Call(U64, site.span, site.name)


def _helper(name: str) -> Lower:
    return lambda e, call: e.helper(name)


for _name, _helper_name, _doc in (
    ("cpu", "get_smp_processor_id", "The number of the CPU that runs the probe."),
    ("numaid", "get_numa_node_id", "The number of its NUMA node."),
    ("rand", "get_prandom_u32", "A pseudo-random number of 32 bits."),
):
    declare(Builtin(_name, _check, _helper(_helper_name), (_name,), _doc, "cpu", bare=True))
