"""BTF as C."""

from __future__ import annotations

import pytest

from pytrace.kernel import btf
from pytrace.kernel.btf import Btf, Kind
from pytrace.kernel.btf_print import declaration, definition, type_text
from tests.kernel.btf_writer import BtfWriter


def test_declarations_read_like_c():
    w = BtfWriter()
    char, number = w.int("char", 1), w.int("long int", 8, 1)
    const = w.add(Kind.CONST, "", char)
    text = w.pointer(const)
    node = w.struct("node", 8, [])
    fn = w.pointer(w.prototype(number, [("at", w.pointer(node)), ("", 0)]))
    plain = w.pointer(w.prototype(0, []))
    table = w.array(w.array(number, 3), 2)
    cases = {
        text: ("const char *", "const char *x"),
        w.add(Kind.CONST, "", text): ("const char * const", "const char * const x"),
        w.add(Kind.RESTRICT, "", text): ("const char * restrict", "const char * restrict x"),
        w.pointer(w.pointer(node)): ("struct node **", "struct node **x"),
        w.array(char, 16): ("char[16]", "char x[16]"),
        table: ("long int[2][3]", "long int x[2][3]"),
        w.array(text, 4): ("const char *[4]", "const char *x[4]"),
        w.pointer(table): ("long int(*)[2][3]", "long int (*x)[2][3]"),
        fn: ("long int (*)(struct node *at, ...)", "long int (*x)(struct node *at, ...)"),
        w.array(plain, 2): ("void (*[2])(void)", "void (*x[2])(void)"),
        w.pointer(0): ("void *", "void *x"),
        w.add(Kind.FWD, "hidden", 0, flag=True): ("union hidden", "union hidden x"),
        w.pointer(w.add(Kind.TYPE_TAG, "user", char)): (
            'char __attribute__((btf_type_tag("user"))) *', 'char __attribute__((btf_type_tag("user"))) *x',
        ),
    }
    read = Btf(w.data())
    got = {id: (type_text(read, id), declaration(read, id, "x")) for id in cases}
    assert got == cases


def render(build) -> str:
    w = BtfWriter()
    id = build(w)
    read = Btf(w.data())
    return definition(read, read.type(id))


def test_nested_and_anonymous_members_are_written_in_place():
    def build(w: BtfWriter) -> int:
        number = w.int("int", 4, 1)
        inner = w.struct("", 4, [("a", number, 0), ("b", number, 0)], Kind.UNION)
        kind = w.enum("", [("ONE", 1)])
        return w.struct("outer", 12, [("", inner, 0), ("kind", kind, 32), ("last", number, 64)])

    assert render(build) == (
        "struct outer {\n\tunion {\n\t\tint a;\n\t\tint b;\n\t};\n\tenum {\n\t\tONE = 1,\n\t} kind;\n\tint last;\n};"
    )


def test_holes_that_a_compiler_would_not_leave_are_filled():
    def build(w: BtfWriter) -> int:
        number, byte = w.int("int", 4, 1), w.int("char", 1)
        members = [("a", number, 0), ("b", byte, 128), ("c", number, 136, 3), ("d", number, 146, 2)]
        return w.struct("sparse", 32, members)

    assert render(build) == (
        "struct sparse {\n\tint a;\n\tlong: 64;\n\tchar b;\n\tint c: 3;\n\tshort: 5;\n\tchar: 2;\n\tint d: 2;\n"
        "\tlong: 64;\n};"
    )


def test_a_packed_struct_says_so():
    def build(w: BtfWriter) -> int:
        number, byte = w.int("int", 4, 1), w.int("char", 1)
        return w.struct("tight", 5, [("a", byte, 0), ("b", number, 8)])

    assert render(build) == "struct tight {\n\tchar a;\n\tint b;\n} __attribute__((packed));"


def test_enumerations_of_other_sizes():
    assert render(lambda w: w.enum("small", [("A", -1)], 1)) == (
        "enum small {\n\tA = -1,\n} __attribute__((mode(byte)));"
    )
    assert render(lambda w: w.enum64("wide", [("A", 1 << 40)])) == "enum wide {\n\tA = 1099511627776ULL,\n};"


@pytest.mark.live
def test_kernel_definitions():
    read = btf.kernel_btf()
    if read is None:
        pytest.skip("this kernel offers no BTF")
    path = read.find("path", Kind.STRUCT)
    assert path is not None
    assert definition(read, path) == "struct path {\n\tstruct vfsmount *mnt;\n\tstruct dentry *dentry;\n};"
    zone = read.find("hrtimer_restart", Kind.ENUM)
    assert zone is not None
    assert definition(read, zone) == "enum hrtimer_restart {\n\tHRTIMER_NORESTART = 0,\n\tHRTIMER_RESTART = 1,\n};"


@pytest.mark.live
def test_every_kernel_struct_compiles_to_its_own_size(tmp_path):
    """What is printed means the same to a compiler: padding and packing included."""
    import shutil
    import subprocess

    read = btf.kernel_btf()
    if read is None or not shutil.which("gcc"):
        pytest.skip("needs BTF and gcc")
    flat = []
    scalars = (Kind.INT,)
    for name, ids in read.names(Kind.STRUCT).items():
        type = read.type(ids[0])
        members = read.members(type)
        # Those that refer to nothing else, so that each stands alone.
        if len(ids) == 1 and members and all(read.type(m.type).kind in scalars and m.name for m in members):
            flat.append((name, type))
    assert len(flat) > 100
    lines = [definition(read, type) for _, type in flat]
    lines += [f'_Static_assert(sizeof(struct {name}) == {type.value}, "{name}");' for name, type in flat]
    source = tmp_path / "structs.c"
    source.write_text("\n".join(lines) + "\n")
    subprocess.run(["gcc", "-w", "-funsigned-char", "-c", "-o", str(tmp_path / "structs.o"), str(source)], check=True)
