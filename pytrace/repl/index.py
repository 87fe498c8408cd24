"""The names that completion searches: what this kernel has of functions, tracepoints, types and the rest.

They are gathered by a child process, which costs a second of another CPU: a thread would take that second from the
thread that answers keys, since Python runs one at a time. The child sends what it has as soon as it has it, the small
lists first, packed so that taking them over costs the parent a few milliseconds each. The cache of compiled scripts
keeps the lists for the next session, as long as the machine runs with the same modules; then it is a matter of 50 ms.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from pytrace.cache import Cache, depend_on
from pytrace.hints import TYPE_CHECKING
from pytrace.repl.matcher import Names, Packed, pack

if TYPE_CHECKING:
    from pytrace.kernel.btf import Btf

__all__ = ["SECTIONS", "Index"]

SECTIONS = ("tracepoints", "functions", "rawtracepoints", "iterators", "types")
"""Tracepoints as `category:event`; the functions that can be traced; raw tracepoints; iterators; structs, unions, enums
and typedefs, as a script writes them."""

_Message = tuple[str, object]
_LENGTH = 8
_OF_A_MODULE = 0xFFFFFFFF


# --- the child's side ---------------------------------------------------------------------------------------------


def _tracepoints() -> Iterator[_Message]:
    from pytrace.kernel import tracefs

    yield "tracepoints", tuple(pack(f"{category}:{event}" for category, event in tracefs.find().events()))


def _kernel_types() -> Iterator[_Message]:
    from pytrace.kernel.btf import Kind, kernel_btf, module_btf, modules

    kernel = kernel_btf()
    if kernel is None:
        raise OSError("this kernel has no type information (BTF)")
    sources = [kernel, *(btf for name in modules() if (btf := module_btf(name)) is not None)]
    typedefs = [name for btf in sources for name in btf.names(Kind.TYPEDEF)]
    trace = "btf_trace_"
    yield "rawtracepoints", tuple(pack(name[len(trace) :] for name in typedefs if name.startswith(trace)))
    yield "arguments", {name: text for btf in sources for name, text in _trace_arguments(btf)}
    iterator = "bpf_iter__"
    structs = [name for btf in sources for name in btf.names(Kind.STRUCT)]
    functions = kernel.names(Kind.FUNC)
    names = [name[len(iterator) :] for name in structs if name.startswith(iterator)]
    yield "iterators", tuple(pack(name for name in names if f"bpf_iter_{name}" in functions))
    tagged = [f"struct {name}" for name in structs]
    tagged += [f"union {name}" for btf in sources for name in btf.names(Kind.UNION)]
    tagged += [f"enum {name}" for btf in sources for kind in (Kind.ENUM, Kind.ENUM64) for name in btf.names(kind)]
    tagged += [name for name in typedefs if not name.startswith(trace)]
    yield "types", tuple(pack(tagged))


def _trace_arguments(btf: Btf) -> Iterator[tuple[str, str]]:
    """The raw tracepoints of a kernel or module, each with the names of its arguments."""
    from pytrace.kernel.btf import Kind
    from pytrace.probes.kernel_btf import STUBS

    functions = btf.names(Kind.FUNC)
    for typedef in btf.names(Kind.TYPEDEF):
        if typedef.startswith("btf_trace_"):
            name = typedef.removeprefix("btf_trace_")
            stub = next((ids[0] for prefix in STUBS if (ids := functions.get(prefix + name))), 0)
            if stub:
                parameters = btf.parameters(btf.type(btf.type(stub).value))[1:]
                yield name, ", ".join(each.name or f"arg{number}" for number, each in enumerate(parameters))


def _functions(file: str | None) -> Iterator[_Message]:
    from pytrace.kernel.functions import traceable

    found = traceable(file)
    packed = pack(name for name in found.modules if ".part." not in name)
    yield "functions", tuple(packed)
    names = packed.names.decode("utf-8", "surrogateescape").split("\n")[:-1]
    modules: dict[str, list[str]] = {}
    for name in names:
        for owner in found.modules[name]:
            if owner != "vmlinux":
                modules.setdefault(owner, []).append(name)
    yield "modules", modules
    yield "source", found.source
    from pytrace.kernel.btf import Kind, kernel_btf, module_btf

    ids = dict.fromkeys(names, 0)
    for owner in (*modules, "vmlinux"):
        btf = kernel_btf() if owner == "vmlinux" else module_btf(owner)
        if btf is not None:
            known = btf.names(Kind.FUNC)
            for name in names if owner == "vmlinux" else modules[owner]:
                if numbers := known.get(name):
                    ids[name] = numbers[0] if owner == "vmlinux" else _OF_A_MODULE
    yield "typed", array("I", ids.values()).tobytes()


def _messages(file: str | None) -> Iterator[_Message]:
    """What there is to be known; a part that cannot be had gives an `error` and its name."""
    for part in (_tracepoints, partial(_functions, file), _kernel_types):
        try:
            yield from part()
        except (OSError, ValueError) as error:
            yield "error", str(error)


def _cached(file: str | None, cache: Cache | None) -> Iterator[_Message]:
    """The same, from the cache if it has them; else they are put there."""
    key = cache.key(("names", repr(depend_on(file)) if file else "")) if cache is not None else ""
    known = cache.load(key) if cache is not None else None
    if isinstance(known, list):
        yield from known
        return
    messages = []
    for message in _messages(file):
        messages.append(message)
        yield message
    if cache is not None and all(kind != "error" for kind, _ in messages):
        cache.store(key, messages)


def _send(file: BinaryIO, messages: Iterator[_Message]) -> None:
    for message in messages:
        data = marshal.dumps(message)  # type: ignore[arg-type]  # plain data of several shapes
        file.write(len(data).to_bytes(_LENGTH, "little") + data)
        file.flush()


def _child(fd: int, traceable: str | None, cache: Cache | None) -> None:
    """Send and end, whatever happens: nothing of the parent's may run in here."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)  # the keys of the terminal are the parent's
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.nice(5)
        with open(fd, "wb") as file:
            _send(file, _cached(traceable, cache))
        status = 0
    finally:
        os._exit(status)


