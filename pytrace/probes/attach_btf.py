"""What TRACING programs are typed after: BTF ids of kernel functions, tracepoints and BPF programs.

An image names them by a text, since an id only means something to the kernel that gave it:

| text | |
|---|---|
| `123` | type 123 of the kernel itself, whose build the image belongs to |
| `module/MODULE/KIND/NAME` | a `func` or `typedef` of a module |
| `prog/ID/NAME` | a function of the BPF program with that id |
"""

from __future__ import annotations

import errno
import os

__all__ = ["NoBtf", "resolve"]


class NoBtf(LookupError):
    """There is no type to attach to; the message is for the user."""


def resolve(text: str) -> tuple[int, int]:
    """What loading a program needs for a text: the type's id, and the descriptor of the module's BTF or of the BPF
    program that it belongs to (0: the kernel itself), for the caller to close. Raises `NoBtf`, `OSError`."""
    kind, *rest = text.split("/")
    if not rest:
        return int(kind or 0), 0
    if kind == "module":
        module, type_kind, name = rest
        return _module_type(module, type_kind, name)
    number, name = rest
    return _program_function(int(number), name)


def _module_type(module: str, kind: str, name: str) -> tuple[int, int]:
    from pytrace.kernel import links
    from pytrace.kernel.btf import Kind, module_btf

    btf = module_btf(module)
    kinds = {"func": Kind.FUNC, "typedef": Kind.TYPEDEF}
    found = next(btf.find_all(name, kinds[kind]), None) if btf is not None else None
    for number in links.ids("btf") if found is not None else ():
        try:
            fd = links.fd_by_id("btf", number)
        except OSError:
            # It was unloaded in the meantime.
            continue
        try:
            _, owner, kernel, _ = links.btf_info(fd)
        except OSError:
            os.close(fd)
            raise
        if found is not None and kernel and owner == module:
            return found.id, fd
        os.close(fd)
    raise NoBtf(f"No BTF found for {module}:{name.removeprefix('btf_trace_')}.")


def _program_function(program: int, name: str) -> tuple[int, int]:
    from pytrace.kernel import links
    from pytrace.probes.kernel_btf import program_functions

    try:
        number = program_functions(program).get(name)
        if number is not None:
            return number, links.fd_by_id("prog", program)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    raise NoBtf(f"No BTF found for bpf:{name}.")
