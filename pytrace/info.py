"""The report of --info: the system, what pytrace is built from, and what this kernel offers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from pytrace import __version__


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _llvm() -> str:
    from llvmlite import binding

    return ".".join(map(str, binding.llvm_version_info))


def _libbpf() -> str:
    import ctypes

    from pytrace.kernel.bcc import SONAME, library

    try:
        ask = library().libbpf_version_string
    except AttributeError:
        return f"unknown ({SONAME})"
    ask.restype = ctypes.c_char_p
    return f"{ask().decode().removeprefix('v')} (through {SONAME})"


def _components() -> dict[str, str]:
    return {
        "version": f"v{__version__}",
        "LLVM": _llvm(),
        "llvmlite": _package("llvmlite"),
        "lark": _package("lark"),
        "pyelftools": _package("pyelftools"),
        "libbpf": _libbpf(),
    }


def _show(value: bool | int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _columns(rows: dict[str, bool | int]) -> list[str]:
    """Cells in two columns, filled row by row."""
    cells = [f"{name}: {_show(value)}" for name, value in rows.items()]
    return [f"  {''.join(f'{cell:<33}' for cell in cells[at : at + 2]).rstrip()}" for at in range(0, len(cells), 2)]


def report(no_features: Iterable[str] = ()) -> str:
    """The text; features named in `no_features` are shown as switched off."""
    from pytrace.kernel import features

    system = os.uname()
    lines = ["System", f"  OS: {system.sysname} {system.release} {system.version}", f"  Arch: {system.machine}", ""]
    lines += ["Build", *(f"  {name}: {value}" for name, value in _components().items()), ""]
    for title, rows in features.info(no_features).items():
        lines += [title, *_columns(rows), ""]
    return "\n".join(lines)
