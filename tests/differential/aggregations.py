"""Map functions: what they add up to, in which order entries come, and `print` with `top` and `div` (LIBRARY 8.2)."""

from __future__ import annotations

from tests.differential.case import Case

_FORMATS = (("text", ("-q",)), ("json", ("-q", "-f", "json")))
_VALUES = {
    "positive": ("7", "8", "1", "1000"),
    "mixed": ("(int64)7", "(int64)-3", "(int64)-900", "(int64)12"),
    "negative": ("-7", "-8", "-1"),
    "unsigned": ("(uint64)7", "18446744073709551615", "(uint64)3"),
    "wide": ("9223372036854775807", "9223372036854775807", "(int64)5"),
    "least": ("-9223372036854775807", "-9223372036854775807", "(int64)-9"),
    "narrow": ("(uint16)65535", "(uint16)1"),
    "one": ("5",),
    "zero": ("0", "0"),
}
_FUNCTIONS = ("sum", "min", "max", "avg", "stats", "hist")
_ENTRIES = (
    ("a", (5, 6)), ("b", (-40,)), ("c", (100, 1, 1)), ("d", (0, 0, 0, 9)), ("e", (77, -77, 2, 2, -90)), ("f", (3000,) * 6),
)  # fmt: skip
"""Keys, and the values that each gets. No two have equal results, whose order would be left open."""


def _both(name: str, script: str, *options: str, json: str = "") -> list[Case]:
    """The case as text and as JSON; `json` says why the latter deviates."""
    return [
        Case(f"{name}-{how}", script, (*form, *options), deviates=json if how == "json" else "")
        for how, form in _FORMATS
    ]


def _scalar(function: str, values: tuple[str, ...]) -> str:
    updates = " ".join(f"@x = {function}({value}); @k[1] = {function}({value});" for value in values)
    return f"begin {{ {updates} print(@x); print(@k); }}"


def _sorted(function: str, cast: str, more: str = "") -> str:
    updates = [f'@m["{key}"] = {function.format(f"({cast}){value}")};' for key, values in _ENTRIES for value in values]
    return f"begin {{ {' '.join(updates)} {more} }}"


def _entries(values: dict[str, str]) -> str:
    return " ".join(f'@m["{key}"] = {value};' for key, value in values.items())


_PLAIN = {
    "int64": {"a": "(int64)5", "b": "(int64)-40", "c": "(int64)100", "d": "(int64)0", "e": "(int64)-1"},
    "uint64": {"a": "(uint64)5", "b": "18446744073709551615", "c": "(uint64)100", "d": "(uint64)0"},
    "enum": {"a": "BLUE", "b": "RED", "c": "GREEN"},
}
_PRINTS = ("@m, 0", "@m, 1", "@m, 3", "@m, 100", "@m, 0, 10", "@m, 2, 7", "@m, 0, 0", "@m, 0, 1", "@m, 3, 1000")
_ENUM = "enum colour { RED = 1, GREEN = 5, BLUE = 3 };\n"

CASES = (
    *(
        case
        for function in _FUNCTIONS
        for name, values in _VALUES.items()
        for case in _both(f"{function}-{name}", _scalar(function, values))
    ),
    *_both("count", "begin { @x = count(); @x = count(); @k[1] = count(); @k[2] = count(); @k[2] = count(); print(@x); print(@k); }"),
    *(
        case
        for name, function in (
            ("count", "count()"), ("sum", "sum({})"), ("min", "min({})"), ("max", "max({})"), ("avg", "avg({})"),
            ("stats", "stats({})"), ("hist", "hist({})"), ("lhist", "lhist({}, 0, 100, 20)"),
        )
        for cast in ("int64", "uint64")
        for case in _both(f"sorted-{name}-{cast}", _sorted(function, cast))
    ),
    *(
        case
        for name, function in (
            ("count", "count()"), ("sum", "sum({})"), ("min", "min({})"), ("max", "max({})"), ("avg", "avg({})"),
            ("stats", "stats({})"), ("hist", "hist({})"), ("lhist", "lhist({}, 0, 100, 20)"),
        )
        for case in _both(
            f"print-{name}",
            _sorted(function, "int64", " ".join(f"print({each});" for each in _PRINTS)),
            "--no-warnings",
        )
    ),
    *(
        case
        for name, values in _PLAIN.items()
        for case in _both(
            f"plain-{name}",
            f"{_ENUM if name == 'enum' else ''}begin {{ {_entries(values)} {' '.join(f'print({each});' for each in _PRINTS)} }}",
        )
    ),
    *_both(
        "elements",
        'begin { @c["a"] = count(); @s["a"] = sum(-4); @n["a"] = min(-4); @x["a"] = max(9); @a["a"] = avg(7); @a["a"] = avg(8); '
        'print(@c["a"]); print(@s["a"]); print(@n["a"]); print(@x["a"]); print(@a["a"]); '
        'print((@c["a"], @s["a"], @a["a"])); printf("%s %s %d\\n", @c["a"], @a["a"], (int64)@s["a"]); }',
    ),
    *_both(
        "casts",
        "begin { @c = count(); @s = sum(-7); @s = sum(2); @n = min(-4); @n = min(9); @x = max(-9); @x = max(-8); @a = avg(-5); @a = avg(2); "
        "print(((int64)@c, (int64)@s, (int64)@n, (int64)@x, (int64)@a)); $y = @s; print($y); print(@s < 0); print(@a + 1); "
        "if (@x > -9) { print(1); } @k[@c] = 3; }",
    ),
    *_both(
        "loops",
        'begin { @c["a"] = count(); @s["b"] = sum(5); @n["c"] = min(-3); @x["d"] = max(3); @a["e"] = avg(9); '
        "for ($kv : @c) { print($kv); } for ($kv : @s) { print($kv); } for ($kv : @n) { print($kv); } "
        "for ($kv : @x) { print($kv); } for ($kv : @a) { print(($kv.0, $kv.1)); } }",
    ),
    *_both("clear", "begin { @a = 1; @b[1] = 2; @c = count(); @h = hist(3); @s[1] = stats(2); clear(@a); clear(@b); clear(@c); clear(@h); clear(@s); }", json="it prints a line for a map that is empty (OUTPUT 6)"),
    *_both("zero", 'begin { @a = 1; @b[1] = 2; @c = count(); @h = hist(3); @l[1] = lhist(3, 0, 10, 1); @s[1] = stats(2); @t[1] = "x"; @m[2] = min(3); zero(@a); zero(@b); zero(@c); zero(@h); zero(@l); zero(@s); zero(@t); zero(@m); }'),
    *_both("unwritten", "begin { if (0) { @a = 1; @b[1] = 2; @c = count(); @h = hist(3); @s = stats(3); @t = \"x\"; @v = avg(3); } print(@a); print(@b); print(@c); print(@h); print(@s); print(@t); print(@v); }", json="it prints a line for a map that is empty (OUTPUT 6)"),
    *_both("names", "begin { @b1 = 1; @ = 2; @a_b = 3; @Z = 4; @a = 5; @A = 6; @_a = 7; @x = 8; @a1 = 9; @B = 10; }"),
    *_both("no-maps-on-exit", "config = { print_maps_on_exit = false } begin { @a = 1; @b[2] = 3; print(@a); }"),
)
