"""Histograms and time series: buckets, labels, bars and charts (LIBRARY 8.3 to 8.5, OUTPUT 4.1 and 4.2)."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.samples import number

_FORMATS = (("text", ("-q",)), ("json", ("-q", "-f", "json")))
_TS = {"BPFTRACE_DUMMY_TS_MAP": "@ts", "BPFTRACE_UNSTABLE_TSERIES": "enable"}
"""The clock of time series is then what the script puts into that map."""


def _both(name: str, script: str, deviates: str = "", **variables: str) -> list[Case]:
    return [
        Case(f"{name}-{how}", script, options, variables=variables, deviates=deviates) for how, options in _FORMATS
    ]


def _n(value: int) -> str:
    return number("int64", value)


def _hist(values: list[int], bits: str = "") -> str:
    return f"begin {{ {' '.join(f'@ = hist({_n(value)}{bits});' for value in values)} }}"


def _lhist(values: list[int], bounds: str) -> str:
    return f"begin {{ {' '.join(f'@ = lhist({_n(value)}, {bounds});' for value in values)} }}"


_POWERS = {
    "small": [-1, 0, 1, 2, 3, 7, 1024],
    "one": [5],
    "zero": [0],
    "negative": [-5, -9000],
    "thousands": [1000, 1023, 1024, 1025, 2047, 2048, 4096],
    "millions": [1 << 19, 1 << 20, (1 << 21) - 1, 1 << 22],
    "giant": [1 << 29, 1 << 30, 1 << 31],
    "tera": [1 << 40, 1 << 41],
    "peta": [1 << 50, 1 << 52],
    "exa": [1 << 60, 1 << 61, (1 << 63) - 1],
    "gap": [1, 1, 1, 4096],
    "bars": [1] * 7 + [2] * 3 + [8] + [16] * 2,
}
_BOUNDS = (
    ("0, 10, 2", [-1, 0, 1, 5, 9, 10, 11]),
    ("0, 10, 1", [3, 4]),
    ("0, 10, 5", [3, 12]),
    ("5, 100, 10", [1, 5, 14, 94, 95, 99, 100, 101]),
    ("0, 10240, 1024", [0, 1023, 1024, 9300, 20000]),
    ("0, 10485760, 1048576", [5, 1048576, 10485760]),
    ("512, 10240, 1024", [600, 511, 9800]),
    ("0, 1000, 1", [0, 999, 1000]),
    ("0, 3, 3", [1, 3, 4]),
    ("100, 1100, 500", [99, 600]),
    ("0, 4096, 2048", [2048, 4000]),
)
_SERIES = {
    "plain": ((0, 1), (1, 2), (2, 3), (3, 2)),
    "gap": ((0, 1), (3, -2)),
    "signed": ((0, -3), (1, 0), (2, 5)),
    "one": ((5, 9),),
    "same": ((0, 4), (1, 4)),
    "twice": ((0, 4), (0, 6), (1, 1)),
    "window": tuple((n, n * n) for n in range(8)),
}


def _tseries(points: tuple[tuple[int, int], ...], interval: int, form: str, key: str = "") -> str:
    base = 1700000000 * 10**9 // interval * interval
    steps = [f"@ts = (uint64){base + n * interval + 7}; @s{key} = tseries({_n(value)}, {interval}{form});" for n, value in points]
    return f"begin {{ {' '.join(steps)} }} end {{ clear(@ts); }}"


CASES = (
    *(case for name, values in _POWERS.items() for case in _both(f"hist-{name}", _hist(values))),
    *(
        case
        for bits in range(1, 6)
        for name in ("small", "thousands", "millions", "exa", "negative")
        for case in _both(f"hist-{name}-{bits}", _hist(_POWERS[name], f", {bits}"))
    ),
    *(
        case
        for bounds, values in _BOUNDS
        for case in _both(f"lhist-{bounds.replace(', ', '-')}", _lhist(values, bounds))
    ),
    *_both("hist-unsigned", "begin { @ = hist(18446744073709551615); @ = hist((uint64)3); }"),
    *_both("hist-keys", 'begin { @["a", 1] = hist(3); @["b", 2] = hist(4); @["b", 2] = hist(40); @[(1, "x").1, 0] = hist(1); }'),
    *_both("hist-zeroed", "begin { @ = hist(3); @k[1] = hist(3); @k[2] = hist(8); zero(@); zero(@k); @k[1] = hist(9); print(@); }"),
    *_both("hist-print", "begin { @[1] = hist(3); @[2] = hist(3); @[2] = hist(3); @[3] = hist(9); print(@, 1); print(@, 2, 2); print(@, 0, 3); clear(@); print(@); }"),
    *_both("lhist-print", "begin { @[1] = lhist(3, 0, 9, 3); @[2] = lhist(3, 0, 9, 3); @[2] = lhist(7, 0, 9, 3); print(@, 1); print(@, 2, 2); clear(@); print(@); }"),
    *_both("hist-deleted", "begin { @[1] = hist(3); @[2] = hist(3); if (delete(@, 1)) { print(len(@)); } }", "it does not delete keys of histograms"),
    *_both("hist-large-count", "begin { for ($i : 0..1000) { @ = hist(1); if ($i < 333) { @ = hist(4); } if ($i < 1) { @ = hist(16); } } }"),
    *(
        case
        for name, points in _SERIES.items()
        for case in _both(f"tseries-{name}", _tseries(points, 100_000_000, ", 5"), **_TS)
    ),
    *(
        case
        for form in ("avg", "sum", "min", "max")
        for name in ("plain", "gap", "twice", "window")
        for case in _both(f"tseries-{form}-{name}", _tseries(_SERIES[name], 1_000_000_000, f', 6, "{form}"'), **_TS)
    ),
    *(
        case
        for interval in (1, 250, 1000, 1_000_000, 1_000_000_000, 60_000_000_000)
        for case in _both(f"tseries-every-{interval}", _tseries(_SERIES["signed"], interval, ", 4"), **_TS)
    ),
    *_both(
        "tseries-keys",
        "begin { @ts = (uint64)1700000000000000000; @s[\"b\"] = tseries(1, 1s, 4); @s[\"a\"] = tseries(5, 1s, 4); "
        "@ts = (uint64)1700000002000000000; @s[\"a\"] = tseries(3, 1s, 4); @u[1] = tseries((uint64)7, 1s, 4); print(@s, 1); } end { clear(@ts); }",
        "it shows all series, however few print() asks for",
        **_TS,
    ),
    *_both("tseries-cleared", "begin { @ts = (uint64)1700000000000000000; @s = tseries(1, 1s, 4); @t = tseries(1, 1s, 4); clear(@s); zero(@t); print(@s); } end { clear(@ts); }", **_TS),
)  # fmt: skip
