"""Single values: printed, in variables and maps, as text and as JSON (OUTPUT 3 and 6)."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.samples import ALL, Sample

_ADDRESS = "it stores the nearest symbol's address in the map"
_CRASH = "it crashes"
_DEVIATIONS = {
    "ksym_zero-text": _ADDRESS, "ksym_zero-json": _ADDRESS, "ksym_unknown-text": _ADDRESS, "ksym_unknown-json": _ADDRESS,
    "either-text": _CRASH, "either-json": _CRASH,
    "string_utf8-json": "its bytes from 0x80 are no JSON (OUTPUT 6)",
}  # fmt: skip
_USES = "print({0}); $v = {0}; print($v); print(($v, 1)); @m = {0}; print(@m);"


def _case(sample: Sample, how: str, options: tuple[str, ...]) -> Case:
    name = f"{sample.name}-{how}"
    script = sample.script(_USES.replace("{0}", sample.text))
    return Case(name, script, options, deviates=_DEVIATIONS.get(name, ""))


CASES = tuple(
    _case(sample, how, options)
    for options, how in (((), "text"), (("-f", "json"), "json"))
    for sample in ALL
    if sample.name != "strerror"  # whose library code is warned about there
)
