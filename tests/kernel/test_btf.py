"""Reading BTF: written by hand, and the running kernel's."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pytrace.kernel import btf
from pytrace.kernel.btf import Btf, BtfError, Kind
from tests.kernel.btf_writer import BtfWriter


def small() -> tuple[Btf, dict[str, int]]:
    w = BtfWriter()
    ids = {"int": w.int("int", 4, 1), "char": w.int("char", 1)}
    ids["array"] = w.array(ids["char"], 16)
    ids["pair"] = w.struct("pair", 24, [("left", ids["int"], 0), ("name", ids["array"], 32)])
    ids["declared"] = w.add(Kind.FWD, "pair", 0)
    ids["pair_t"] = w.add(Kind.TYPEDEF, "pair_t", w.add(Kind.CONST, "", ids["pair"]))
    ids["bits"] = w.struct("bits", 4, [("low", ids["int"], 0, 3), ("high", ids["int"], 3, 5)])
    ids["colour"] = w.enum("colour", [("RED", 0), ("GREEN", 1), ("left", 7)])
    ids["sign"] = w.enum("sign", [("MINUS", -1), ("PLUS", 1)])
    ids["wide"] = w.enum64("wide", [("BIG", 1 << 40), ("SMALL", -2)])
    ids["proto"] = w.prototype(ids["int"], [("at", w.pointer(ids["pair"])), ("", 0)])
    ids["fn"] = w.add(Kind.FUNC, "read_pair", ids["proto"])
    ids["var"] = w.add(Kind.VAR, "counter", ids["int"], b"\1\0\0\0")
    ids["section"] = w.section(".data..percpu", [(ids["var"], 8, 4)])
    return Btf(w.data()), ids


def test_types_have_the_ids_of_their_order():
    read, ids = small()
    assert read.count == max(ids.values()) + 1
    assert {name: read.type(id).id for name, id in ids.items()} == ids
    assert read.type(0).name == "void"


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("pair", Kind.STRUCT, "pair"), ("pair", Kind.FWD, "declared"), ("pair_t", Kind.TYPEDEF, "pair_t"),
        ("read_pair", Kind.FUNC, "fn"), ("counter", Kind.VAR, "var"), ("int", Kind.INT, "int"),
    ],
)
def test_a_type_is_found_by_name_and_kind(name: str, kind: int, expected: str):
    read, ids = small()
    found = read.find(name, kind)
    assert found is not None
    assert found.id == ids[expected]


@pytest.mark.parametrize("name", ["", "pai", "air", "left", "nosuch", "pair\0int", "struct"])
def test_what_is_no_struct_is_not_found(name: str):
    read, _ = small()
    assert read.find(name, Kind.STRUCT) is None


def test_finding_through_an_index_agrees_with_searching():
    read, _ = small()
    searched = read.find("pair", Kind.STRUCT)
    read.names(Kind.STRUCT)
    assert read.find("pair", Kind.STRUCT) == searched
    assert read.find("nosuch", Kind.STRUCT) is None


def test_members():
    read, ids = small()
    assert [tuple(m) for m in read.members(read.type(ids["pair"]))] == [
        ("left", ids["int"], 0, 0), ("name", ids["array"], 32, 0),
    ]
    assert [tuple(m) for m in read.members(read.type(ids["bits"]))] == [
        ("low", ids["int"], 0, 3), ("high", ids["int"], 3, 5),
    ]


def test_enumerations():
    read, ids = small()
    assert read.enumerators(read.type(ids["sign"])) == [("MINUS", -1), ("PLUS", 1)]
    assert read.enumerators(read.type(ids["wide"])) == [("BIG", 1 << 40), ("SMALL", -2)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("GREEN", ("colour", 1)), ("MINUS", ("sign", -1)), ("BIG", ("wide", 1 << 40)), ("name", None), ("pair", None)],
)
def test_an_enumerator_is_found_by_name(name: str, expected: tuple[str, int] | None):
    read, _ = small()
    found = read.find_enumerator(name)
    assert (found and (found[0].name, found[1])) == expected


def test_an_enumerator_may_share_its_name_with_a_member():
    read, _ = small()
    found = read.find_enumerator("left")
    assert found is not None
    assert (found[0].name, found[1]) == ("colour", 7)


def test_sizes_look_through_names_and_arrays():
    read, ids = small()
    assert read.size(ids["pair_t"]) == 24
    assert read.size(ids["array"]) == 16
    assert read.size(ids["proto"]) == 0
    assert read.size(0) == 0


def test_functions_and_sections():
    read, ids = small()
    prototype = read.type(read.type(ids["fn"]).value)
    assert [p.name for p in read.parameters(prototype)] == ["at", ""]
    assert read.variables(read.type(ids["section"])) == [(ids["var"], 8, 4)]


def split() -> tuple[Btf, Btf, dict[str, int]]:
    base, ids = small()
    w = BtfWriter(base.count, base.strings_end)
    ids["mine"] = w.struct("mine", 32, [("base", ids["pair"], 0), ("own", ids["int"], 192)])
    ids["state"] = w.enum("state", [("STOPPED", 0)])
    return base, Btf(w.data(), "module", base), ids


def test_split_btf_continues_its_base():
    base, module, ids = split()
    found = module.find("mine", Kind.STRUCT)
    assert found is not None
    assert found.id == ids["mine"] == base.count
    assert [m.name for m in module.members(found)] == ["base", "own"]
    assert module.size(module.members(found)[0].type) == 24


def test_split_btf_finds_what_its_base_has():
    base, module, ids = split()
    found = module.find("pair", Kind.STRUCT)
    assert found is not None
    assert found.id == ids["pair"]
    assert module.owner(ids["pair"]) is base
    assert module.owner(ids["mine"]) is module
    assert list(module.find_all("pair", Kind.STRUCT)) == []
    assert base.find("mine", Kind.STRUCT) is None


def test_split_btf_knows_its_first_string():
    _, module, _ = split()
    # "mine" is the first string of a section that, unlike others, has no empty string in front.
    assert module.find("mine", Kind.STRUCT) is not None
    found = module.find_enumerator("STOPPED")
    assert found is not None
    assert found[0].name == "state"


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_damage_is_an_error_of_its_own(cut: int):
    w = BtfWriter()
    w.struct("pair", 8, [("left", w.int("int", 4, 1), 0)])
    data = w.data()
    with pytest.raises(BtfError):
        Btf(data[: min(cut, len(data) - 1)]).count  # noqa: B018


def test_an_unknown_kind_is_an_error():
    w = BtfWriter()
    w.add(29, "future", 0)
    with pytest.raises(BtfError, match="29"):
        Btf(w.data()).find("future", 29)


def test_ids_and_strings_beyond_the_end_are_errors():
    read, ids = small()
    with pytest.raises(BtfError):
        read.type(max(ids.values()) + 1)
    with pytest.raises(BtfError):
        read.text(1 << 20)


def kernel() -> Btf:
    found = btf.kernel_btf()
    if found is None:
        pytest.skip("this kernel offers no BTF")
    return found


@pytest.mark.live
def test_facts_about_the_kernel():
    read = kernel()
    task = read.find("task_struct", Kind.STRUCT)
    assert task is not None
    comm = next(m for m in read.members(task) if m.name == "comm")
    assert read.size(comm.type) == 16
    assert read.find_enumerator("BPF_PROG_TYPE_KPROBE")[1] == 2  # type: ignore[index]
    function = read.find("vfs_read", Kind.FUNC)
    assert function is not None
    assert [p.name for p in read.parameters(read.type(function.value))] == ["file", "buf", "count", "pos"]


@pytest.mark.live
def test_ids_agree_with_bpftool():
    if not shutil.which("bpftool"):
        pytest.skip("bpftool is not installed")
    read = kernel()
    dump = subprocess.run(
        ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux"], capture_output=True, text=True, check=True
    ).stdout
    sample = [line for line in dump.splitlines() if line.startswith("[")]
    assert read.count == len(sample) + 1
    for line in sample[::997]:
        number, kind, rest = line.split(None, 2)
        name = rest.split("'")[1]
        found = read.type(int(number.strip("[]")))
        assert getattr(Kind, kind) == found.kind
        assert ("" if name == "(anon)" else name) == found.name


@pytest.mark.live
def test_kernel_types_can_come_from_another_file(tmp_path, monkeypatch):
    w = BtfWriter()
    w.struct("only_here", 4, [("x", w.int("int", 4, 1), 0)])
    path = tmp_path / "types.btf"
    path.write_bytes(w.data())
    monkeypatch.setenv("BPFTRACE_BTF", str(path))
    btf.kernel_btf.cache_clear()
    try:
        assert kernel().find("only_here", Kind.STRUCT) is not None
        assert kernel().find("task_struct", Kind.STRUCT) is None
        path.unlink()
        btf.kernel_btf.cache_clear()
        assert btf.kernel_btf() is None
    finally:
        btf.kernel_btf.cache_clear()


@pytest.mark.live
def test_members_are_found_by_name_alone():
    """Those of anonymous members in place, the first of a name."""
    k = kernel()
    for struct in ("task_struct", "sk_buff", "page", "file"):
        found = k.find(struct, Kind.STRUCT)
        assert found is not None
        for each in k.members(found):
            if each.name:
                assert k.member(found, each.name) == each
        assert k.member(found, "no_such_member_of_any_struct") is None
    page = k.find("page", Kind.STRUCT)
    assert page is not None
    inner = k.member(page, "compound_head")  # of a struct in a union
    assert inner is None or inner.name == "compound_head"


@pytest.mark.live
def test_a_guess_is_confirmed_or_counted(monkeypatch: pytest.MonkeyPatch):
    """What the verifier says decides, so a wrong guess does no harm."""
    from pytrace.kernel import features

    found = kernel().find("bpf_iter_num_new", Kind.FUNC)
    if found is None:
        pytest.skip("this kernel has no such function")
    assert features._is_function(found.id, "bpf_iter_num_new")
    assert not features._is_function(found.id, "bpf_iter_num_destroy")
    for guess in (None, 1, found.id - 1, found.id + 3, 1 << 30):
        features.kfunc_id.cache_clear()
        monkeypatch.setattr(Btf, "likely_function", lambda self, name, guess=guess: guess)
        assert features.kfunc_id("bpf_iter_num_new") == found.id
    features.kfunc_id.cache_clear()
