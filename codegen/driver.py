"""Code generation from end to end: a checked program to its image."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from pytrace.codegen.btf_out import function_btf
from pytrace.codegen.disasm import disassemble
from pytrace.codegen.features import Offers
from pytrace.codegen.frame import TooLarge
from pytrace.codegen.function import ATTRIBUTES, Made, make_functions, section_of
from pytrace.codegen.image import Image, MapImage, ProgramImage
from pytrace.codegen.link import MAX_STACK, Linked, data_section, link
from pytrace.codegen.llvm import compile_module
from pytrace.codegen.maps import map_images
from pytrace.codegen.module import RDONLY_PROG, Module
from pytrace.codegen.plan import BUDGETS
from pytrace.codegen.records import lost_function
from pytrace.codegen.this_kernel import ThisKernel
from pytrace.codegen.visit import nodes
from pytrace.diagnostics import Diagnostics
from pytrace.frozen import frozen, replace
from pytrace.kernel.object_file import read_object
from pytrace.probes import PROVIDERS
from pytrace.semantics import program as core

__all__ = ["generate"]

Inspect = Callable[[str, str], None]
"""Gets the text of each stage: `codegen`, `codegen-opt` (LLVM's language), `elf` (LLVM's object file, as Latin-1) and
`dis` (bytecode)."""

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
    """For each map that aggregates, whether no update of it can interrupt another one on the same CPU."""
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


@frozen
class _Attempt:
    module: Module
    made: list[Made]
    linked: list[Linked]


def _attempt(
    program: core.Program, features: Offers, levels: Mapping[int, int], huge: frozenset[int], inspect: Inspect | None
) -> _Attempt:
    module = Module(program, features)
    module.deleted_from |= {
        node.map.index
        for probe in program.probes
        for node in nodes(probe.body)
        if isinstance(node, core.MapCall) and node.name == "delete"
    }
    updaters = exclusive_maps(program)
    made = [
        make_functions(module, probe, levels[probe.order], updaters, huge=probe.order in huge)
        for probe in program.probes
    ]
    for probe, each in zip(program.probes, made, strict=True):
        if features.instruction_set != "v4" and each.text.count("\n") > JUMP_LIMIT:
            Diagnostics().fail(probe.span, "The program is too large: this kernel's jumps reach 32767 instructions.")
    module.functions += [each.text for each in made]
    if module.uses_lost:
        module.map("drops")
        module.functions.append(lost_function(ATTRIBUTES))
    data = compile_module(module.text(), features.instruction_set, inspect)
    if inspect is not None:
        inspect("elf", data.decode("latin-1"))
    return _Attempt(module, made, link(data, [section_of(probe.order) for probe in program.probes], program.objects))


def _compile(program: core.Program, features: Offers, inspect: Inspect | None) -> _Attempt:
    """Tries with ever less on the stack, until every program keeps within it."""
    levels = {probe.order: 0 for probe in program.probes}
    huge: frozenset[int] = frozenset()
    while True:
        try:
            attempt = _attempt(program, features, levels, huge, inspect)
        except TooLarge:
            if huge:
                raise
            huge = frozenset(levels)
            continue
        deep = [
            probe.order
            for probe, linked in zip(program.probes, attempt.linked, strict=True)
            if linked.stack > MAX_STACK and levels[probe.order] + 1 < len(BUDGETS)
        ]
        if not deep:
            return attempt
        for order in deep:
            levels[order] += 1


def generate(program: core.Program, features: Offers | None = None, inspect: Inspect | None = None) -> Image:
    """Compiles a checked program for a kernel that has these features: by default the running one."""
    features = features or ThisKernel()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, RECURSION))
    try:
        attempt = _Attempt(Module(program, features), [], [])
        if program.probes:
            attempt = _compile(program, features, inspect)
    finally:
        sys.setrecursionlimit(limit)
    module = attempt.module
    script_maps = []
    for map_ in program.maps:
        script, image = map_images(map_, features)
        script_maps.append(script)
        module.add_map(replace(image, script_map=len(script_maps) - 1))
    for made in attempt.made:
        if made.scratch is not None:
            module.add_map(made.scratch)
    for image in _data_maps(program, attempt.linked):
        module.add_map(image)
    if module.uses_lost:
        entries = max(probe.order for probe in program.probes) + 1
        module.add_map(MapImage("drops", "percpu_array", 4, 8, entries))
    programs = tuple(
        _program_image(probe, linked, module) for probe, linked in zip(program.probes, attempt.linked, strict=True)
    )
    if inspect is not None:
        for each in programs:
            inspect("dis", f"{each.name}:\n{disassemble(each.code, each.relocations)}")
    return Image(
        programs, module.finish_maps(), tuple(script_maps), tuple(module.actions), program.config, program.strings,
        dict(program.structs), {enum: dict(names) for enum, names in program.enums.items()},
    )  # fmt: skip


def _data_maps(program: core.Program, linked: Sequence[Linked]) -> list[MapImage]:
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


def _program_image(probe: core.Probe, linked: Linked, module: Module) -> ProgramImage:
    loading = PROVIDERS[probe.targets[0].provider].loading(probe.targets[0])
    btf, info = function_btf(linked.functions) if _has_callbacks(linked) else (b"", b"")
    lines = []
    for slot, number in linked.marks:
        if 0 < number <= len(module.locations):
            span = module.locations[number - 1]
            lines.append((slot, span.line, span.column))
    return ProgramImage(
        probe.name, loading.prog_type, loading.expected_attach_type, linked.code, linked.relocations,
        tuple((target, index) for index, target in enumerate(probe.targets)), probe.order, btf, info,
        tuple(lines), loading.attach_btf,
    )  # fmt: skip


def _has_callbacks(linked: Linked) -> bool:
    """Whether a function is passed to a helper (`PSEUDO_FUNC` in an `ld_imm64`)."""
    slots = range(0, len(linked.code), 8)
    return any(linked.code[at] == 0x18 and linked.code[at + 1] >> 4 == 4 for at in slots)


