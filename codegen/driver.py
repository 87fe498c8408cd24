"""Code generation from end to end: a checked program to its image."""

from __future__ import annotations

import sys

from pytrace.codegen.btf_out import program_btf
from pytrace.codegen.cached import cached_maps, with_table
from pytrace.codegen.features import Offers
from pytrace.codegen.frame import TooLarge
from pytrace.codegen.function import ATTRIBUTES, Made, make_functions, section_of
from pytrace.codegen.image import Image, MapImage, ProgramImage, Relocation
from pytrace.codegen.link import MAX_STACK, Linked, data_section, link
from pytrace.codegen.llvm import compile_modules
from pytrace.codegen.module import RDONLY_PROG, Module
from pytrace.codegen.plan import BUDGETS
from pytrace.codegen.records import lost_function
from pytrace.codegen.session import join_sessions
from pytrace.codegen.slots import slots_image, slots_symbol, slotted_maps
from pytrace.codegen.storage import bursting_maps, map_images, split_maps
from pytrace.codegen.this_kernel import ThisKernel
from pytrace.codegen.visit import nodes
from pytrace.diagnostics import Diagnostics
from pytrace.frozen import replace
from pytrace.hints import Callable, Iterable, Iterator, Sequence
from pytrace.kernel.object_file import read_object
from pytrace.probes import PROVIDERS
from pytrace.semantics import program as core

__all__ = ["generate"]

Inspect = Callable[[str, str], None]
"""Gets the text of each stage: `codegen`, `codegen-opt` (LLVM's language), `elf` (LLVM's object file, as Latin-1) and
`dis` (bytecode)."""

Meanwhile = Callable[[], object]

JUMP_LIMIT = 20_000
"""Lines of LLVM's language that surely make less than 32768 instructions. Before version 4 of the instruction set no
jump reaches further, and LLVM ends the process when one would have to."""

RECURSION = 50_000
"""Nested expressions are compiled recursively; how deep they may be is the parser's affair."""

_GUARDED = frozenset(
    {"kprobe", "kretprobe", "tracepoint", "profile", "interval", "software", "hardware", "watchpoint"}
)
"""Providers whose programs the kernel never runs inside each other on one CPU (`bpf_prog_active`)."""
_SELF_GUARDED = frozenset({"rawtracepoint", "fentry", "fexit"})
"""Providers whose programs are not run inside themselves."""


def exclusive_maps(program: core.Program) -> dict[int, bool]:
    """For each map that aggregates, whether no update of it can interrupt another one on the same CPU. Nothing is known
    of a map that other scripts update too."""
    if program.shared:
        return {}
    updaters: dict[int, set[tuple[str, int]]] = {}
    for probe in program.probes:
        provider = probe.targets[0].provider if probe.targets else ""
        for node in nodes(probe.body):
            if isinstance(node, core.Update):
                updaters.setdefault(node.map.index, set()).add((provider, probe.order))
    return {
        index: all(provider in _GUARDED for provider, _ in who)
        or (len(who) == 1 and all(provider in _SELF_GUARDED for provider, _ in who))
        for index, who in updaters.items()
    }


class _Programs:
    """The programs of a script: made, compiled and linked."""

    def __init__(
        self, program: core.Program, features: Offers, inspect: Inspect | None, meanwhile: Meanwhile | None
    ) -> None:
        self.program = program
        self.features = features
        self.inspect = inspect
        self.meanwhile = meanwhile
        self.module = Module(program, features)
        self.module.deleted_from |= {
            node.map.index
            for probe in program.probes
            for node in nodes(probe.body)
            if isinstance(node, core.MapCall) and node.name == "delete"
        }
        self.module.exits = any(
            isinstance(node, core.Emit) and node.kind == "exit"
            for probe in program.probes
            if probe.targets[0].provider != "end"
            for node in nodes(probe.body)
        )
        self.module.split = split_maps(program)
        self.module.slotted = slotted_maps(program, features)
        self.updaters = exclusive_maps(program)
        self.module.cached = cached_maps(program, self.updaters, self.module.split, features)
        self.levels = {probe.order: 0 for probe in program.probes}
        self.made: dict[int, Made] = {}
        self.linked: dict[int, Linked] = {}

    def compile(self) -> None:
        """Tries with ever less on the stack, until every program keeps within it."""
        pending = self.program.probes
        while pending:
            self._compile(pending)
            pending = tuple(
                probe
                for probe in pending
                if self.linked[probe.order].stack > MAX_STACK and self.levels[probe.order] + 1 < len(BUDGETS)
            )
            for probe in pending:
                self.levels[probe.order] += 1

    def _compile(self, probes: Sequence[core.Probe]) -> None:
        parts: list[list[int]] = [[]]
        texts = self._modules(probes, parts)
        meanwhile, self.meanwhile = self.meanwhile, None
        objects = compile_modules(texts, self.features.instruction_set, self.inspect, meanwhile)
        for data, orders in zip(objects, parts, strict=True):
            if self.inspect is not None:
                self.inspect("elf", data.decode("latin-1"))
            linked = link(data, [section_of(order) for order in orders], self.module.constant, self.program.objects)
            self.linked.update(zip(orders, linked, strict=True))

    def _modules(self, probes: Sequence[core.Probe], parts: list[list[int]]) -> Iterator[str]:
        """The texts of LLVM modules for the probes; `parts` tells which are in which."""
        for probe in probes:
            if self.module.is_full and self.inspect is None:  # who looks at the stages sees the script as one
                yield self._finished()
                parts.append([])
            made = self.made[probe.order] = self._make(probe)
            if self.features.instruction_set != "v4" and made.text.count("\n") > JUMP_LIMIT:
                Diagnostics().fail(
                    probe.span, "The program is too large: this kernel's jumps reach 32767 instructions."
                )
            self.module.add(made.text)
            parts[-1].append(probe.order)
        yield self._finished()

    def _make(self, probe: core.Probe) -> Made:
        level = self.levels[probe.order]
        try:
            return make_functions(self.module, probe, level, self.updaters)
        except TooLarge:
            return make_functions(self.module, probe, level, self.updaters, huge=True)

    def _finished(self) -> str:
        if self.module.uses_lost:
            self.module.map("drops")
            self.module.add(lost_function(ATTRIBUTES))
        return self.module.take()


