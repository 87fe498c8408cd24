"""BTF as the language's types."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytrace.kernel import btf, btf_types
from pytrace.kernel.btf import Btf, Kind
from pytrace.kernel.btf_types import KernelTypes, convert
from pytrace.semantics.types import BOOL, I32, U8, U32, U64, VOID, Array, Enum, Field, Int, Pointer, Space, Str, Struct
from tests.kernel.btf_writer import BtfWriter


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Types written by hand in place of the kernel's, and a module's."""
    w = BtfWriter()
    ids = {"int": w.int("int", 4, 1), "char": w.int("char", 1), "bool": w.int("_Bool", 1, 4)}
    ids["u64"] = w.int("long unsigned int", 8)
    ids["wide"] = w.int("__int128", 16, 1)
    ids["name"] = w.array(ids["char"], 16)
    ids["flags"] = w.array(ids["bool"], 3)
    ids["table"] = w.array(w.array(ids["int"], 3), 2)
    ids["rest"] = w.array(ids["char"], 0)
    ids["colour"] = w.enum("colour", [("RED", 1), ("CRIMSON", 1), ("NONE", -1)])
    ids["anonymous"] = w.enum("", [("LONELY", 9)])
    ids["fn"] = w.pointer(w.prototype(ids["int"], []))
    ids["user"] = w.pointer(w.add(Kind.TYPE_TAG, "user", w.add(Kind.CONST, "", ids["char"])))
    ids["percpu"] = w.pointer(w.add(Kind.TYPE_TAG, "percpu", ids["int"]))
    ids["other"] = w.pointer(w.add(Kind.TYPE_TAG, "address_space(1)", ids["int"], flag=True))
    inner = w.struct("", 8, [("a", ids["int"], 0), ("b", ids["int"], 32)])
    either = w.struct("", 8, [("whole", ids["u64"], 0), ("", inner, 0)], Kind.UNION)
    ids["thing"] = w.struct(
        "thing", 48,
        [
            ("id", ids["u64"], 0), ("", either, 64), ("shade", ids["colour"], 128), ("named", inner, 160),
            ("where", ids["user"], 256), ("cells", ids["percpu"], 320),
        ],
    )
    number = ids["int"]
    ids["bits"] = w.struct("bits", 12, [("low", number, 0, 3), ("next", number, 35, 4), ("odd", number, 60, 8)])
    ids["old"] = w.struct("old", 4, [("field", w.int("int", 4, 1, bits=5, first=2), 8)])
    ids["tight"] = w.struct("tight", 5, [("c", ids["char"], 0), ("n", ids["int"], 8)])
    ids["thing_t"] = w.add(Kind.TYPEDEF, "thing_t", ids["thing"])
    ids["twin"] = w.struct("twin", 4, [("first", ids["int"], 0)])
    ids["twin2"] = w.struct("twin", 4, [("second", ids["int"], 0)])
    ids["hidden"] = w.pointer(w.add(Kind.FWD, "hidden", 0))
    var = w.add(Kind.VAR, "counter", ids["int"], b"\1\0\0\0")
    ids["counter"] = var
    w.add(Kind.VAR, "plain", ids["int"], b"\1\0\0\0")
    w.section(".data..percpu", [(var, 0, 4)])
    base = Btf(w.data())
    m = BtfWriter(base.count, base.strings_end)
    ids["mine"] = m.struct("mine", 8, [("x", ids["int"], 0)])
    module = Btf(m.data(), "module", base)
    monkeypatch.setattr(btf_types, "kernel_btf", lambda: base)
    monkeypatch.setattr(btf_types, "module_btf", lambda name: module if name == "module" else None)
    monkeypatch.setattr(btf_types, "_places", {})
    monkeypatch.setattr(btf_types, "_enum_places", {})
    yield ids


