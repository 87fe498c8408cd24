"""What the functions of one compilation share: constants, maps, records, debug locations, and the text of it all."""

from __future__ import annotations

from pytrace.codegen.builder import Builder
from pytrace.codegen.emitter import ANYWHERE, Value
from pytrace.codegen.features import Offers
from pytrace.codegen.image import SESSION_VALUES, URGENT_HEADER, Action, Loss, MapImage, Place, RecordLayout
from pytrace.codegen.layout import align_up
from pytrace.diagnostics import Span, excerpts
from pytrace.frozen import field, record, replace
from pytrace.semantics import program as core
from pytrace.semantics.types import Type, align_of, size_of

__all__ = ["NO_PREALLOC", "RDONLY_PROG", "Module", "layout_of", "place_of"]

RDONLY_PROG = 1 << 7
"""BPF_F_RDONLY_PROG: programs only read the map."""
NO_PREALLOC = 1
"""BPF_F_NO_PREALLOC"""

OF_MAPS = ("map_full", "map_memory")
"""Losses that concern a map, wherever they happen."""

HEADER = 4
"""A record starts with the u32 index of its action."""


def layout_of(types: tuple[Type, ...], urgent: bool = False) -> RecordLayout:
    """The record that carries values of the types."""
    at, fields = URGENT_HEADER if urgent else HEADER, []
    for type_ in types:
        at = align_up(at, align_of(type_))
        fields.append((at, type_))
        at += size_of(type_)
    return RecordLayout(align_up(at), tuple(fields))


def place_of(span: Span) -> Place:
    """The place in the script as user space shows it, without the sources."""
    line, column = span.source.position(span.start)
    return Place(span.source.name, line, column, excerpts(span))


PART_LINES = 30_000
"""About how many lines of LLVM's language are compiled as one module: a script of many probes becomes several, since
LLVM's time grows faster than its modules, and they can be compiled side by side."""
FIRST_LINES, GROWTH = 200, 4
"""The first module is smaller, so that LLVM starts early. Each takes 4 ms by itself, as much as 100 lines, so the next
ones are to be that many times as large as the one before."""


