"""All cases, by family."""

from __future__ import annotations

from tests.differential import aggregations, failures, formats, histograms, keys, rejections, values

ALL = {
    "aggregations": aggregations.CASES,
    "failures": failures.CASES,
    "formats": formats.CASES,
    "histograms": histograms.CASES,
    "keys": keys.CASES,
    "rejections": rejections.CASES,
    "values": values.CASES,
}
