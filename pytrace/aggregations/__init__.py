"""The map functions by name (LIBRARY 8.2). `AGGREGATIONS` imports the file of one when it is asked for."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Any, Iterator, Mapping
from pytrace.once import imported

if TYPE_CHECKING:
    from pytrace.aggregations.aggregation import Aggregation as Aggregation
    from pytrace.aggregations.aggregation import Copies as Copies
    from pytrace.aggregations.histogram import Bucket as Bucket
    from pytrace.aggregations.histogram import Histogram as Histogram
    from pytrace.aggregations.tseries import Tseries as Tseries

__all__ = ["AGGREGATIONS", "Aggregation", "Bucket", "Copies", "Histogram", "Tseries"]

_CLASSES = {
    "count": ("count", "Count"), "sum": ("total", "Sum"), "min": ("extreme", "Min"), "max": ("extreme", "Max"),
    "avg": ("mean", "Avg"), "stats": ("mean", "Stats"), "hist": ("hist", "Hist"), "lhist": ("lhist", "Lhist"),
    "tseries": ("tseries", "Tseries"),
}  # fmt: skip
_FILES = {
    "Aggregation": "aggregation", "Copies": "aggregation", "Bucket": "histogram", "Histogram": "histogram",
    "Tseries": "tseries",
}  # fmt: skip


class _Aggregations(Mapping[str, "Aggregation"]):
    def __init__(self) -> None:
        self._made: dict[str, Aggregation] = {}

    def __getitem__(self, name: str) -> Aggregation:
        made = self._made.get(name)
        if made is None:
            file, class_name = _CLASSES[name]
            made = self._made[name] = getattr(imported(f"{__name__}.{file}"), class_name)()
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


AGGREGATIONS: Mapping[str, Aggregation] = _Aggregations()


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(imported(f"{__name__}.{_FILES[name]}"), name)
