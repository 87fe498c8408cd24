"""An image in the kernel: its maps created, its programs relocated and loaded.

Everything is held by file descriptors; closing them takes it all out of the kernel again.
"""

from __future__ import annotations

import errno
import os
import struct
import time

from pytrace.codegen.image import Image, MapImage, ProgramImage
from pytrace.codegen.unwind_layout import PIDS
from pytrace.frozen import field, frozen, record
from pytrace.hints import TYPE_CHECKING, Mapping
from pytrace.kernel import bpf
from pytrace.runtime.errors import RunError

if TYPE_CHECKING:
    from pytrace.runtime.making import Making

__all__ = ["Loaded", "SessionValues", "load", "needs_unwinding"]

_FIRST = bytes(4)
"""The key of the single element of an array map."""
_PSEUDO_MAP_FD, _PSEUDO_MAP_VALUE, _PSEUDO_KFUNC_CALL = 1, 2, 2


@frozen
class SessionValues:
    """What programs may ask about the run: boot-clock nanoseconds at its start, the nanoseconds from the boot clock to
    TAI, and the pid of the -c child (0 without one)."""

    start: int
    tai_offset: int
    child_pid: int = 0

    @classmethod
    def now(cls, child_pid: int = 0) -> SessionValues:
        start = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return cls(start, time.clock_gettime_ns(time.CLOCK_TAI) - start, child_pid)

    def packed(self) -> bytes:
        """The value of the map `session`, in the order of `codegen.image.SESSION_VALUES`."""
        return struct.pack("<4Q", self.start, self.tai_offset, self.child_pid, _stack_depth())


def _stack_depth() -> int:
    """The most frames that the kernel gives of a stack (kernel.perf_event_max_stack)."""
    try:
        with open("/proc/sys/kernel/perf_event_max_stack", encoding="utf-8") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 127  # PERF_MAX_STACK_DEPTH, what it is until it is changed


@record
class Loaded:
    """Descriptors of an image's maps by symbol, and of its programs in order. `missing` are the programs that could not
    be loaded, for what they trace has gone since it was found, with the reason; their descriptor is -1. `logs` are the
    verifier's, if wanted."""

    image: Image
    maps: dict[str, int] = field(default_factory=dict)
    programs: list[int] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)
    logs: list[tuple[str, str]] = field(default_factory=list)

    def close(self) -> None:
        for fd in (*self.programs, *self.maps.values()):
            if fd >= 0:
                os.close(fd)
        self.programs.clear()
        self.maps.clear()


def load(
    image: Image, session: SessionValues, *, verbose: bool = False, want_logs: bool = False,
    shared: Mapping[str, int] | None = None, making: Making | None = None,
) -> Loaded:
    """Bring an image into the kernel. `verbose` puts the verifier's log into the error, `want_logs` keeps the logs of
    programs that are accepted. `shared` are maps, by symbol, that are there already: they are used and stay their
    owner's. `making` has maps that are being made already. Raises `RunError`, with nothing left behind."""
    loaded = Loaded(image)
    types = 0
    shared = shared or {}
    try:
        later: dict[str, MapImage] = {}
        for map_image in image.maps:
            if map_image.symbol in shared:
                loaded.maps[map_image.symbol] = os.dup(shared[map_image.symbol])
            elif making is not None and making.has(map_image.symbol):
                later[map_image.symbol] = map_image
            else:
                _create_map(loaded, map_image, session, making)
        types = _load_types(image)
        for program in image.programs:
            for relocation in program.relocations if later else ():
                if (wanted := later.pop(relocation.symbol, None)) is not None:
                    _create_map(loaded, wanted, session, making)
            _load_program(loaded, program, types, verbose, want_logs)
        for map_image in later.values():
            _create_map(loaded, map_image, session, making)
    except BaseException:
        loaded.close()
        raise
    finally:
        if types:
            os.close(types)  # each program holds on to it
    return loaded


def _load_types(image: Image) -> int:
    """A descriptor of the type information of the image's programs; 0 if it has none."""
    try:
        return bpf.btf_load(image.btf) if image.btf else 0
    except bpf.BpfError as error:
        raise RunError(f"Failed to load the type information of the programs: {error.strerror}") from error


def needs_unwinding(loaded: Loaded) -> bool:
    """Whether a program finds stacks by unwind tables, which have to be filled in."""
    return PIDS in loaded.maps


