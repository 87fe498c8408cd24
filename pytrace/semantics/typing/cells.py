"""What is being solved: the types of variables, of map keys and of map values.

A `Cell` is one such type. Each probe that stores something into it has a `Share`: what its sources join to in the
present round. The type of the cell is always computed from all shares anew, never widened in place, so that what a
source was taken for in an early round leaves no trace: after `$x = $b + 1; $b = nsecs` the sum is unsigned, although
it looked signed at first.

Within a round a cell reads as what this round has found as soon as all sources of the previous round were seen
again, and as the previous result before that: types then travel along a chain of assignments in one round.
"""

from __future__ import annotations

from pytrace.frozen import field, record, replace
from pytrace.semantics.literals import Value
from pytrace.semantics.types import I64, U64, UNKNOWN, Aggregate, Enum, Int, Pointer, Tuple, Type, Unknown
from pytrace.semantics.typing.lattice import exact, integral, join

__all__ = ["Cell", "Pending", "Share"]


@record
class Share:
    """What one probe contributes to a cell.

    `sources` is the common type of what it stores. `loans` are aggregations that it assigns from other maps: they
    count as integers where the cell is one otherwise (LANGUAGE 18.5). `steps` are the operators of `++` and `--`,
    which widen what the other sources make of the cell.
    """

    sources: Type = UNKNOWN
    loans: Type = UNKNOWN
    steps: frozenset[str] = frozenset()
    count: int = 0

    def same(self, other: Share) -> bool:
        return self.steps == other.steps and exact(self.sources, other.sources) and exact(self.loans, other.loans)


@record
class Cell:
    """A type to be solved.

    `fixed` is a declared type, which sources must fit. `locked` is a type that a compile-time condition relied on.
    `shared` tells that the fixed type is that of a map which others use too: sources may not widen it either.
    `wide` makes integers take 64 bits: what others will store in a session is not known yet.
    `keeps_aggregates` tells a map's value, which may be an aggregation but not mix one with integers. `start` is the
    type that `++` begins with where nothing is assigned (maps).
    """

    name: str
    keeps_aggregates: bool = False
    start: Type = UNKNOWN
    fixed: Type | None = None
    shared: bool = False
    wide: bool = False
    locked: Type | None = None
    type: Type = UNKNOWN
    published: dict[int, Share] = field(default_factory=dict)
    current: dict[int, Share] = field(default_factory=dict)
    readers: set[int] = field(default_factory=set)
    _total: Share = field(default_factory=Share)
    widening: bool = False
    """Set when solving takes suspiciously long: from then on sources only widen, so that it ends."""

    # --- within a round

    def begin(self, probe: int) -> None:
        """A new round of a probe: nothing seen yet."""
        self.current[probe] = Share()

    def share(self, probe: int) -> Share:
        share = self.current.get(probe)
        if share is None:
            share = self.current[probe] = Share()
        return share

    def add(self, probe: int, source: Type) -> bool:
        """A source of the cell; False if it disagrees with the others of this probe."""
        share = self.share(probe)
        share.count += 1
        joined = self.join(share.sources, source)
        if joined is None:
            return False
        share.sources = joined
        return True

    def lend(self, probe: int, aggregate: Type) -> None:
        """A source that is an aggregation of another map."""
        share = self.share(probe)
        share.count += 1
        share.loans = _borrow(share.loans, aggregate)

    def step(self, probe: int, op: str) -> None:
        """`++` or `--` on what the cell types."""
        share = self.share(probe)
        share.count += 1
        share.steps |= {op}

    def read(self, probe: int) -> Type:
        """The type as far as it is known at this place of the round."""
        if self.fixed is not None:
            return self.fixed
        share, before = self.current.get(probe), self.published.get(probe)
        if share is None or share.count < (before.count if before else 1) or (before and share.same(before)):
            return self._held(self.type)
        merged = _merge(self, share, self._total) if before is None else self._sum({**self.published, probe: share})
        return self._held(self._solved(merged))

    # --- between rounds

    def publish(self, probe: int) -> bool:
        """Take over what a round of a probe found; True if the cell's type changed."""
        share = self.current.get(probe) or Share()
        before = self.published.get(probe)
        if self.widening and before is not None:
            share.sources = self.join(before.sources, share.sources) or before.sources
        self.published[probe] = share
        if before is not None and before.same(share):
            return False
        self._total = _merge(self, share, self._total) if before is None else self._sum(self.published)
        solved = self._solved(self._total)
        if exact(solved, self.type):
            return False
        self.type = solved
        return True

    @property
    def final(self) -> Type:
        """The solved type."""
        return self.fixed or self._held(self.type)

    def _held(self, solved: Type) -> Type:
        """The locked type, if there is one; with the remarks that the sources justify."""
        return solved if self.locked is None or solved == self.locked else self.locked

    def join(self, a: Type, b: Type) -> Type | None:
        """The common type of two sources of this cell."""
        if self.keeps_aggregates and isinstance(a, Aggregate) != isinstance(b, Aggregate):
            return a if isinstance(b, Unknown) else b if isinstance(a, Unknown) else None
        return join(a, b)

    def _sum(self, shares: dict[int, Share]) -> Share:
        """What the shares come to, in the order of the probes."""
        total = Share()
        for probe in sorted(shares):
            total = _merge(self, shares[probe], total)
        return total

    def _solved(self, total: Share) -> Type:
        solved = total.sources
        if isinstance(solved, (Int, Enum)):
            borrowed = integral(total.loans)
            solved = (join(solved, borrowed) or solved) if borrowed else solved
        if total.steps:
            solved = _stepped(solved, total.steps, self.start)
        return _widest(solved) if self.wide else solved


def _merge(cell: Cell, share: Share, total: Share) -> Share:
    """A total with one more share."""
    return Share(
        cell.join(total.sources, share.sources) or total.sources,
        _borrow(total.loans, share.loans),
        total.steps | share.steps,
    )


@record
class Pending:
    """A compile-time condition that depends on types: its value in the present round, and the cells it read."""

    value: Value | None
    cells: list[Cell]


def _borrow(a: Type, b: Type) -> Type:
    """What two loans have in common: the aggregation, if it is the same, else an integer."""
    joined = join(a, b)
    if joined is None:
        left, right = integral(a), integral(b)
        joined = join(left, right) if left and right else None
    return joined or a


def _widest(type_: Type) -> Type:
    match type_:
        case Int():
            return replace(type_, size=8)
        case Tuple(elems=elems):
            return Tuple(tuple(map(_widest, elems)))
    return type_


def _stepped(type_: Type, steps: frozenset[str], start: Type) -> Type:
    if isinstance(type_, Unknown):
        return start
    if isinstance(type_, Pointer):
        return type_
    whole = integral(type_)
    if whole is None or not isinstance(type_, (Int, Enum)):
        return type_
    for op in sorted(steps):
        whole = join(whole, I64 if op == "--" or whole.signed else U64) or whole  # type: ignore[assignment]
    return whole