@record
class Module:
    """What is compiled for a whole program, as one LLVM module after the other (`take`)."""

    program: core.Program
    features: Offers
    functions: list[str] = field(default_factory=list)
    """Of the module at hand."""
    actions: list[Action] = field(default_factory=list)
    maps: dict[str, MapImage] = field(default_factory=dict)
    uses_lost: bool = False
    """Whether the module at hand needs the function that counts lost records."""
    counts_lost: bool = False
    """Whether any module does."""
    losses: dict[Loss, int] = field(default_factory=dict)
    """What is counted besides the records of each program, in order, each with the number of its counter."""
    exits: bool = False
    """Whether the script may end itself: programs for events then do nothing once it has."""
    deleted_from: set[int] = field(default_factory=set)
    """Indices of the maps from which the script deletes keys."""
    split: frozenset[int] = frozenset()
    """Indices of the maps that are stored as two, for short and for long keys."""
    slotted: frozenset[int] = frozenset()
    """Indices of the maps with slots for keys that come and go."""
    cached: dict[int, bool] = field(default_factory=dict)
    """Indices of the maps with tables in front of them, each with whether it is ever cleared."""
    helpers: dict[str, str] = field(default_factory=dict)
    """Functions that the module at hand calls, by their names."""
    locations: list[Span] = field(default_factory=list)
    """Where debug locations point: the line of a location is an index here, plus one."""
    _kfuncs: dict[str, str] = field(default_factory=dict)
    _symbols: set[str] = field(default_factory=set)
    _lines: int = 0
    _most: int = FIRST_LINES
    _metadata: list[str] = field(default_factory=list)
    _action_index: dict[object, int] = field(default_factory=dict)
    _rodata: bytearray = field(default_factory=bytearray)
    _constants: dict[tuple[bytes, int], int] = field(default_factory=dict)
    _zeros: int = 0
    _record_losses: int = 0
    _seen: dict[tuple[str, int, int, int], int] = field(default_factory=dict)

    @property
    def one_at_a_time(self) -> bool:
        """Whether no program of the script may run inside another: it traces what programs do themselves."""
        return any(target.number("dangerous") for probe in self.program.probes for target in probe.targets)

    # constants

    def constant(self, data: bytes, align: int = 8) -> int:
        """Where constant bytes are in the map of constants."""
        key = (data, align)
        offset = self._constants.get(key)
        if offset is None:
            self._rodata += bytes(-len(self._rodata) % align)
            offset = self._constants[key] = len(self._rodata)
            self._rodata += data
        return offset

    def rodata(self, data: bytes, align: int = 8) -> Value:
        """A pointer to constant bytes."""
        offset = self.constant(data, align)
        # A symbol of its own for each constant: LLVM would add an offset to a common one in a register.
        self._symbols.add(f"rodata.{offset}")
        return Value(f"@rodata.{offset}", "ptr", ANYWHERE)

    def zeros(self, size: int) -> Value:
        """A pointer to at least so many zero bytes."""
        self._zeros = max(self._zeros, size)
        self._symbols.add("zeros")
        return Value("@zeros", "ptr", ANYWHERE)

    def session(self, b: Builder, name: str) -> Value:
        """A value that the session writes before it loads the programs."""
        self.maps.setdefault(
            "session", MapImage("session", "array", 4, 8 * len(SESSION_VALUES), 1, RDONLY_PROG, frozen=True)
        )
        return b.load("i64", self.data("session"), 8 * SESSION_VALUES.index(name))

    def exited(self) -> Value:
        """Where it is noted that `exit()` was called (u64)."""
        self.maps.setdefault("exited", MapImage("exited", "array", 4, 8, 1))
        return self.data("exited")

    # symbols

    def map(self, symbol: str) -> Value:
        """A map, as helpers take it."""
        self._symbols.add(symbol)
        return Value(f"@{symbol}", "ptr", 1)

    def data(self, symbol: str) -> Value:
        """The value of an array map with one entry."""
        self._symbols.add(f"{symbol}.value")
        return Value(f"@{symbol}.value", "ptr", ANYWHERE)

    def kfunc(self, name: str, parameters: tuple[str, ...], returns: str) -> str:
        """Declares a kernel function; gives its name in the IR."""
        self._kfuncs.setdefault(name, f"declare {returns} @{name}({', '.join(parameters)})")
        return f"@{name}"

    def add_map(self, image: MapImage) -> None:
        self.maps[image.symbol] = image

    def ring(self, urgent: bool) -> str:
        """The ring buffer for records, or the small one for what must not wait behind a full one."""
        symbol = "control" if urgent else "ring"
        if symbol not in self.maps:
            size = SMALL_RING if urgent else ring_size(self.program.config.perf_rb_pages, self.features)
            self.maps[symbol] = MapImage(symbol, "ringbuf", 0, 0, size)
        return symbol

    # records

    def action(
        self, kind: str, static: tuple[object, ...], types: tuple[Type, ...], span: Span, order: int, urgent: bool
    ) -> tuple[int, RecordLayout]:
        """The index of an action, and the layout of its records."""
        key = (kind, static, types, id(span.source), span.start, span.end, id(span.via), order, urgent)
        index = self._action_index.get(key)
        if index is None:
            index = self._action_index[key] = len(self.actions)
            self.actions.append(Action(kind, static, layout_of(types, urgent), place_of(span), order, urgent))
        return index, self.actions[index].layout

    def loss(self, kind: str, subject: str, span: Span) -> int:
        """The number of the counter for a loss (`Loss`); the first ones are those of the programs' records."""
        name, line, column = span.source.name, *span.source.position(span.start)
        loss = Loss(kind, subject, f"{name}:{line}:{column}" if kind not in OF_MAPS else "")
        return self.losses.setdefault(loss, self.record_losses + len(self.losses))

    @property
    def record_losses(self) -> int:
        """How many counters there are for lost records: one for each program, by its number."""
        if not self._record_losses:
            self._record_losses = max(probe.order for probe in self.program.probes) + 1
        return self._record_losses

    # debug locations

    def subprogram(self, function: str) -> int:
        """Metadata of a function, for the locations in it."""
        self._metadata.append(
            f'distinct !DISubprogram(name: "{function}", scope: !1, file: !1, line: 1, type: !3, unit: !0, '
            "spFlags: DISPFlagDefinition)"
        )
        return len(self._metadata) + 4

    def location(self, span: Span, subprogram: int) -> str:
        """What to append to instructions that stand for this place of the script."""
        root = span.root
        key = (root.source.name, root.start, root.end, subprogram)
        number = self._seen.get(key)
        if number is None:
            self.locations.append(root)
            self._metadata.append(f"!DILocation(line: {len(self.locations)}, column: 1, scope: !{subprogram})")
            number = self._seen[key] = len(self._metadata) + 4
        return f", !dbg !{number}"

    # the end

    def finish_maps(self) -> tuple[MapImage, ...]:
        """All maps, with constants filled in. The zeros are a map of their own, so that they can grow to the end."""
        if self._constants:
            data = bytes(self._rodata)
            self.add_map(MapImage("rodata", "array", 4, len(data), 1, RDONLY_PROG, data, frozen=True))
        if self._zeros:
            self.add_map(MapImage("zeros", "array", 4, align_up(self._zeros), 1, RDONLY_PROG, frozen=True))
        kinds = {action.kind for action in self.actions if not action.urgent}
        if kinds <= {"runtime_error"} and "ring" in self.maps and not self.program.config.perf_rb_pages:
            # Such records are few, and it takes milliseconds to make a large ring.
            most = QUIET_RING if kinds else SMALL_RING
            self.maps["ring"] = replace(self.maps["ring"], max_entries=min(most, self.maps["ring"].max_entries))
        return tuple(self.maps.values())

    def add(self, function: str) -> None:
        """Puts the text of a program's functions into the module at hand."""
        self.functions.append(function)
        self._lines += function.count("\n")

    def add_helper(self, name: str, function: str) -> None:
        """Puts the text of a function that programs call into the module at hand."""
        self.helpers[name] = function
        self._lines += function.count("\n")

    @property
    def is_full(self) -> bool:
        return self._lines > min(self._most, PART_LINES)

    def take(self) -> str:
        """The text of the module at hand, without the lines about the target; the next one starts empty."""
        text = self._text()
        self.counts_lost |= self.uses_lost
        self.uses_lost, self._lines, self._most = False, 0, self._most * GROWTH
        for part in (self.functions, self.helpers, self._kfuncs, self._symbols, self._metadata, self._seen):
            part.clear()
        return text

    def _text(self) -> str:
        externs = [f"@{symbol} = external global [0 x i64], align 8" for symbol in sorted(self._symbols)]
        metadata = [f"!{number} = {text}" for number, text in enumerate(self._metadata, 5)]
        return "\n".join((
            *externs, *self._kfuncs.values(), *self.functions, *self.helpers.values(),
            "!llvm.dbg.cu = !{!0}", "!llvm.module.flags = !{!2}",
            "!0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, producer: \"pytrace\", isOptimized: true, "
            "runtimeVersion: 0, emissionKind: DebugDirectivesOnly)",
            '!1 = !DIFile(filename: "script", directory: "")',
            '!2 = !{i32 2, !"Debug Info Version", i32 3}',
            "!3 = !DISubroutineType(types: !4)", "!4 = !{}",
            *metadata, "",
        ))  # fmt: skip


SMALL_RING = 65536
"""Bytes of a ring buffer for a few records; a multiple of every page size."""


QUIET_RING = 1 << 20
"""Bytes of the ring buffer of a script that sends nothing but warnings and what is urgent."""


def ring_size(pages: int, features: Offers) -> int:
    """Bytes of the ring buffer: `perf_rb_pages` pages and at least one per CPU, or the power of two nearest to the
    smaller of available memory and 16544 KiB, at least 256 KiB. The kernel wants a power of two."""
    if pages:
        wanted = max(pages, features.cpus) * features.page_size
        return 1 << (wanted - 1).bit_length()
    wanted = max(min(features.memory, 16544 << 10), 256 << 10)
    below = 1 << (wanted.bit_length() - 1)
    return below if wanted - below <= 2 * below - wanted else 2 * below


