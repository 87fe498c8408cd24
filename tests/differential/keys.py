"""Map keys of every shape, and the order in which entries are shown (OUTPUT 4)."""

from __future__ import annotations

from tests.differential.case import Case
from tests.differential.samples import ALL, Sample, number

_TEXT, _JSON = ("-q",), ("-q", "-f", "json")
_LEFT_OUT = ("usym_unknown", "ksym_zero", "ksym_unknown", "strerror")
"""Where bpftrace makes keys of what happens to lie in memory, or warns about its own library."""
_SHAPES = tuple(sample for sample in ALL if sample.name not in _LEFT_OUT)
_DEVIATIONS = {
    "either-text": "it crashes",
    "either-json": "it crashes",
    "string_utf8-json": "its bytes from 0x80 are no JSON (OUTPUT 6)",
}

_NUMBERS = (-3, 200, -70000, 0, 5, 100, -1)
_STRINGS = ("b", "a", "", "ab", "B", "~", "10", "9", "a b", "(p)")


def _order(name: str, keys: list[str], value: str = '"v"') -> list[Case]:
    """Maps whose values have no order of their own: the keys decide."""
    body = " ".join(f"@m[{key}] = {value};" for key in keys)
    return [Case(f"order-{name}-{how}", f"begin {{ {body} }}", options) for how, options in (("text", _TEXT), ("json", _JSON))]


def _typed(type_: str, values: tuple[int, ...]) -> list[str]:
    return [number(type_, value) for value in values]


def _shape(sample: Sample, how: str, options: tuple[str, ...]) -> Case:
    text = sample.text
    body = f"@m[{text}] = 1; @two[{text}, 7] = count(); @nested[(1, {text})] = \"v\"; @h[{text}] = hist(2);"
    name = f"{sample.name}-{how}"
    return Case(name, sample.script(body), options, deviates=_DEVIATIONS.get(name, ""))


CASES = (
    *(_shape(sample, how, options) for how, options in (("text", _TEXT), ("json", _JSON)) for sample in _SHAPES),
    *_order("int64", _typed("int64", _NUMBERS)),
    *_order("int32", _typed("int32", _NUMBERS)),
    *_order("int8", [str(value) for value in (-3, 100, 0, 5, -128, 127)]),
    *_order("uint64", _typed("uint64", (3, (1 << 64) - 2, 0, 1 << 63))),
    *_order("uint32", _typed("uint32", (3, 0xFFFFFFFF, 0, 1 << 31))),
    *_order("uint8", _typed("uint8", (3, 255, 0, 128))),
    *_order("string", [f'"{text}"' for text in _STRINGS]),
    *_order("string-capital", ['"zz"', '"Zz"', '"_z"', '"z"']),
    *_order("pair", ["2, 1", "1, 2", "1, 1", "2, -1", "-1, 5"]),
    *_order("pair-wide", ["(int64)2, (int64)1", "(int64)1, (int64)2", "(int64)1, (int64)1", "(int64)-1, (int64)9"]),
    *_order("number-string", ['1, "b"', '1, "a"', '0, "z"', '-4, "c"']),
    *_order("string-number", ['"b", 1', '"a", 2', '"a", 1', '"", 9']),
    *_order("triple", ["1, 2, 3", "1, 1, 4", "0, 9, 9", "1, 2, -3"]),
    *_order("record", ['(a=2, b="x")', '(a=1, b="y")', '(a=1, b="x")']),
    *_order("values-tuple", ["3", "1", "2"], "(1, 2)"),
    *_order("values-bool", ["3", "1", "2"], "true"),
    *_order("values-pointer", ["3", "1", "2"], "(int8*)7"),
    *_order("values-record", ["3", "1", "2"], "(a=1)"),
)
