"""The layout of a script's structs is GCC's: sizes, offsets and bit-fields are compared with compiled programs."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytrace.diagnostics import Source
from pytrace.semantics.script_types import ScriptTypes
from pytrace.semantics.types import U32, U64, Enum, Struct, Type
from pytrace.syntax.cdefs import read_preamble
from pytrace.syntax.parser import parse


class NoTypes:
    """A machine whose kernel tells nothing."""

    def struct(self, kind: str, name: str) -> Struct | None:
        return Struct("task_struct", 9000, 64, "struct", "vmlinux") if name == "task_struct" else None

    def definition(self, struct: Struct) -> None:
        return None

    def named(self, name: str) -> Type | None:
        return {"u32": U32, "u64": U64}.get(name)

    def enum(self, name: str) -> Enum | None:
        return None

    def enumerator(self, name: str) -> tuple[Enum, int] | None:
        return None

    def variants(self, enum: Enum) -> dict[int, str]:
        return {}


def types(text: str) -> ScriptTypes:
    return ScriptTypes(read_preamble(parse(Source("stdin", text)).preamble).definitions, NoTypes())


HAND_MADE = """
struct s0 { };
struct s1 { char a; int b; char c; };
struct s2 { char a; int b; char c; } __attribute__((packed));
struct s3 { char a; long b __attribute__((packed)); short c; };
struct s4 { char a; char b __attribute__((aligned(8))); char c; };
struct s5 { char a; int b; } __attribute__((aligned(64)));
struct s6 { int a : 3; int b : 5; int c : 25; char d; };
struct s7 { char a; int b : 20; long c : 40; short d : 9; };
struct s8 { int a : 3; int : 0; int b : 4; char : 0; char c; };
struct s9 { int a : 3; int : 7; int b : 4; } __attribute__((packed));
struct s10 { unsigned char a : 4; unsigned int b : 30; unsigned char c : 7; } __attribute__((packed));
struct s11 { char a; struct { short x; union { int i; char c[7]; }; } in; union { long l; char t[13]; } u; };
union s12 { char a[5]; int b; short c : 9; };
struct s13 { char a; long double b; char c; };
struct s14 { char a[3]; short b[2][3]; void *p; int (*f)(int, char *); int (*q)[4]; char *names[2]; };
struct s15 { _Bool a : 1; _Bool b : 1; _Bool c; };
struct s16 { enum e16 { A16, B16 } a; enum e16 b : 2; char c; };
struct s17 { int n; char flex[]; };
struct s18 { char a; struct s2 b; struct s1 c; int d; };
struct s19 { char a; int b : 4 __attribute__((aligned(4))); int c : 4; };
struct s20 { long long a : 33; int b : 31; int c : 2; };
#pragma pack(push, 2)
struct s21 { char a; int b; long c; int d : 9; int e : 25; };
struct s22 { char a; int b __attribute__((aligned(16))); };
#pragma pack(pop)
struct s23 { char a; int b; };
enum e24 { N24 = 3 };
struct s24 { char a[N24 * 2 + (1 << 2)]; int b[sizeof(long) / 2]; char c[sizeof(struct s1)]; };
struct s25 { char a; __int128 b; unsigned long long int c; };
enum e26 { L26 = 0x100000000 };
struct s26 { char a; enum e26 b; };
enum e27 { M27 = -1, X27 = 1 } __attribute__((packed));
struct s27 { char a; enum e27 b; char c; enum e27 d : 2; };
struct s28 { signed char a; unsigned short int b; const volatile int c; long unsigned d; };
struct s29 { char a; int : 5; };
struct s30 { char a; int : 0; };
struct s31 { char a; long : 3; char b : 2; };
union s32 { int a : 3; long b : 40; } __attribute__((packed));
struct __attribute__((packed)) s33 { char a; struct { char x; int y; } b; int c; };
struct s34 { struct { char a; int b; } __attribute__((packed)); short c; };
struct s35 { struct s35 *next; struct undefined *other; char c; };
struct s36 { char a; int b, *c, d[2], e : 3, f : 4; };
"""


def names_of(table: ScriptTypes) -> list[tuple[str, str]]:
    return [key for key in table._records if not key[1].startswith("(")]


def paths(table: ScriptTypes, struct: Struct, prefix: str = "", base: int = 0) -> Iterator[tuple[str, int, int]]:
    """Every member that has an address or is a bit-field: its path, its first bit and its width (0 for the former)."""
    definition = table.definition(struct)
    assert definition is not None
    for field in definition.fields:
        first = base + field.offset * 8 + field.bit_offset
        declared_bit_field = field.bit_size and not (isinstance(field.type, Enum) and field.bit_size in (8, 32))
        yield prefix + field.name, first, field.bit_size if declared_bit_field else 0
        if isinstance(field.type, Struct) and field.type.source == "":
            yield from paths(table, field.type, f"{prefix}{field.name}.", base + field.offset * 8)


def compare_with_gcc(text: str, tmp_path: Path) -> int:
    """Compare all records of a preamble with what a compiled program says; gives how many facts were compared."""
    table = types(text + "begin {}")
    wanted, lines = [], []
    for kind, name in names_of(table):
        struct = table.struct(kind, name)
        assert struct is not None
        spelled = f"{kind} {name}"
        wanted.append(f"{name} size {struct.size} align {struct.align}")
        lines.append(f'printf("{name} size %zu align %zu\\n", sizeof({spelled}), _Alignof({spelled}));')
        for path, first, width in paths(table, struct):
            if width:
                wanted.append(f"{name}.{path} bits {first} {width}")
                lines.append(f'BITS({spelled}, {path}, "{name}.{path}");')
            else:
                wanted.append(f"{name}.{path} at {first // 8}")
                lines.append(f'printf("{name}.{path} at %zu\\n", offsetof({spelled}, {path}));')
    functions = [f"static void f{i}(void) {{ {line} }}" for i, line in enumerate(lines)]
    source = tmp_path / "layout.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <string.h>\ntypedef unsigned int u32;\n"
        "typedef unsigned long u64;\n"
        "static void bits(const unsigned char *p, size_t n, const char *name) { long first = -1, count = 0;\n"
        "for (size_t i = 0; i < n * 8; i++) if (p[i / 8] >> i % 8 & 1) { if (first < 0) first = i; count++; }\n"
        'printf("%s bits %ld %ld\\n", name, first, count); }\n'
        "#define BITS(T, F, N) T s; memset(&s, 0, sizeof s); s.F = -1; bits((void *)&s, sizeof s, N)\n"
        + text
        + "\n".join(functions)
        + "\nint main(void) {"
        + "".join(f"f{i}();" for i in range(len(lines)))
        + "}\n"
    )
    program = tmp_path / "layout"
    subprocess.run(["gcc", "-w", "-O0", "-std=gnu11", "-o", program, source], check=True, timeout=50)
    found = subprocess.run([program], check=True, capture_output=True, text=True, timeout=10).stdout.splitlines()
    assert found == wanted
    return len(found)


needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@needs_gcc
def test_hand_made_records_have_the_layout_of_gcc(tmp_path: Path):
    assert compare_with_gcc(HAND_MADE, tmp_path) > 150


def random_record(rng: random.Random, number: int) -> str:
    """A record of random members, which may hold those before it."""
    members = []
    for i in range(rng.randrange(1, 9)):
        base = rng.choice(["char", "unsigned char", "short", "int", "unsigned", "long", "unsigned long long", "_Bool"])
        bits = {"c": 8, "s": 16, "i": 32, "l": 64, "_": 1}.get(base[0], 32 if base == "unsigned" else 8)
        bits = 64 if "long" in base else bits
        attribute = rng.choice(
            [""] * 6 + ["__attribute__((packed))", f"__attribute__((aligned({rng.choice([1, 2, 4, 8, 16])})))"]
        )
        shape = rng.randrange(10)
        if shape < 4:
            members.append(f"{base} m{i} : {rng.randrange(1, bits + 1)}")
            if attribute and "packed" in attribute:
                members[-1] += f" {attribute}"
        elif shape == 4:
            members.append(f"{base} : {rng.randrange(0, bits + 1)}")
        elif shape == 5 and number:
            kind = "union" if (number - 1) % 4 == 3 else "struct"
            members.append(f"{kind} r{number - 1} m{i} {attribute}")
        elif shape == 6:
            members.append(f"struct {{ char a{i}; {base} b{i}; }} {rng.choice(['', '__attribute__((packed))'])}")
        elif shape == 7:
            members.append(f"{base} m{i}[{rng.randrange(1, 4)}] {attribute}")
        else:
            members.append(f"{base} m{i} {attribute}")
    kind = "union" if number % 4 == 3 else "struct"
    tail = rng.choice(
        [""] * 4 + ["__attribute__((packed))", "__attribute__((aligned(8)))", "__attribute__((packed, aligned(4)))"]
    )
    pack = rng.choice([""] * 6 + ["1", "2", "4"])
    text = f"{kind} r{number} {{ {'; '.join(members)}; }} {tail};"
    return f"#pragma pack({pack})\n{text}\n#pragma pack()" if pack else text


@needs_gcc
@pytest.mark.parametrize("seed", range(4))
def test_random_records_have_the_layout_of_gcc(seed: int, tmp_path: Path):
    rng = random.Random(seed)
    text = "\n".join(random_record(rng, number) for number in range(120)) + "\n"
    assert compare_with_gcc(text, tmp_path) > 300
