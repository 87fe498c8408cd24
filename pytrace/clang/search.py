"""What the C compiler is told: where headers are, for which machine, what is defined."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache

from pytrace.frozen import frozen

__all__ = ["Kernel", "arguments", "kernel_headers"]

RESOURCES = os.path.dirname(os.path.abspath(__file__))
"""Headers that belong to a compiler, such as stdint.h and stddef.h, are in `include` below it: the packaged libclang
has none, and looks for them in the current directory unless told."""

MODULES = "/lib/modules"
_ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}
_TRIPLES = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}


@frozen
class Kernel:
    """The headers of a kernel: the tree of its source and of its build, which may be one."""

    source: str
    build: str
    architecture: str


def kernel_headers(environment: Mapping[str, str]) -> Kernel | None:
    """The kernel headers of this machine, or those that the environment names."""
    modules = os.path.join(MODULES, os.uname().release)
    named = _setting(environment, "KERNEL_SOURCE"), _setting(environment, "KERNEL_BUILD")
    source = named[0] or named[1] or os.path.join(modules, "source")
    build = named[1] or named[0] or os.path.join(modules, "build")
    if not any(named):
        source = source if os.path.isdir(source) else build
        build = build if os.path.isdir(build) else source
    if not os.path.isfile(os.path.join(source, "include/linux/kconfig.h")):
        return None
    architecture = os.environ.get("ARCH") or _ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    return Kernel(source, build, architecture)


def _setting(environment: Mapping[str, str], name: str) -> str:
    return environment.get(f"BPFTRACE_{name}") or environment.get(f"PYTRACE_{name}") or ""


def arguments(
    directory: str, include_dirs: Sequence[str], defines: Mapping[str, str], kernel: Kernel | None
) -> list[str]:
    """The compiler's command line. `directory` is that of the script, whose quoted includes are looked for there."""
    return [
        "-x", "c", "-std=gnu11", "-w", "-ferror-limit=0", f"-resource-dir={RESOURCES}", *_target(),
        "-iquote", directory or ".",
        *(f"-I{each}" for each in include_dirs),
        *(_kernel_arguments(kernel) if kernel is not None else ()),
        *(f"-D{name}={value}" for name, value in defines.items()),
    ]  # fmt: skip


@cache
def _target() -> tuple[str, ...]:
    triple = _TRIPLES.get(os.uname().machine)
    return (f"--target={triple}",) if triple else ()


def _kernel_arguments(kernel: Kernel) -> list[str]:
    """What a kernel's own files are compiled with (LINUXINCLUDE and KBUILD_CPPFLAGS of its Makefile)."""
    arch = f"arch/{kernel.architecture}/include"
    folders = [
        f"{root}/{folder}"
        for folder in (arch, f"{arch}/generated", "include", f"{arch}/uapi", f"{arch}/generated/uapi", "include/uapi",
                       "include/generated/uapi")
        for root in dict.fromkeys((kernel.source, kernel.build))
    ]  # fmt: skip
    return [
        *(f"-I{folder}" for folder in folders if os.path.isdir(folder)),
        "-D__KERNEL__", '-DKBUILD_MODNAME="pytrace"', "-include", f"{kernel.source}/include/linux/kconfig.h",
    ]  # fmt: skip
