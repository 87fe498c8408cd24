"""What a script cannot do without: programs of a few instructions on the events of a script, with nothing but the calls
of the kernel that its result depends on. No tracer can take less for the same (`tests/bench/event_cost.py`)."""

from __future__ import annotations

import os

from pytrace.codegen import Features
from pytrace.codegen.image import Image, MapImage, ProgramImage
from pytrace.codegen.link import link
from pytrace.codegen.llvm import compile_modules
from pytrace.kernel import bpf, perf, tracefs
from pytrace.runtime.loading import SessionValues, load
from pytrace.semantics.configuration import Config
from tests.bench.kernel_cost import USER, call, ring, stack

_NAME = 24
"""Where the second argument of a system call is in the record of its tracepoint."""
_FRAMES = 127
_RING = 1 << 24


def _read(size: int) -> str:
    return f"""%at = getelementptr i8, ptr %ctx, i64 {_NAME}
%word = load i64, ptr %at, align 8
%name = inttoptr i64 %word to ptr
%n = {call("probe_read_user_str", "ptr %memory", f"i64 {size}", "ptr %name")}"""


_PID = f"%t = {call('get_current_pid_tgid')}"
_CLOCK = f"%n = {call('ktime_get_boot_ns')}"
_RECORD = f"{_PID}\n{ring(32, 'ringbuf_submit', 1)}"

FLOORS: dict[str, tuple[str, ...]] = {
    "pid": (_PID,),
    "pid, comm, id": (_PID,),
    "latency": (_CLOCK, _CLOCK),
    "nsecs": (_CLOCK,),
    "filename": (_read(64),),
    "comm, filename": (_read(64),),
    "filename, only read": (_read(64),),
    "kstack": (stack(8 * _FRAMES, 0),),
    "ustack": (stack(8 * _FRAMES, USER),),
    "printf": (_RECORD,),
    "printf of nothing": (ring(8, "ringbuf_submit", 1),),
    "printf, 20,000/s": (_RECORD,),
}
"""By the name of the script: what a program does at each of its events."""


_MEMORY = f"""store i32 0, ptr %cell, align 4
%memory = {call("map_lookup_elem", "ptr @scratch", "ptr %cell").replace("i64", "ptr", 1)}
%no = icmp eq ptr %memory, null
br i1 %no, label %never, label %body
never:
ret i64 0
body:
"""


def _program(number: int, body: str) -> str:
    return f"""define i64 @p{number}(ptr %ctx) nounwind section "program/{number}" {{
%cell = alloca i32, align 8
{_MEMORY if "%memory" in body else ""}{body}
ret i64 0
}}
"""


class Floor:
    """Such programs at tracepoints, one of `bodies` at each of `events`. `end` ends them."""

    def __init__(self, bodies: tuple[str, ...], events: list[str]) -> None:
        maps = (MapImage("scratch", "percpu_array", 4, 1024, 1), MapImage("ring", "ringbuf", 0, 0, _RING))
        externs = "\n".join(f"@{map_.symbol} = external global [0 x i64], align 8" for map_ in maps)
        texts = [_program(number, body) for number, body in enumerate(bodies)]
        (data,) = compile_modules(["\n".join((externs, *texts))], Features().instruction_set)
        linked = link(data, [f"program/{number}" for number in range(len(texts))], lambda data: 0)
        programs = tuple(
            ProgramImage(f"p{number}", "tracepoint", "none", each.code, each.relocations, (), number)
            for number, each in enumerate(linked)
        )
        used = {relocation.symbol for each in linked for relocation in each.relocations}
        image = Image(programs, tuple(map_ for map_ in maps if map_.symbol in used), (), (), Config())
        self._loaded = load(image, SessionValues.now())
        self._links: list[int] = []
        for fd, event in zip(self._loaded.programs, events, strict=True):
            _, category, name = event.split(":")
            number = tracefs.find().event_id(category, name)
            assert number is not None, event
            self._links += perf.attach(fd, perf.tracepoint_event(number))
        self.programs = [bpf.prog_info(fd).id for fd in self._loaded.programs]

    def end(self) -> None:
        for fd in self._links:
            os.close(fd)
        self._loaded.close()
