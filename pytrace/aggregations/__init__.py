"""The map functions by name (LIBRARY 8.2)."""

from __future__ import annotations

from pytrace.aggregations.aggregation import Aggregation, Copies
from pytrace.aggregations.count import Count
from pytrace.aggregations.extreme import Max, Min
from pytrace.aggregations.hist import Hist
from pytrace.aggregations.histogram import Bucket, Histogram
from pytrace.aggregations.lhist import Lhist
from pytrace.aggregations.mean import Avg, Stats
from pytrace.aggregations.total import Sum
from pytrace.aggregations.tseries import Tseries

__all__ = ["AGGREGATIONS", "Aggregation", "Bucket", "Copies", "Histogram", "Tseries"]

AGGREGATIONS: dict[str, Aggregation] = {
    aggregation.name: aggregation
    for aggregation in (Count(), Sum(), Min(), Max(), Avg(), Stats(), Hist(), Lhist(), Tseries())
}
