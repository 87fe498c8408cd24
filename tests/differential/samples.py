"""Values of every type that a script can make without looking at the machine."""

from __future__ import annotations

from dataclasses import dataclass

DEFINITIONS = """\
enum colour { RED, GREEN = 5, BLUE };
struct inner { short x; char tag; };
struct point { int a; unsigned char b; struct inner in; char name[6]; unsigned short list[3]; };
struct flags { unsigned int low:3; unsigned int mid:7; int high:4; };
struct outer { struct inner pair[2]; void *next; enum colour c; };
union either { int number; char bytes[4]; };
"""
"""C definitions that stand before scripts which use `DATA`."""

DATA = {
    "point": ("struct point", r"\xff\xff\xff\xff\x09\x00\x00\x00\xfe\xff\x41\x00name\x00\x00\x01\x00\x02\x00\xff\xff\x00\x00"),
    "flags": ("struct flags", r"\x55\x2a\x00\x00"),
    "outer": ("struct outer", r"\x01\x00\x61\x00\x02\x00\x62\x00\x10\x32\x54\x76\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00"),
    "either": ("union either", r"abcd"),
}  # fmt: skip
"""For each C type, its spelling and the bytes of a value. A buffer holds them behind its length of four bytes."""


@dataclass(frozen=True)
class Sample:
    """`setup` is what makes the value, `text` the expression for it then."""

    name: str
    text: str
    setup: str = ""

    @property
    def definitions(self) -> str:
        return DEFINITIONS if any(word in self.text + self.setup for word in ("struct ", "union ", "GREEN", "enum ")) else ""

    def script(self, body: str) -> str:
        """A script that does `body` once the value exists."""
        return f"{self.definitions}begin {{ {self.setup}{body} }}"


def _memory(name: str) -> Sample:
    type_, data = DATA[name]
    size = len(data.encode().decode("unicode_escape"))
    setup = f'$b = buf("{data}", {size}); $p = ({type_}*)((uint64)(&$b) + 4); '
    return Sample(name, "*$p", setup)




def number(type_: str, value: int) -> str:
    """A number of a type. Where that is the type of the literal itself, a cast would be warned about."""
    least = next((f"int{bits}" for bits in (8, 16, 32, 64) if -(1 << bits - 1) <= value < 1 << bits - 1), "uint64")
    return str(value) if type_ == least else f"({type_}){value}"


INTEGERS = tuple(
    Sample(f"{type_}_{name}", number(type_, value))
    for type_, bits, unsigned in ((f"{'u' * unsigned}int{bits}", bits, unsigned) for bits in (8, 16, 32, 64) for unsigned in (False, True))
    for name, value in (
        (("small", 77), ("most", (1 << bits) - 1)) if unsigned else
        (("small", 77), ("minus", -5), ("least", -(1 << bits - 1) + 1), ("most", (1 << bits - 1) - 1))
    )
)  # fmt: skip

OTHERS = (
    Sample("true", "true"),
    Sample("false", "false"),
    Sample("literal_small", "7"),
    Sample("literal_negative", "-300"),
    Sample("literal_large", "18446744073709551615"),
    Sample("pointer", "(int32*)4660"),
    Sample("pointer_null", "(int8*)0"),
    Sample("pointer_high", "(int64*)0xffffffff81000000"),
    Sample("enum", "GREEN"),
    Sample("enum_cast", "$e", "$n = 6; $e = (enum colour)$n; "),
    Sample("enum_unknown", "$e", "$n = 77; $e = (enum colour)$n; "),
    Sample("string", '"text"'),
    Sample("string_empty", '""'),
    Sample("string_spaces", '" two words  "'),
    Sample("string_escapes", r'"q\"b\\n\nt\tr\r\1\x1f"'),
    Sample("string_utf8", '"grün μ"'),
    Sample("string_parentheses", '"(x)"'),
    Sample("string_var", "$s", '$s = "longer text"; $s = "short"; '),
    Sample("buffer", r'buf("ab\n\x01 \\z\x7f\xff", 8)'),
    Sample("buffer_empty", 'buf("abc", 0)'),
    Sample("array_u8", 'pton("1.2.3.4")'),
    Sample("array_v6", 'pton("2001:db8::ff")'),
    Sample("array_cast", "(uint8[4])16909060"),
    Sample("array_i16", "(int16[2])-70000"),
    Sample("tuple_one", "(1,)"),
    Sample("tuple", '(1, "two", true)'),
    Sample("tuple_nested", '(-1, ("a", (3, "b")), (int8*)16)'),
    Sample("tuple_bytes", '(pton("9.8.7.6"), buf("x\\n", 2))'),
    Sample("record", '(a=1, b="two")'),
    Sample("record_nested", '(n=-1, t=(1, "x"), r=(q=(uint64)5, z=true))'),
    Sample("inet4", 'ntop(pton("10.0.0.7"))'),
    Sample("inet6", 'ntop(pton("2001:db8::1"))'),
    Sample("inet_zero", 'ntop(pton("::"))'),
    Sample("inet_number", "ntop(16909060)"),
    Sample("mac", 'macaddr(pton("102:304:506:708::"))'),
    Sample("ksym_zero", "ksym(0)"),
    Sample("ksym_unknown", "ksym(1234)"),
    Sample("usym_unknown", "usym(1234)"),
    Sample("strftime", 'strftime("%%", 0)'),
    Sample("strerror", "strerror(2)"),
    *(_memory(name) for name in DATA),
)
ALL = INTEGERS + OTHERS