THING = Struct("thing", 48, 8, "struct", "vmlinux")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("int", I32), ("char", U8), ("bool", BOOL), ("u64", U64), ("wide", Array(U64, 2)), ("name", Str(16)),
        ("flags", Array(BOOL, 3)), ("table", Array(Array(I32, 3), 2)), ("rest", Str(0)),
        ("colour", Enum("colour", "vmlinux")), ("anonymous", U32), ("fn", Pointer(VOID)),
        ("user", Pointer(U8, Space.USER)), ("percpu", Pointer(I32)), ("other", Pointer(I32)), ("thing_t", THING),
        ("hidden", Pointer(Struct("hidden", 0, 1, "struct", "vmlinux"))), ("counter", I32),
    ],
)
def test_a_type(written: dict[str, int], name: str, expected: object):
    base = btf_types.kernel_btf()
    assert base is not None
    assert convert(base, written[name]) == expected


def test_pointers_get_the_space_that_is_given_unless_tagged(written: dict[str, int]):
    base = btf_types.kernel_btf()
    assert base is not None
    assert convert(base, written["percpu"], Space.KERNEL) == Pointer(I32, Space.KERNEL)
    assert convert(base, written["user"], Space.KERNEL) == Pointer(U8, Space.USER)


def test_members_of_anonymous_members_stand_in_place(written: dict[str, int]):
    types = KernelTypes()
    definition = types.definition(THING)
    assert definition is not None
    assert [(f.name, f.offset) for f in definition.fields] == [
        ("id", 0), ("whole", 8), ("a", 8), ("b", 12), ("shade", 16), ("named", 20), ("where", 32), ("cells", 40),
    ]
    assert definition.field("b") == Field("b", I32, 12)
    assert definition.field("nosuch") is None


def test_tags_travel_with_the_field(written: dict[str, int]):
    definition = KernelTypes().definition(THING)
    assert definition is not None
    assert definition.field("where") == Field("where", Pointer(U8, Space.USER), 32, tags=("user",))
    assert definition.field("cells") == Field("cells", Pointer(I32), 40, tags=("percpu",))


def test_a_named_member_of_an_anonymous_type_can_be_entered(written: dict[str, int]):
    types = KernelTypes()
    definition = types.definition(THING)
    assert definition is not None
    member = definition.field("named")
    assert member is not None
    assert isinstance(member.type, Struct)
    inner = types.definition(member.type)
    assert inner is not None
    assert [f.name for f in inner.fields] == ["a", "b"]


def test_an_enum_field_reads_as_many_bits_as_it_has(written: dict[str, int]):
    definition = KernelTypes().definition(THING)
    assert definition is not None
    assert definition.field("shade") == Field("shade", Enum("colour", "vmlinux"), 16, 0, 32)


def test_bit_fields(written: dict[str, int]):
    types = KernelTypes()
    bits = types.definition(Struct("bits", 12, 4, "struct", "vmlinux"))
    assert bits is not None
    # The last crosses a boundary of its type, so that it is counted from the byte it starts in.
    assert bits.fields == (
        Field("low", I32, 0, 0, 3), Field("next", I32, 4, 3, 4), Field("odd", I32, 7, 4, 8),
    )
    old = types.definition(Struct("old", 4, 4, "struct", "vmlinux"))
    assert old is not None
    assert old.fields == (Field("field", I32, 0, 10, 5),)


def test_alignment_is_that_of_c(written: dict[str, int]):
    types = KernelTypes()
    assert types.struct("struct", "thing") == THING
    assert types.struct("struct", "tight") == Struct("tight", 5, 1, "struct", "vmlinux")
    assert types.struct("union", "thing") is None
    assert types.struct("struct", "nosuch") is None


def test_two_structs_of_one_name_are_two_types(written: dict[str, int]):
    base = btf_types.kernel_btf()
    assert base is not None
    types = KernelTypes()
    first, second = convert(base, written["twin"]), convert(base, written["twin2"])
    assert isinstance(first, Struct)
    assert isinstance(second, Struct)
    assert first != second
    fields = [definition.fields[0].name for t in (first, second) if (definition := types.definition(t))]
    assert fields == ["first", "second"]


