"""What the kernel takes for what programs ask of it: `python -m tests.bench.kernel_cost [--rounds N] [--only NAME]`.

Programs of a few instructions hang on one raw tracepoint, a dozen at a time, next to an empty one, and do something
only for the system calls of one process. Each row is one of them: nanoseconds for each call above the empty one, the
median of the rounds. No program that does the same with these helpers can be faster.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from pytrace.codegen import Features
from pytrace.codegen.helpers import HELPERS
from pytrace.codegen.image import Image, MapImage, ProgramImage
from pytrace.codegen.link import link
from pytrace.codegen.llvm import compile_modules
from pytrace.kernel import bpf
from pytrace.runtime.loading import SessionValues, load
from pytrace.semantics.configuration import Config

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 100_000
PATH = "/usr/lib/python3/dist-packages/some/package/of/a/usual/length.py"
KEY = 1234567
NO_PREALLOC, FAST, REUSE, USER = 1, 1 << 9, 1 << 10, 1 << 8


def call(name: str, *args: str) -> str:
    return f"call i64 inttoptr (i64 {HELPERS[name]} to ptr)({', '.join(args)})"


def look_up(map_: str, key: str = "%memory") -> str:
    return f"%e = {call('map_lookup_elem', f'ptr @{map_}', f'ptr {key}')}"


def fixed_key() -> str:
    """A key in scratch memory that is there in all hashes."""
    return "store i64 KEY, ptr %memory, align 8"


def reads(helper: str, size: int) -> str:
    text = "inttoptr (i64 ADDRESS to ptr)"
    return f"%n = {call(helper, 'ptr %memory', f'i64 {size}', f'ptr {text}')}"


def stack(size: int, flags: int) -> str:
    return f"%n = {call('get_stack', 'ptr %ctx', 'ptr %memory', f'i64 {size}', f'i64 {flags}')}"


def stack_id(flags: int) -> str:
    return f"%n = {call('get_stackid', 'ptr %ctx', 'ptr @stacks', f'i64 {flags}')}"


def ring(size: int, end: str, flags: int) -> str:
    return f"""%record = call ptr inttoptr (i64 {HELPERS["ringbuf_reserve"]} to ptr)(ptr @ring, i64 {size}, i64 0)
