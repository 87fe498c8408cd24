"""The part of the standard library that is written in the language: `stdlib/macros/NAME.bt`, one file per macro name.

A file is read and parsed only when a script uses its name.
"""

from __future__ import annotations

import os

import pytrace
from pytrace.diagnostics import Source
from pytrace.once import cache
from pytrace.syntax import tree

__all__ = ["MACROS", "REPLACEABLE", "is_library", "macros"]

MACROS = frozenset({
    "assert", "assert_str", "container_of", "default_str_length", "is_err", "static_assert",
})
"""The names that have a file."""

REPLACEABLE = MACROS | frozenset({
    "cgroup", "comm", "config", "cpid", "cpu", "curtask", "delete", "dw_ustack", "elapsed", "exit", "find", "func",
    "gid", "has_cpid", "has_key", "is_array", "is_integer", "is_literal", "is_ptr", "is_str", "is_unsigned_integer",
    "jiffies", "kfunc_allowed", "kfunc_exist", "leader_comm", "leader_tid", "len", "memcmp", "ncpus", "numaid",
    "override", "pcomm", "ppid", "probe", "probetype", "rand", "retval", "signal", "signal_name", "signal_thread",
    "str_concat", "strcap", "strcontains", "strerror", "strlen", "strstr", "syscall_name", "uaddr", "uid",
    "usermode", "username", "write_user",
})
"""Names of the library that a script's macros overload instead of hiding: a call that fits none of the script's
definitions means the library's. They also take `typeof(…)` as an argument."""

_sources: set[Source] = set()


@cache
def macros(name: str) -> tuple[tree.Macro, ...]:
    """The definitions of a name in `MACROS`, in order."""
    # The parser is a cost that a script without macros of the library does not pay twice.
    from pytrace.syntax.parser import parse

    source = Source(f"stdlib/{name}.bt", _read(name).decode("latin-1"), quiet=True)
    _sources.add(source)
    return tuple(item for item in parse(source).items if isinstance(item, tree.Macro))


def is_library(node: tree.Node) -> bool:
    """Whether the node stands in the library's text."""
    return node.span.source in _sources


def _read(name: str) -> bytes:
    # importlib.resources would do, but costs more to import than all the rest of this takes.
    folder = os.path.dirname(pytrace.__file__)
    loader = pytrace.__spec__.loader if pytrace.__spec__ is not None else None
    path = os.path.join(folder, "stdlib", "macros", f"{name}.bt")
    if loader is not None and hasattr(loader, "get_data"):
        data: bytes = loader.get_data(path)
        return data
    with open(path, "rb") as file:
        return file.read()
