"""Histograms and time series as text (OUTPUT 4.1, 4.2)."""

from __future__ import annotations

import struct
import time

from pytrace.hints import Sequence

__all__ = ["Row", "histogram", "time_series"]

_BAR = 52
_FLOAT = struct.Struct("<f")


def _single(value: float) -> float:
    """The nearest number of single precision: bars are measured in it, and round as it does."""
    result: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    return result


def _bar(count: int, greatest: int) -> bytes:
    if not greatest:
        return b" " * _BAR
    length = int(_single(_single(_single(count) / _single(greatest)) * _BAR))
    return (b"@" * length).ljust(_BAR)


def histogram(rows: Sequence[tuple[bytes, int]]) -> bytes:
    """One line for each (label, count)."""
    greatest = max((count for _, count in rows), default=0)
    return b"".join([b"%-16s%8d |%s|\n" % (label, count, _bar(count, greatest)) for label, count in rows])


Row = tuple[int, int | None]
"""The start of an interval in nanoseconds since 1970, and its value if it has one."""

_WIDTH = 53
_UNITS = ((1_000_000_000, "s", 0), (1_000_000, "ms", 3), (1_000, "μs", 6), (0, "ns", 9))


def _unit(rows: Sequence[Row]) -> tuple[str, int]:
    """The name of the unit that tells the rows apart, and how many digits it takes."""
    interval = (rows[-1][0] - rows[0][0]) // (len(rows) - 1) if len(rows) > 1 else 0
    return next((name, digits) for least, name, digits in _UNITS if interval >= least)


def _clock(nanoseconds: int, digits: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = time.strftime("%H:%M:%S", time.localtime(seconds))
    return f"{text}.{fraction:09d}"[: 9 + digits] if digits else text


def _range(rows: Sequence[Row], signed: bool) -> tuple[int, int]:
    values = [value for _, value in rows if value is not None]
    low, high = min(values, default=0), max(values, default=0)
    if low == high:
        least, most = (-(1 << 63), (1 << 63) - 1) if signed else (0, (1 << 64) - 1)
        low, high = max(low - 1, least), min(high + 1, most)
    return low, high


def time_series(rows: Sequence[Row], *, signed: bool) -> bytes:
    """The chart of a series; `signed` tells the type of its values."""
    if not rows:
        return b"<no data>\n"
    low, high = _range(rows, signed)
    unit, digits = _unit(rows)
    width = 8 + (1 + digits if digits else 0)
    scale = f"{'':{width + 1}}{low:<21}{high:>32}\n".encode()
    # The heading is padded by bytes, of which μ has two.
    heading = (f"hh:mm:ss.{unit}" if digits else "hh:mm:ss").encode().ljust(width + 1)
    lines = [scale, heading, b"|", b"_" * (_WIDTH - 2), b"|\n"]
    zero = _WIDTH * -low // (high - low) if low < 0 < high else 0
    for start, value in rows:
        field = bytearray(b"|" + b" " * (_WIDTH - 2) + b"|")
        if zero:
            field[zero] = ord(".")
        if value is not None:
            field[min(max((_WIDTH - 1) * (value - low) // (high - low), 0), _WIDTH - 1)] = ord("*")
        shown = b"-" if value is None else b"%d" % value
        lines.append(b"%s %s %s\n" % (_clock(start, digits).encode(), bytes(field), shown))
    lines += [b" " * (width + 1), b"v", b"_" * (_WIDTH - 2), b"v\n", scale]
    return b"".join(lines)