%none = icmp eq ptr %record, null
br i1 %none, label %full, label %room
room:
store i64 1, ptr %record, align 8
call void inttoptr (i64 {HELPERS[end]} to ptr)(ptr %record, i64 {flags})
ret i64 0
full:"""


SLOT = """%at = getelementptr i8, ptr @slots.value, i64 64
%word = load volatile i64, ptr %at, align 8
%mine = or i64 %word, 4294967296
%pair = cmpxchg ptr %at, i64 %word, i64 %mine seq_cst seq_cst
%value = getelementptr i8, ptr %at, i64 8
store volatile i64 1, ptr %value, align 8
%done = atomicrmw add ptr %at, i64 4294967296 seq_cst
%used = call i64 asm sideeffect "", "=r,0"(i64 %done)
%again = load volatile i64, ptr %at, align 8
%freed_pair = cmpxchg ptr %at, i64 %again, i64 0 seq_cst seq_cst"""
LOAD = """%task = inttoptr i64 %n to ptr
%state = getelementptr i8, ptr %task, i64 24
%loaded = load volatile i32, ptr %state, align 4"""
UPDATE = call("map_update_elem", "ptr @MAP", "ptr %memory", "ptr %memory", "i64 0")
DELETE = call("map_delete_elem", "ptr @MAP", "ptr %memory")
CASES: dict[str, str] = {
    "get_current_pid_tgid": f"%n = {call('get_current_pid_tgid')}",
    "get_current_task_btf, and a load": f"%n = {call('get_current_task_btf')}\n{LOAD}",
    "ktime_get_ns": f"%n = {call('ktime_get_ns')}",
    "ktime_get_boot_ns": f"%n = {call('ktime_get_boot_ns')}",
    "array of a CPU: look up": look_up("percpu_array"),
    "slot: take and give back": SLOT,
    "hash, 8 bytes: look up": f"{fixed_key()}\n{look_up('hash8')}",
    "hash, 8 bytes: write": f"{fixed_key()}\n%n = {UPDATE.replace('MAP', 'hash8')}",
    "hash, 8 bytes: make and delete": (
        f"{fixed_key()}\n%n = {UPDATE.replace('MAP', 'gone8')}\n%d = {DELETE.replace('MAP', 'gone8')}"
    ),
    "the same, preallocated": (
        f"{fixed_key()}\n%n = {UPDATE.replace('MAP', 'kept8')}\n%d = {DELETE.replace('MAP', 'kept8')}"
    ),
    **{f"hash, {size} bytes: look up": f"{fixed_key()}\n{look_up(f'hash{size}')}" for size in (16, 64, 256, 1024)},
    **{f"read_user_str, buffer of {size}": reads("probe_read_user_str", size) for size in (16, 64, 128, 1024)},
    **{f"read_user, {size} bytes": reads("probe_read_user", size) for size in (8, 64)},
    "get_stack, kernel, 8 bytes": stack(8, 0),
    "get_stack, kernel, 127 frames": stack(1016, 0),
    "get_stackid, kernel": stack_id(0),
    "get_stackid, kernel, fast compare": stack_id(FAST | REUSE),
    "get_stack, user, 8 bytes": stack(8, USER),
    "get_stack, user, 127 frames": stack(1016, USER),
    "get_stackid, user": stack_id(USER),
    "ring: reserve, discard": ring(40, "ringbuf_discard", 1),
    "ring: reserve, submit, no wake-up": ring(40, "ringbuf_submit", 1),
    "ring: reserve, submit": ring(40, "ringbuf_submit", 0),
    "ring: output": f"%n = {call('ringbuf_output', 'ptr @ring', 'ptr %memory', 'i64 40', 'i64 1')}",
}  # fmt: skip
MAPS = (
    MapImage("percpu_array", "percpu_array", 4, 8, 1),
    MapImage("slots", "array", 4, 4096, 1),
    *(MapImage(f"hash{size}", "percpu_hash", size, 8, 4096) for size in (8, 16, 64, 256, 1024)),
    MapImage("gone8", "hash", 8, 8, 4096, NO_PREALLOC),
    MapImage("kept8", "hash", 8, 8, 4096),
    MapImage("stacks", "stack_trace", 4, 1016, 4096),
    MapImage("ring", "ringbuf", 0, 0, 1 << 24),
)


def program(number: int, body: str, address: int, pid: int) -> str:
    """The function of a program that runs `body` in one process."""
    return f"""define i64 @p{number}(ptr %ctx) nounwind section "program/{number}" {{
%cell = alloca i32, align 8
%both = {call("get_current_pid_tgid")}
%process = lshr i64 %both, 32
%other = icmp ne i64 %process, {pid}
br i1 %other, label %never, label %start
start:
store i32 0, ptr %cell, align 4
%memory = call ptr inttoptr (i64 1 to ptr)(ptr @scratch{number}, ptr %cell)
%no = icmp eq ptr %memory, null
br i1 %no, label %never, label %body
body:
{body.replace("ADDRESS", str(address)).replace("KEY", str(KEY))}
ret i64 0
never:
ret i64 0
}}
"""


def image(bodies: dict[str, str], address: int, pid: int) -> Image:
    """A program for each body. First one that fetches into the cache what all need, then an empty one."""
    first = ["%n = call i64 inttoptr (i64 5 to ptr)()", ""]
    texts = [program(number, body, address, pid) for number, body in enumerate([*first, *bodies.values()])]
    scratch = [MapImage(f"scratch{number}", "percpu_array", 4, 1024, 1) for number in range(len(texts))]
    names = [*(map_.symbol for map_ in (*MAPS, *scratch)), "slots.value"]
    externs = "\n".join(f"@{name} = external global [0 x i64], align 8" for name in names)
    (data,) = compile_modules([externs + "\n" + "\n".join(texts)], Features().instruction_set)
    linked = link(data, [f"program/{number}" for number in range(len(texts))], lambda data: 0)
    programs = tuple(
        ProgramImage(f"p{number}", "raw_tracepoint", "none", each.code, each.relocations, (), number)
        for number, each in enumerate(linked)
    )
    used = {relocation.symbol for each in linked for relocation in each.relocations}
    return Image(programs, tuple(map_ for map_ in (*MAPS, *scratch) if map_.symbol in used), (), (), Config())


def measure(bodies: dict[str, str], rounds: int, folder: str) -> dict[str, float]:
    """Nanoseconds per run of each body above the empty one."""
    caller = subprocess.Popen([f"{folder}/caller", PATH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert caller.stdin is not None and caller.stdout is not None
    address = int(caller.stdout.readline())
    loaded = load(image(bodies, address, caller.pid), SessionValues.now())
    for map_ in loaded.image.maps:
        if map_.symbol.startswith("hash"):
            key = KEY.to_bytes(map_.key_size, "little")
            bpf.map_update(loaded.maps[map_.symbol], key, bytes(bpf.stored_size(map_.type, map_.value_size)))
    links = []
    samples: dict[str, list[float]] = {name: [] for name in bodies}
    try:
        links = [bpf.raw_tracepoint_open(fd, "sys_enter") for fd in loaded.programs]
        for _ in range(rounds):
            before = [bpf.prog_info(fd) for fd in loaded.programs]
            caller.stdin.write(f"{EVENTS}\n")
            caller.stdin.flush()
            caller.stdout.readline()
            after = [bpf.prog_info(fd) for fd in loaded.programs]
            _, empty, *costs = (
                (new.run_time - old.run_time) / EVENTS for old, new in zip(before, after, strict=True)
            )
            for name, cost in zip(bodies, costs, strict=True):
                samples[name].append(cost - empty)
    finally:
        for fd in links:
            os.close(fd)
        loaded.close()
        caller.stdin.close()
        caller.wait()
    return {name: statistics.median(each) for name, each in samples.items()}


CALLER = r"""
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
/* Says where a path is in its memory; then as many system calls as each line says, and a line when they are done. */
int main(int count, char **arguments)
{
	long calls;
	char *path = strdup(arguments[count - 1]);

	printf("%lu\n", (unsigned long)path);
	fflush(stdout);
	while (scanf("%ld", &calls) == 1) {
		while (calls--)
			syscall(SYS_getppid);
		puts("done");
		fflush(stdout);
	}
	return 0;
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", metavar="NAME")
    options = parser.parse_args()
    chosen = {name: body for name, body in CASES.items() if re.search(options.only, name)}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "caller.c").write_text(CALLER)
        subprocess.run(["gcc", "-O2", "-o", f"{folder}/caller", f"{folder}/caller.c"], check=True)
        stats = bpf.enable_stats()
        try:
            names = list(chosen)
            for start in range(0, len(names), 12):
                part = {name: chosen[name] for name in names[start : start + 12]}
                for name, cost in measure(part, options.rounds, folder).items():
                    print(f"{name:<36}{cost:8.1f}", flush=True)
        finally:
            bpf.close(stats)


if __name__ == "__main__":
    main()