# --- the parent's side --------------------------------------------------------------------------------------------


def _received(file: BinaryIO) -> Iterator[_Message]:
    while len(head := file.read(_LENGTH)) == _LENGTH:
        data = file.read(int.from_bytes(head, "little"))
        yield marshal.loads(data)


class Index:
    """The names, as far as they have arrived. `loaded` is set when no more will; `changed` is called, by another
    thread, after each arrival.

    `start` forks: call it before there are threads. `problems` says what could not be had, in a line each. `modules`
    gives the functions of each loaded module, without those of the kernel itself; `typed` has a byte for each
    function, 1 if it has type information, and `type_ids` the number of that in the kernel's BTF (that of a module's
    function is unknown); `trace_arguments` names the arguments of each raw tracepoint; `source` is where the functions
    were read.
    """

    def __init__(self, changed: Callable[[], None] | None = None) -> None:
        self.loaded = threading.Event()
        self.problems: list[str] = []
        self.modules: dict[str, list[str]] = {}
        self.source = ""
        self._changed = changed
        self.typed = b""
        self.trace_arguments: dict[str, str] = {}
        self.type_ids: dict[str, int] = {}
        self._names: dict[str, Names] = {}
        self._pid, self._process = 0, -1
        self._thread: threading.Thread | None = None

    def start(self, traceable_functions: str | None = None, cache: Cache | None = None) -> None:
        """Begin to gather; `traceable_functions` is the file that replaces the kernel's list of functions."""
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if not self._pid:
            os.close(reader)
            _child(writer, traceable_functions, cache)
        os.close(writer)
        self._process = os.pidfd_open(self._pid)
        self._thread = threading.Thread(target=self._receive, args=(reader,), daemon=True, name="index")
        self._thread.start()

    def load(self, traceable_functions: str | None = None) -> None:
        """Gather now, in this thread."""
        for message in _messages(traceable_functions):
            self._take(*message)
        self.loaded.set()

    def _receive(self, fd: int) -> None:
        with open(fd, "rb") as file:
            try:
                for message in _received(file):
                    self._take(*message)
            except (EOFError, ValueError, TypeError):
                self.problems.append("the list of names ends in the middle")
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self.loaded.set()
        if self._changed is not None:
            self._changed()

    def _take(self, kind: str, data: object) -> None:
        if kind == "error":
            self.problems.append(str(data))
        elif kind == "source":
            self.source = str(data)
        elif kind == "modules" and isinstance(data, dict):
            self.modules = data
        elif kind == "arguments" and isinstance(data, dict):
            self.trace_arguments = data
        elif kind == "typed" and isinstance(data, bytes):
            ids = array("I", data)
            self.typed = bytes(map(bool, ids))
            self.type_ids = dict(zip(self.names("functions"), ids, strict=True))
        elif isinstance(data, tuple):
            self._names[kind] = Names(Packed(*data))
        if self._changed is not None:
            self._changed()

    def close(self) -> None:
        """End what is still under way."""
        if self._process < 0:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGTERM)
        if self._thread is not None:
            self._thread.join(2)
        os.close(self._process)
        self._process = -1

    def type_id(self, function: str) -> int:
        """The number of a function of the kernel itself in its BTF; 0 if that is not known."""
        found = self.type_ids.get(function, 0)
        return 0 if found == _OF_A_MODULE else found

    def names(self, section: str) -> Names:
        """The names of a section: none as long as they have not arrived."""
        return self._names.get(section) or _NONE

    def has(self, section: str) -> bool:
        """Whether the names of a section have arrived."""
        return section in self._names

    @property
    def summary(self) -> str:
        """How much there is, for the greeting: `53,042 kernel functions, 2,305 tracepoints`; empty before anything has
        arrived."""
        parts = (("functions", "kernel functions"), ("tracepoints", "tracepoints"))
        return ", ".join(f"{len(self._names[name]):,} {label}" for name, label in parts if name in self._names)


_NONE = Names(pack(()))
