"""Calls of functions that come from imported BPF objects.

They are no builtins: the entry is for code generation, under a name that no script can write.
"""

from __future__ import annotations

from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import Void

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

__all__ = ["NAME"]

NAME = "(imported)"


def _check(site: CallSite, t: Typer) -> core.Expr:
    raise AssertionError("checked by semantics/typing/externs.py")


def _lower(e: Emitter, call: core.Call) -> Value:
    """Every argument as 64 bits, extended by its own sign: callees of any instruction set find it as they expect it. Of
    the result only as many bits count as its type has."""
    from pytrace.codegen.link import IMPORTED

    args = [e.eval64(arg) for arg in call.args]
    void = isinstance(call.type, Void)
    value = e.kfunc(f"{IMPORTED}{call.static[0]}", *args, returns="void" if void else "i64")
    return e.void() if void else value


declare(Builtin(NAME, _check, _lower, (), "", "imports", (0, 5), internal=True))
