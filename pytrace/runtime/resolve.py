"""Names for what only this machine understands: symbols, stacks, users, moments, control groups (LIBRARY 4, 5).

Everything is looked up when it is printed, and remembered. Nothing here fails: what is unknown has a text too.
"""

from __future__ import annotations

import os

from pytrace.codegen.image import Image
from pytrace.codegen.unwind_layout import FAILED
from pytrace.hints import TYPE_CHECKING, Callable
from pytrace.once import cached_property
from pytrace.output.values import CapturedStack
from pytrace.semantics.types import Array, Opaque, Record, Stack, Tuple, Type, members_of

if TYPE_CHECKING:
    from pytrace.kernel.symbols import Resolved, UserSymbols

__all__ = ["MachineResolver", "uses_user_symbols"]

_BILLION = 1_000_000_000
_TAI = 1
"""The clock of a timestamp (`semantics.types.Opaque`): 0 is the boot clock."""
_FAILURE = b"<unwind failure>"
_INDENT = {"bpftrace": b"        ", "perf": b"\t", "raw": b"", "build_id": b""}


def _user_symbols_in(type_: Type) -> bool:
    match type_:
        case Stack(kind=kind):
            return kind == "ustack"
        case Opaque(name=name):
            return name == "usym_t"
        case Array(elem=elem):
            return _user_symbols_in(elem)
        case Tuple() | Record():
            return any(map(_user_symbols_in, members_of(type_)))
    return False


def uses_user_symbols(image: Image) -> bool:
    """Whether something that the script prints is a symbol of a process."""
    types = [type_ for action in image.actions for _, type_ in action.layout.fields]
    types += [type_ for map_ in image.script_maps for type_ in (map_.key, map_.value) if type_ is not None]
    return any(map(_user_symbols_in, types))


def _name(found: Resolved | None, address: int) -> bytes:
    """The name of a symbol, or what stands for one that is unknown."""
    if found is None or found.name is None:
        return b"0x%x" % address if address else b"0"
    return found.name.encode("utf-8", "surrogateescape")


class MachineResolver:
    """`boot_offset` is what to add to the boot clock, and `tai_offset` what to take away from TAI, to get the
    nanoseconds since 1970. `error` is told of formats that give nothing."""

    def __init__(
        self, image: Image, *, boot_offset: int, tai_offset: int, error: Callable[[str], None]
    ) -> None:
        self.strings = [text.encode("latin-1") for text in image.strings]
        self.config = image.config
        self.boot_offset = boot_offset
        self.tai_offset = tai_offset
        self.error = error
        self._users: dict[int, bytes] = {}
        self._frames: dict[tuple[str, int, int], bytes] = {}
        self._cgroups: dict[tuple[int, int], bytes] = {}
        self.given_up = 0
        """Addresses that stay without a name because their process had ended."""

    # symbols

    @cached_property
    def _user_symbols(self) -> UserSymbols:
        from pytrace.kernel.symbols import UserSymbols

        return UserSymbols(self.config.cache_user_symbols, demangle=self.config.cpp_demangle)

    def remember(self, pid: int) -> None:
        """Take in what a process has mapped now, so that its symbols survive it."""
        self._user_symbols.load(pid).update()

    def _kernel_symbol(self, address: int) -> Resolved | None:
        from pytrace.kernel.symbols import kernel_symbol

        return kernel_symbol(address)

    def ksym(self, address: int) -> bytes:
        return _name(self._kernel_symbol(address), address)

    def usym(self, address: int, pid: int, probe: int) -> bytes:
        return _name(self._user_symbol(pid, address) if address else None, address)

    def _user_symbol(self, pid: int, address: int) -> Resolved | None:
        found = self._user_symbols.resolve(pid, address)
        if found is None and not os.path.exists(f"/proc/{pid}"):
            self.given_up += 1
        return found

    def stack(self, type_: Stack, stack: CapturedStack) -> bytes:
        indent, lines = _INDENT[type_.mode], [b"\n"]
        for frame in stack.frames:
            if isinstance(frame, bytes):
                text = self._build_id(frame)
            elif frame == FAILED:
                text = _FAILURE
            elif type_.mode == "raw":
                text = b"%x" % frame
            else:
                # Frames repeat from stack to stack.
                key = (type_.mode, stack.pid, frame)
                known = self._frames.get(key)
                if known is None:
                    text = self._frame(type_, stack.pid, frame)
                    if type_.kind == "kstack" or self.config.cache_user_symbols != "NONE":
                        self._frames[key] = text
                else:
                    text = known
            lines.append(indent + text + b"\n")
        return b"".join(lines)

    def _frame(self, type_: Stack, pid: int, address: int) -> bytes:
        """A frame of a stack in mode bpftrace or perf."""
        kernel = type_.kind == "kstack"
        found = self._kernel_symbol(address) if kernel else self._user_symbol(pid, address)
        text, module = _name(found, address), b"[unknown]"
        if found is not None and found.name is not None:
            text += b"+%d" % found.offset
            module = found.module.encode("utf-8", "surrogateescape")
        if type_.mode == "perf":
            text = b"%x %s" % (address, text)
            if not kernel:
                text += b" (%s)" % module
        return text

    @staticmethod
    def _build_id(frame: bytes) -> bytes:
        from pytrace.kernel.symbols import parse_build_id_frame

        build_id, place = parse_build_id_frame(frame)
        if build_id is None:
            return _FAILURE if place == FAILED else b"%x" % place
        return b"%s 0x%02x" % (build_id.hex().encode(), place)

    # others

    def username(self, uid: int) -> bytes:
        name = self._users.get(uid)
        if name is None:
            import pwd

            try:
                name = os.fsencode(pwd.getpwuid(uid).pw_name)
            except (KeyError, OverflowError):
                name = b""
            self._users[uid] = name
        return name

    def timestamp(self, nanoseconds: int, format_: int, clock: int) -> bytes:
        moment = nanoseconds - self.tai_offset if clock == _TAI else nanoseconds + self.boot_offset
        from pytrace.output.strftime import expand_fractions, strftime

        text = strftime(expand_fractions(self.strings[format_], moment), moment // _BILLION, self.config.max_strlen)
        if not text:
            self.error("strftime returned 0")
            return b"(?)"
        return text

    def cgroup_path(self, id_: int, filter_: int) -> bytes:
        text = self._cgroups.get((id_, filter_))
        if text is None:
            from pytrace.runtime.cgroups import cgroup_paths

            found = cgroup_paths(id_, self.strings[filter_].decode("latin-1"))
            text = ",".join(f"{name}:{path}" for name, path in found).encode("utf-8", "surrogateescape")
            self._cgroups[id_, filter_] = text
        return text