def test_declared_structs_have_no_definition(written: dict[str, int]):
    types = KernelTypes()
    hidden = types.struct("struct", "hidden")
    assert hidden == Struct("hidden", 0, 1, "struct", "vmlinux")
    assert types.definition(hidden) is None
    assert types.struct("union", "hidden") is None


def test_a_struct_from_elsewhere_is_found_by_name(written: dict[str, int]):
    definition = KernelTypes().definition(Struct("thing", 48, 4, "struct", "vmlinux"))
    assert definition is not None
    assert definition.field("id") == Field("id", U64, 0)
    assert KernelTypes().definition(Struct("thing", 48, 8, "struct", "")) is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("int", I32), ("long", Int(8, True)), ("short", Int(2, True)), ("unsigned", U32), ("char", U8),
        ("unsigned int", U32), ("long unsigned int", U64), ("signed char", Int(1, True)), ("bool", BOOL),
        ("_Bool", BOOL), ("thing_t", THING), ("thing", THING), ("colour", Enum("colour", "vmlinux")),
        ("signed", None), ("float", None), ("nosuch", None), ("", None),
    ],
)
def test_a_bare_word(written: dict[str, int], word: str, expected: object):
    assert KernelTypes().named(word) == expected


def test_enumerators_and_their_names(written: dict[str, int]):
    types = KernelTypes()
    colour = Enum("colour", "vmlinux")
    assert types.enum("colour") == colour
    assert types.enumerator("RED") == (colour, 1)
    assert types.enumerator("NONE") == (colour, (1 << 64) - 1)
    assert types.enumerator("id") is None
    # The last name of a value; negative ones as memory holds them, too.
    assert types.variants(colour) == {1: "CRIMSON", (1 << 64) - 1: "NONE", (1 << 32) - 1: "NONE"}
    assert types.variants(Enum("nosuch")) == {}


def test_enumerators_of_a_nameless_enumeration(written: dict[str, int]):
    types = KernelTypes()
    found = types.enumerator("LONELY")
    assert found is not None
    enum, value = found
    assert value == 9
    assert types.variants(enum) == {9: "LONELY"}


def test_module_types_need_to_be_asked_for(written: dict[str, int]):
    types = KernelTypes()
    assert types.struct("struct", "mine") is None
    assert types.add_module("module")
    assert not types.add_module("nosuch")
    mine = types.struct("struct", "mine")
    assert mine == Struct("mine", 8, 4, "struct", "module")
    definition = types.definition(mine)
    assert definition is not None
    assert definition.field("x") == Field("x", I32, 0)


def test_per_cpu_variables(written: dict[str, int]):
    types = KernelTypes()
    found = types.per_cpu("counter")
    assert found is not None
    assert (found.btf_id, found.type) == (written["counter"], I32)
    assert types.per_cpu("plain") is None
    assert types.per_cpu("nosuch") is None


def test_without_btf_only_c_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(btf_types, "kernel_btf", lambda: None)
    types = KernelTypes(["module"])
    assert types.named("unsigned long") == U64
    assert types.named("char") == Int(1, True)
    assert types.named("size_t") is None
    assert types.struct("struct", "task_struct") is None
    assert types.enumerator("RED") is None
    assert types.per_cpu("runqueues") is None


@pytest.mark.live
def test_the_running_kernel():
    if btf.kernel_btf() is None:
        pytest.skip("this kernel offers no BTF")
    types = KernelTypes()
    task = types.struct("struct", "task_struct")
    assert task is not None
    definition = types.definition(task)
    assert definition is not None
    comm, parent = definition.field("comm"), definition.field("parent")
    assert comm is not None
    assert comm.type == Str(16)
    assert parent is not None
    assert parent.type == Pointer(task)
    assert all(0 <= f.offset < task.size for f in definition.fields)
    assert types.named("pid_t") == I32
    assert types.enumerator("BPF_MAP_TYPE_HASH") == (types.enum("bpf_map_type"), 1)
