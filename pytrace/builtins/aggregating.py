"""The map functions as the checker sees them: signatures and literal arguments (LIBRARY 8.2).

What they do is in `pytrace.aggregations`. `check` gives a `Call` whose type is the `Aggregate` with the literal
arguments as its parameters; the remaining arguments are evaluated at run time, in 64 bits.
"""

from __future__ import annotations

from pytrace.aggregations.hist import MAX_BITS
from pytrace.aggregations.lhist import MAX_BUCKETS
from pytrace.aggregations.tseries import AGGREGATIONS, MOST_INTERVALS
from pytrace.builtins.checks import as_u64, kind, unknown
from pytrace.builtins.registry import Builtin, CallSite, Check, Typer, declare
from pytrace.frozen import replace
from pytrace.semantics import program as core
from pytrace.semantics.types import UNKNOWN, Aggregate, Enum, Int
from pytrace.syntax import tree

FAMILY = "aggregations"


def _number(t: Typer, site: CallSite, index: int, name: str) -> int | None:
    """A literal that is not negative, else an error that names the parameter."""
    value = t.literal(site.given[index])
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    t.error(site.span, f"{site.name}: invalid {name} value (must be non-negative literal)")
    return None


def _aggregate(t: Typer, site: CallSite, params: tuple[int | str, ...] = ()) -> core.Expr:
    """The call for the value that is the first argument."""
    node = site.given[0]
    if isinstance(node, tree.Typeof):
        return t.error(node.span, "an integer is expected here, not a type")
    # A count or sum is not taken for its integer here: whoever aggregates aggregations says so with a cast.
    value = t.expr(node)
    if unknown(value):
        return core.Call(Aggregate(site.name, False, params), site.span, site.name, (core.Zero(UNKNOWN, node.span),))
    if not isinstance(value.type, Int | Enum):
        wanted, given = ("integer", str(value.type)) if not params else ("int", kind(value.type))
        return t.error(site.span, f"{site.name}() only supports {wanted} arguments ({given} provided)")
    signed = isinstance(value.type, Int) and value.type.signed
    return core.Call(Aggregate(site.name, signed, params), site.span, site.name, (as_u64(value),))


def _check_count(site: CallSite, t: Typer) -> core.Expr:
    return core.Call(Aggregate("count", False), site.span, "count")


def _check_hist(site: CallSite, t: Typer) -> core.Expr:
    bits: int | None = 0
    if len(site.given) > 1:
        bits = _number(t, site, 1, "bits")
        if bits is None:
            return core.Zero(UNKNOWN, site.span)
        if bits > MAX_BITS:
            return t.error(site.span, f"{site.name}: bits {bits} must be 0..{MAX_BITS}")
    return _aggregate(t, site, (bits or 0,))


def _check_lhist(site: CallSite, t: Typer) -> core.Expr:
    bounds = [_number(t, site, index, name) for index, name in ((1, "min"), (2, "max"), (3, "step"))]
    lowest, highest, step = bounds
    if lowest is None or highest is None or step is None:
        return core.Zero(UNKNOWN, site.span)
    problem = ""
    if step < 1:
        problem = f"step must be >= 1 ({step} provided)"
    elif lowest > highest:
        problem = f"min must be less than max (provided min {lowest} and max {highest})"
    elif (buckets := (highest - lowest) // step) > MAX_BUCKETS:
        problem = f"too many buckets, must be <= {MAX_BUCKETS} (would need {buckets})"
    elif highest - lowest < step:
        problem = f"step is too large for the given range (provided step {step} for range {highest - lowest})"
    if problem:
        return t.error(site.span, f"lhist() {problem}")
    return _aggregate(t, site, (lowest, highest, step))


def _check_tseries(site: CallSite, t: Typer) -> core.Expr:
    interval, number = _number(t, site, 1, "interval_ns"), _number(t, site, 2, "num_intervals")
    if interval is None or number is None:
        return core.Zero(UNKNOWN, site.span)
    problem = aggregation = ""
    if len(site.given) > 3:
        value = t.literal(site.given[3])
        choices = ", ".join(AGGREGATIONS)
        if not isinstance(value, bytes):
            problem = f"expects the name of an aggregation function: {choices}"
        elif (aggregation := value.decode("latin-1")) not in AGGREGATIONS:
            problem = f'expects one of the following aggregation functions: {choices} ("{aggregation}" provided)'
    if interval < 1:
        problem = f"interval_ns must be >= 1 ({interval} provided)"
    elif number < 1:
        problem = f"num_intervals must be >= 1 ({number} provided)"
    elif number > MOST_INTERVALS:
        problem = f"num_intervals must be <= {MOST_INTERVALS} ({number} provided)"
    if problem:
        return t.error(site.span, f"tseries() {problem}")
    call = _aggregate(t, site, (interval, number, *((aggregation,) if aggregation else ())))
    if t.config.dummy_ts_map and isinstance(call, core.Call):
        clock = t.value(tree.MapRef(site.span, t.config.dummy_ts_map.removeprefix("@")))
        if isinstance(clock.type, Int):
            return replace(call, args=(*call.args, as_u64(clock)))
    return call


def _declare(name: str, check: Check, signatures: tuple[str, ...], doc: str, arity: tuple[int, int]) -> None:
    declare(Builtin(name, check, None, signatures, doc, FAMILY, arity, map_function=True))


_declare("count", _check_count, ("@m = count()",), "How often it was called.", (0, 0))
for _name, _doc in (
    ("sum", "The sum of the values, modulo 2^64."),
    ("min", "The smallest value."),
    ("max", "The greatest value."),
    ("avg", "The average of the values, as an integer."),
    ("stats", "Number, average and sum of the values."),
):
    _declare(_name, lambda site, t: _aggregate(t, site), (f"@m = {_name}(n)",), _doc, (1, 1))
_declare(
    "hist",
    _check_hist,
    ("@m = hist(n)", "@m = hist(n, k)"),
    "A histogram in powers of two, each divided into 2^k buckets (k = 0 to 5).",
    (1, 2),
)
_declare(
    "lhist",
    _check_lhist,
    ("@m = lhist(n, min, max, step)",),
    "A histogram in equal steps from min to max.",
    (4, 4),
)
_declare(
    "tseries",
    _check_tseries,
    ("@m = tseries(n, interval, num)", '@m = tseries(n, interval, num, "sum")'),
    "The values of the last `num` intervals (in nanoseconds): of each the last one, or its avg, max, min or sum.",
    (3, 4),
)
