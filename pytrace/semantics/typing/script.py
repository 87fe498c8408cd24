"""The whole script while it is typed: its maps, the rounds of solving, and the program that comes out.

Rounds go on, probe by probe, until no type changes: a probe is typed again only when something it read has changed.
When all is still, the compile-time conditions that were met are decided, all at once, and what they relied on is
locked (LANGUAGE 8); the branches they choose may then change more. The last round takes no part in solving: it keeps
the diagnostics and the typed bodies.
"""

from __future__ import annotations

from pytrace.diagnostics import Diagnostics, Span
from pytrace.frozen import record
from pytrace.hints import Callable
from pytrace.once import partial
from pytrace.probes.provider import Host
from pytrace.semantics import program as core
from pytrace.semantics.literals import truth
from pytrace.semantics.types import I8, I64, Context, Type, Unknown
from pytrace.semantics.typing import bodies, declarations
from pytrace.semantics.typing.bodies import Contexts
from pytrace.semantics.typing.cells import Cell
from pytrace.semantics.typing.lattice import known
from pytrace.semantics.typing.probe import ProbeTyper
from pytrace.semantics.typing.reachable import definitions
from pytrace.semantics.typing.shapes import keyed_maps
from pytrace.semantics.unit import SharedMap, Unit
from pytrace.semantics.walk import code
from pytrace.syntax import tree

__all__ = ["MapState", "ScriptTyper"]

PATIENCE = 40
"""After so many rounds of one probe (and one more per variable) its types only widen; after twice as many it is given
up as unsolvable. Only scripts made for the purpose get there, with a type that grows in each round:
`let $t; $t = ($t, 1)`."""

NOBODY = -1
"""The number under which a map gets the type of values that nothing ever stores."""


@record
class MapState:
    """A map of the script. `key` is None for a scalar map; `span` is its first use.

    `known` tells that something stores into the map or reads a value of it, `written` that something stores. `shared`
    is the map of the session that it is, if it is one.
    """

    index: int
    name: str
    span: Span
    key: Cell | None
    value: Cell
    declared: tree.MapDecl | None
    shared: SharedMap | None = None
    known: bool = False
    written: bool = False


