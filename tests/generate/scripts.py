"""Whole scripts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.generate.scope import MapShape, Place, ProbeShape
from tests.generate.shapes import AGGREGATES, Whole, random_shape
from tests.generate.statements import Statements

__all__ = ["MACROS", "Generated", "generate_script"]

MACROS = (
    "macro twice(e) { (e) + (e) }",
    "macro same(e) { e }",
    "macro kept(e) { let $m = e; $m }",
    "macro bump($v, by) { $v += by; }",
)
_ENUM = """enum lamp { RED, AMBER = 4, GREEN };
struct mix {
  int a; unsigned b : 3; signed c : 9; char name[8]; short tag[2]; struct { long x; unsigned char y; } in;
  union { int u; char v[4]; }; void *link; _Bool yes; unsigned long wide : 40;
};
"""
_REGISTERS = ('reg("ip")', 'reg("sp")')
_PROBES = (
    ProbeShape("interval:s:1"),
    ProbeShape("profile:hz:99", _REGISTERS),
    ProbeShape("software:page-faults:100", _REGISTERS),
    ProbeShape("software:cpu-clock:1000000", _REGISTERS),
    ProbeShape(
        "tracepoint:syscalls:sys_enter_openat", ("args.flags", "args.dfd", "args.mode"), ("str(args.filename)",),
        ("args.filename",),
    ),
    ProbeShape("tracepoint:syscalls:sys_exit_read", ("args.ret", "args.__syscall_nr"), (), ()),
    ProbeShape(
        "tracepoint:sched:sched_switch", ("args.prev_pid", "args.next_prio", "args.prev_state"),
        ("args.prev_comm", "args.next_comm"),
    ),
    ProbeShape("rawtracepoint:sys_enter", ("arg1", "args.id", "args.regs.di"), (), ("args.regs.si",), True),
    ProbeShape(
        "rawtracepoint:sched_switch", ("args.prev->pid", "args.next.tgid", "arg0"), ("args.prev.comm",), (), True,
    ),
)  # fmt: skip
_STRINGS = (16, 32, 64, 128, 256, 1024, 1024, 1024, 4096, 8192)


KERNELS: dict[str, dict[str, object]] = {
    "": {},
    "6.1": {"instruction_set": "v3", "number_iterator": False, "count_elements": False},
    "5.17": {
        "instruction_set": "v3", "number_iterator": False, "count_elements": False, "lazy_maps": False,
        "lookup_percpu": False,
    },
}
"""What code generation must do without on older kernels; newer ones take that code too. Before 5.17 the verifier walks
through each round of a loop, and may find that too much."""


@dataclass(frozen=True)
class Generated:
    """A script, the parameters it is given, and whether all its probes run by themselves. `kernel` is one of KERNELS,
    the running one if empty; `check_reads` is the option -k."""

    text: str
    positional: tuple[str, ...]
    runs: bool
    kernel: str = ""
    check_reads: bool = False


def _map(rng: random.Random, number: int, *, enums: bool) -> MapShape:
    name = f"@m{number}"
    keys = tuple(random_shape(rng, 1, enums=enums) for _ in range(rng.choice((0, 1, 1, 1, 2, 3))))
    if rng.random() < 0.5:
        value = rng.choice(AGGREGATES)
        arguments = {"lhist": ", 0, 100, 10", "hist": rng.choice(("", ", 3")), "tseries": ", 1s, 4"}.get(value, "")
        return MapShape(name, keys, value, arguments)
    return MapShape(name, keys, random_shape(rng, 1, enums=enums))


def _declared(rng: random.Random, map_: MapShape) -> str:
    if not map_.keys:
        return ""
    kinds = ("percpuhash", "percpulruhash") if isinstance(map_.value, str) else ("hash", "lruhash")
    return f"let {map_.name} = {rng.choice(kinds)}({rng.choice((1, 16, 100))});\n" if rng.random() < 0.2 else ""


def generate_script(rng: random.Random, *, size: int = 6, runs: bool | None = None, enums: bool = True) -> Generated:
    """A script that the language accepts. `size` is about the number of statements of a probe; `runs` asks for one of
    which all probes run without an event, or for any."""
    runs = rng.random() < 0.5 if runs is None else runs
    enums = enums and rng.random() < 0.3
    macros = rng.random() < 0.4
    strings = rng.choice(_STRINGS)
    settings = [f"max_strlen={strings}"] if rng.random() < 0.6 else []
    if not settings:
        strings = 1024
    if rng.random() < 0.3:
        settings.append(f"on_stack_limit={rng.choice((0, 8, 16, 64, 200))}")
    if rng.random() < 0.2:
        settings.append(f"max_map_keys={rng.choice((1, 2, 100))}")
    if rng.random() < 0.2:
        settings.append(f"stack_mode={rng.choice(('perf', 'raw', 'bpftrace'))}")
    writer = Statements(rng, enums=enums, macros=macros, strings=strings)
    maps = (MapShape("@n", (), Whole()), *(_map(rng, n, enums=enums) for n in range(rng.randint(1, 4))))
    begin = ProbeShape("begin")
    # Every map is written somewhere, so that each has a type: an assignment in `begin` says it first.
    place = Place(begin, maps)
    # What it writes must not depend on the maps themselves: a type cannot be solved from nothing but itself.
    first = " ".join(writer.set_map(Place(begin, ()), map_) for map_ in maps)
    parts = [f"begin {{ {first} {writer.statements(place, 2, rng.randint(1, size))} }}\n"]
    for probe in rng.sample(_PROBES, 0 if runs else rng.randint(1, 2)):
        place = Place(probe, maps)
        predicate = f" / {writer.expr(place, Whole(), 1)} / " if rng.random() < 0.2 else " "
        parts.append(f"{probe.header}{predicate}{{ {writer.statements(place, 2, rng.randint(1, size))} }}\n")
    if rng.random() < 0.2:
        place = Place(ProbeShape("end"), maps)
        parts.append(f"end {{ {writer.statements(place, 1, 2)} }}\n")
    head = _ENUM if enums else ""
    if settings:
        head += f"config = {{ {'; '.join(settings)} }}\n"
    head += "".join(_declared(rng, map_) for map_ in maps)
    head += "".join(f"{macro}\n" for macro in MACROS) if macros else ""
    positional: tuple[str, ...] = rng.choice(((), ("7", "word"), ("-3", "a b", "0x10")))
    kernel = rng.choice(("", *KERNELS))
    return Generated(head + "".join(parts), positional, runs, kernel, rng.random() < 0.3)