def generate(
    program: core.Program,
    features: Offers | None = None,
    inspect: Inspect | None = None,
    meanwhile: Meanwhile | None = None,
) -> Image:
    """Compiles a checked program for a kernel that has these features: by default the running one. `meanwhile` is done
    beside the work that is not Python's."""
    features = features or ThisKernel()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION))
    try:
        programs = _Programs(program, features, inspect, meanwhile)
        programs.compile()
    finally:
        sys.setrecursionlimit(limit)
    module = programs.module
    script_maps, bursting = [], bursting_maps(program)
    for map_ in program.maps:
        script, images = map_images(
            map_, features, split=map_.index in module.split, bursts=map_.index in bursting
        )
        if map_.index in module.slotted:
            script, images = replace(script, slots=slots_symbol(map_)), (*images, slots_image(map_))
        if map_.index in module.cached:
            script, more = with_table(script, map_, module.cached[map_.index], features.cpus)
            images = (*images, *more)
        script_maps.append(script)
        for image in images:
            module.add_map(replace(image, script_map=len(script_maps) - 1))
    for made in programs.made.values():
        if made.scratch is not None:
            module.add_map(made.scratch)
    for image in _data_maps(program, programs.linked.values()):
        module.add_map(image)
    if module.counts_lost:
        entries = module.record_losses + len(module.losses)
        module.add_map(MapImage("drops", "percpu_array", 4, 8, entries))
    joined = join_sessions([(probe, programs.linked[probe.order]) for probe in program.probes])
    btf, infos = program_btf([(each.probe.name, each.linked.functions) for each in joined])
    compiled = tuple(
        replace(_program_image(each.probe, each.linked, module, info), returning=each.returning)
        for each, info in zip(joined, infos, strict=True)
    )
    if inspect is not None:
        from pytrace.codegen.disasm import disassemble

        for each in compiled:
            inspect("dis", f"{each.name}:\n{disassemble(each.code, each.relocations)}")
    return Image(
        compiled, module.finish_maps(), tuple(script_maps), tuple(module.actions), program.config, program.strings,
        dict(program.structs), {enum: dict(names) for enum, names in program.enums.items()},
        tuple(module.losses), btf,
    )  # fmt: skip


def _data_maps(program: core.Program, linked: Iterable[Linked]) -> list[MapImage]:
    """The data of imported objects that is used: one array of one element for each section."""
    used = {relocation.symbol for each in linked for relocation in each.relocations if relocation.kind == "data"}
    images = []
    for number, data in enumerate(program.objects, 1):
        for section in read_object(data).sections:
            symbol = data_section(number, section.name)
            if symbol in used:
                frozen = not section.writable
                flags = RDONLY_PROG if frozen else 0
                images.append(MapImage(symbol, "array", 4, len(section.data), 1, flags, section.data, frozen))
    return images


def _program_image(probe: core.Probe, linked: Linked, module: Module, func_info: bytes) -> ProgramImage:
    loading = PROVIDERS[probe.targets[0].provider].loading(probe.targets[0])
    lines = []
    for slot, number in linked.marks:
        if 0 < number <= len(module.locations):
            span = module.locations[number - 1]
            lines.append((slot, span.line, span.column))
    return ProgramImage(
        probe.name, loading.prog_type, loading.expected_attach_type, linked.code,
        tuple(_numbered(relocation, module.features) for relocation in linked.relocations),
        tuple((target, index) for index, target in enumerate(probe.targets)), probe.order, func_info,
        tuple(lines), loading.attach_btf,
    )  # fmt: skip


def _numbered(relocation: Relocation, features: Offers) -> Relocation:
    if relocation.kind != "kfunc":
        return relocation
    return replace(relocation, addend=features.function_number(relocation.symbol))
