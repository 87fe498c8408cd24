"""Format strings: every conversion with flags, widths and lengths, for values of every type (LIBRARY 3)."""

from __future__ import annotations

from itertools import product

from tests.differential.case import Case
from tests.differential.samples import OTHERS, Sample, number

_FLAGS = ["".join(flags) for flags in product(("", "-"), ("", "+"), ("", " "), ("", "#"), ("", "0"))]
_WIDTHS = ("", "9")
_LENGTHS = ("", "hh", "h", "l", "ll", "j", "z", "t", "L", "hhh", "lh")

_NUMBERS = (
    *(
        Sample(f"{u}int{bits}", number(f"{u}int{bits}", value))
        for bits in (8, 16, 32, 64)
        for u, value in (("", -5), ("u", 200))
    ),
    Sample("int8_zero", "0"),
    Sample("int64_large", "0x12345678abcdef"),
    Sample("bool", "true"),
    Sample("pointer", "(int32*)4660"),
    Sample("enum", "GREEN"),
)


def _printf(conversions: list[str], value: str) -> str:
    """A printf that shows one value by each of the conversions."""
    return f'printf("{"|".join(conversions)}\\n"{f", {value}" * len(conversions)});'


def _number_case(conversion: str, sample: Sample) -> Case:
    full = [f"%{flags}{width}{conversion}" for flags in _FLAGS for width in _WIDTHS]
    lengths = [f"%{flags}{length}{conversion}" for length in _LENGTHS for flags in ("", "+#012")]
    body = f"$v = {sample.text}; {_printf(full, '$v')} {_printf(lengths, '$v')}"
    return Case(f"{conversion}-{sample.name}", sample.script(body), ("-q",))


def _text_case(conversion: str, sample: Sample) -> Case:
    forms = [f"%{flags}{width}{conversion}" for flags in ("", "-", "0", "-0", "+", " ", "#") for width in ("", "3", "24")]
    forms += [f"%.2{conversion}", f"%l{conversion}", f"%*{conversion}"]
    calls = " ".join(_printf(forms[at : at + 8], "$v") for at in range(0, len(forms), 8))
    name = f"{conversion}-{sample.name}"
    return Case(
        name, sample.script(f"$v = {sample.text}; {calls}"), ("-q",),
        deviates="it crashes" if name in ("s-flags", "s-either") else "",
    )  # fmt: skip


_BUFFER = Sample("buffer", r'buf("ab\n\x01 \\z\x7f\xff", 8)')
_LITERAL = (
    "%%", "%5%", "%k", "%#-5x", "% ", "%", "%-", "100%", "%y%d", "%5.3d", "%.d", "%*d", "%05.*d", "%+ #0d", "%0-d", "%+-d",
    "%%d", "%%%d", "%d%%", "%hd%hhd", "%lld%d", "%qd", "%lhd", "%ttd",
)  # fmt: skip
_REFUSED = "eEfFgGaAn"
_MISMATCHES = [
    (conversion, sample)
    for conversion in ("d", "u", "x", "c", "p", "r", "rx", "rh", "gr")
    for sample in OTHERS
    if sample.name in ("string", "tuple", "record", "array_u8", "inet4", "mac", "buffer", "literal_small", "ksym_zero")
    and not (conversion[0] == "r" and sample.name == "buffer")
    and not (conversion[0] != "r" and sample.name == "literal_small")
]

CASES = (
    *(_number_case(conversion, sample) for conversion in "diuoxXcp" for sample in _NUMBERS),
    *(_text_case("s", sample) for sample in (*_NUMBERS[:2], *OTHERS) if sample.name != "strerror"),
    *(_text_case(conversion, _BUFFER) for conversion in ("r", "rx", "rh")),
    *(
        Case(f"gr-{n}", f'begin {{ $v = (uint64){n}; printf("%gr|%40gr|%-40gr|%040gr|\\n", $v, $v, $v, $v); }}', ("-q",))
        for n in (0, 1, 0xCC0, 0xDC0, 0x400CC0, 0x100CCA, 0x820, 0x2800, 0xC00, 0x8000000, 0xFFFFFFFF, 1 << 40)
    ),
    *(
        Case(f"literal-{n}", f'begin {{ printf("[{form}]\\n"{arguments}); }}', ("-q",))
        for n, form in enumerate(_LITERAL)
        for arguments in [", 42" * form.replace("%%", "").replace("%5%", "").count("d")]
    ),
    *(Case(f"refused-{c}", f'begin {{ printf("%{c}\\n", 1); }}') for c in _REFUSED),
    *(
        Case(f"mismatch-{conversion}-{sample.name}", sample.script(f'printf("%{conversion}\\n", {sample.text});'))
        for conversion, sample in _MISMATCHES
    ),
    *(
        Case(f"count-{n}", f'begin {{ printf("{"%d" * conversions}\\n"{", 1" * n}); }}')
        for n, conversions in enumerate((1, 0, 3, 2))
    ),
)