_MAX_ENTRIES = 2**32 - 1
_OLD_KEY_LIMIT = 512
"""Bytes of a key, on kernels that have programs build keys on their stack (kernel/bpf/hashtab.c, MAX_BPF_STACK)."""


def _create_map(loaded: Loaded, image: MapImage, session: SessionValues, making: Making | None) -> None:
    if image.max_entries > _MAX_ENTRIES:
        what = loaded.image.script_maps[image.script_map].name if image.script_map >= 0 else f"for '{image.symbol}'"
        raise RunError(f"Failed to create map {what}: more than {_MAX_ENTRIES} keys")
    like = 0
    try:
        if image.inner:
            like = bpf.map_create("array", 4, image.inner, 1, name=image.symbol)
        fd = making.take(image.symbol) if making is not None else None
        if fd is None:
            fd = bpf.map_create(
                image.type, image.key_size, image.value_size, image.max_entries, name=image.symbol, flags=image.flags,
                inner_fd=like,
            )
        loaded.maps[image.symbol] = fd
        initial = session.packed() if image.symbol == "session" else image.initial
        if initial:
            bpf.map_update(fd, _FIRST, initial)
        if image.frozen:
            bpf.map_freeze(fd)
    except bpf.BpfError as error:
        if image.script_map >= 0:
            name = loaded.image.script_maps[image.script_map].name
            if error.errno == errno.E2BIG and image.key_size > _OLD_KEY_LIMIT:
                raise RunError(
                    f"Failed to create map {name}: its keys have {image.key_size} bytes, and this kernel takes "
                    f"{_OLD_KEY_LIMIT} at most. Shorten the strings in them: str($p, 100), or max_strlen=256"
                ) from error
            raise RunError(f"Failed to create map {name}: {error.strerror}") from error
        raise RunError(f"Failed to create a map for '{image.symbol}': {error.strerror}") from error
    finally:
        if like:
            os.close(like)


def _relocate(loaded: Loaded, program: ProgramImage) -> bytes:
    code = bytearray(program.code)
    for relocation in program.relocations:
        at = 8 * relocation.insn
        if relocation.kind == "kfunc":
            source, value = _PSEUDO_KFUNC_CALL, relocation.addend or _kernel_function(relocation.symbol)
            struct.pack_into("<h", code, at + 2, 0)
        else:
            source, value = _PSEUDO_MAP_FD, loaded.maps[relocation.symbol]
            if relocation.kind == "data":
                source = _PSEUDO_MAP_VALUE
                struct.pack_into("<i", code, at + 12, relocation.addend)
        code[at + 1] = code[at + 1] & 0x0F | source << 4
        struct.pack_into("<i", code, at + 4, value)
    return bytes(code)


def _kernel_function(name: str) -> int:
    """The number of a kernel function in the kernel's own BTF."""
    from pytrace.kernel import btf

    types = btf.kernel_btf()
    function = types.find(name, btf.Kind.FUNC) if types is not None else None
    if function is None:
        raise RunError(f"The kernel offers no function {name} to BPF programs.")
    return function.id


def _load_program(loaded: Loaded, program: ProgramImage, types: int, verbose: bool, want_logs: bool) -> None:
    attach_id = attach_fd = 0
    try:
        if program.attach_btf:
            from pytrace.probes.attach_btf import resolve

            attach_id, attach_fd = resolve(program.attach_btf)
        fd, log = bpf.prog_load_verbose(
            program.prog_type, _relocate(loaded, program), license=loaded.image.config.license, name=program.name,
            expected_attach_type=program.expected_attach_type or "none", attach_btf_id=attach_id,
            attach_btf_obj_fd=attach_fd, btf_fd=types if program.func_info else 0, func_info=program.func_info,
            log_level=1 if want_logs else 0, log_size=loaded.image.config.log_size,
        )
    except bpf.VerifierError as error:
        from pytrace.runtime.refusal import refusal

        raise refusal(program, error, verbose=verbose) from error
    except LookupError as error:
        loaded.missing[len(loaded.programs)] = str(error)
        fd, log = -1, ""
    except OSError as error:
        raise RunError(str(error)) from error
    finally:
        if attach_fd:
            os.close(attach_fd)
    loaded.programs.append(fd)
    if want_logs:
        loaded.logs.append((program.name, log))