class ScriptTyper:
    """Types a unit. `contexts` tells what the body of a probe sees."""

    def __init__(self, unit: Unit, contexts: Contexts) -> None:
        self.unit = unit
        self.host: Host | None = unit.host
        self.maps: dict[str, MapState] = {}
        around = unit.options.surroundings
        self._in_session = around is not None
        self._shared = around.maps if around is not None else {}
        self.strings = {text: number for number, text in enumerate(around.strings)} if around is not None else {}
        self.space_unknown = False
        self.hopeful = True
        """Whether sums of flexible numbers are still taken for flexible ones."""
        self._keyed = keyed_maps(code(unit))
        self._declared = {decl.name: decl for decl in reversed(unit.map_decls)}
        self.typers: list[ProbeTyper] = []
        self._run: list[Callable[[], tuple[core.Stmt, ...]]] = []
        self._rounds: list[int] = []
        self._dirty: set[int] = set()
        self._unsolvable: set[int] = set()
        for each in unit.probes:
            typer = ProbeTyper(self, len(self.typers), contexts(each), each.targets)
            self._enter(typer, partial(bodies.probe, typer, each))
        self._probes = len(self.typers)
        for item in unit.script.items:
            if isinstance(item, tree.Function):
                typer = ProbeTyper(self, len(self.typers), bodies.OUTSIDE)
                self._enter(typer, partial(bodies.function, typer, item))

    def _enter(self, typer: ProbeTyper, run: Callable[[], tuple[core.Stmt, ...]]) -> None:
        self._dirty.add(typer.number)
        self.typers.append(typer)
        self._run.append(run)
        self._rounds.append(0)

    # --- maps and strings

    def map(self, node: tree.MapRef) -> MapState:
        """The map of that name, entered at its first use."""
        state = self.maps.get(node.name)
        if state is None:
            name = f"@{node.name}"
            shared = self._shared.get(node.name)
            if shared is not None:
                key, value = _shared_cells(shared)
            else:
                key = Cell(name, wide=self._in_session) if node.name in self._keyed else None
                value = Cell(name, keeps_aggregates=True, start=I64, wide=self._in_session)
            declared = self._declared.get(node.name)
            state = self.maps[node.name] = MapState(
                len(self.maps), name, node.span, key, value, declared, shared, known=shared is not None
            )
        return state

    def map_of(self, state: MapState, key: Type | None, value: Type) -> core.Map:
        """The map as code uses it, with the types that were found."""
        declared = state.shared or state.declared
        size = declared.size if declared else 1 if key is None else self.unit.config.max_map_keys
        kind = declared.kind if declared else ""
        return core.Map(state.index, state.name, key, value, kind, size, state.span, state.written)

    def string(self, text: str) -> int:
        """The index of a text in `Program.strings`."""
        return self.strings.setdefault(text, len(self.strings))

    def note_unknown_space(self) -> None:
        """Something is read whose address space is not known: worth one warning per script."""
        self.space_unknown = True

    # --- solving

    def solve(self) -> None:
        """Rounds until every type stands.

        At first sums of numbers without a sign of their own get none either (`undecided`). Afterwards they are
        signed, as the rule says, except where a sum feeds back into what it is made of: after
        `$n = 0; $n = $n + 1; $n = nsecs` there is a solution with `$n` unsigned, and it is the one to take.
        """
        self._settle()
        self._dirty |= {typer.number for typer in self.typers if typer.undecided}
        self.hopeful = False
        unfinished = True
        while unfinished:
            self._settle()
            if not self._decide():
                self._give_unwritten_maps_a_type()
            unfinished = bool(self._dirty)

    def _settle(self) -> None:
        while self._dirty:
            number = min(self._dirty)
            self._dirty.discard(number)
            self._round(self.typers[number])

    def _round(self, typer: ProbeTyper) -> None:
        number = typer.number
        self._rounds[number] += 1
        typer.begin(final=False)
        self._run[number]()
        patience = PATIENCE + len(typer.variables)
        if self._rounds[number] > 2 * patience:
            self._unsolvable.add(number)
            return
        for cell in typer.cells:
            cell.widening |= self._rounds[number] > patience
            if cell.publish(number):
                self._dirty |= cell.readers - {number}
        if not typer.settled():
            self._dirty.add(number)

    def _decide(self) -> bool:
        """Decide the compile-time conditions that have a value by now; False if there were none."""
        progress = False
        for typer in self.typers:
            for key, pending in typer.pending.items():
                held = None if pending.value is None else truth(pending.value)
                if held is None or key in typer.decisions:
                    continue
                typer.decisions[key] = held
                for cell in pending.cells:
                    if cell.locked is None and known(cell.final):
                        cell.locked = cell.final
                self._dirty.add(typer.number)
                progress = True
        return progress

    def _give_unwritten_maps_a_type(self) -> None:
        for state in self.maps.values():
            cell = state.value
            if state.known and not cell.published and isinstance(cell.type, Unknown):
                cell.begin(NOBODY)
                cell.add(NOBODY, I8)
                cell.publish(NOBODY)
                self._dirty |= cell.readers

    # --- the result

    def finish(self, diagnostics: Diagnostics) -> core.Program:
        """The last round: everything is typed once more, and what there is to report is reported."""
        probes = []
        self.space_unknown = False
        for typer, run in zip(self.typers, self._run, strict=True):
            typer.begin(final=True)
            body = run()
            for item in typer.diagnostics.items:
                diagnostics.add(item)
            if typer.number < self._probes:
                each = self.unit.probes[typer.number]
                name = bodies.program_name(each, typer.number + 1)
                variables = _stored(typer)
                probes.append(
                    core.Probe(typer.number + 1, name, each.targets, variables, body, each.probe.span, typer.context)
                )
        declarations.check(self, diagnostics)
        if not diagnostics.errors:
            self._check_solved(diagnostics)
            if self.space_unknown:
                diagnostics.warning(None, "Addrspace is not set")
        maps = tuple(
            self.map_of(state, None if state.key is None else state.key.final, state.value.final)
            for state in self.maps.values()
        )
        structs, enums = definitions(probes, maps, self.unit.types)
        return core.Program(
            tuple(probes), maps, self.unit.config, tuple(self.strings), structs, enums, tuple(diagnostics.warnings),
            self.unit.options.check_reads, self.unit.options.surroundings is not None, self.unit.objects,
        )

    def _check_solved(self, diagnostics: Diagnostics) -> None:
        """Where a type depends on itself and grows without end, no place is to blame but the name."""
        for state in self.maps.values():
            if not all(known(cell.final) for cell in (state.key, state.value) if cell is not None):
                diagnostics.error(state.span, "Could not resolve the type of this map")
        for typer in self.typers:
            for variable in typer.variables.values():
                if variable.index in typer.used and not known(variable.cell.final):
                    diagnostics.error(variable.span, "Could not resolve the type of this variable")
        if not diagnostics.errors:
            for number in sorted(self._unsolvable):
                span = self.unit.probes[number].probe.span if number < self._probes else None
                diagnostics.error(span, "Could not resolve the types of this probe")


def _shared_cells(shared: SharedMap) -> tuple[Cell | None, Cell]:
    """The types of a map that others use too."""
    key = None
    if shared.key is not None:
        key = Cell(shared.name, fixed=shared.key, locked=shared.key, shared=True)
    value = Cell(
        shared.name, keeps_aggregates=True, start=I64, fixed=shared.value, locked=shared.value, shared=True
    )
    return key, value


def _stored(typer: ProbeTyper) -> tuple[core.Var, ...]:
    """The variables that have a place: not those without a type (an error), nor aliases of `args`."""
    variables = (typer.used[index] for index in sorted(typer.used))
    return tuple(var for var in variables if known(var.type) and not isinstance(var.type, Context))
