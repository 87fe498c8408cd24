"""Scripts that join others in a session: the types of the maps that are there stand."""

from __future__ import annotations

import pytest

from pytrace.compiler import check
from pytrace.diagnostics import CompileError, Diagnostics, Source
from pytrace.semantics import program as core
from pytrace.semantics.types import I64, U64, Aggregate, Str
from pytrace.semantics.unit import Options, SharedMap, Surroundings

HIST = Aggregate("hist", (0,), True)
MAPS = {
    "n": SharedMap("@n", None, I64, "", 1),
    "by": SharedMap("@by", U64, U64, "", 4096),
    "name": SharedMap("@name", Str(16), Str(16), "lruhash", 100),
}


def checked(text: str, maps: dict[str, SharedMap] = MAPS, strings: tuple[str, ...] = ()) -> core.Program:
    return check(Source("block", text), Options(surroundings=Surroundings(maps, strings)), Diagnostics())


def errors(text: str) -> list[str]:
    with pytest.raises(CompileError) as raised:
        checked(text)
    return [item.message for item in raised.value.diagnostics.errors]


@pytest.mark.parametrize("body", [
    "@n = 1", "@n = nsecs", "@n = pid", "@n++", "@by[tid] = 3", "@by[1] = (uint8)4", "delete(@by, 7)", "print(@n)",
    "@name[comm] = \"short\"", "@name[\"a\"] = comm", "clear(@by)", "for ($kv : @by) { print($kv.0) }",
])
def test_what_fits_is_accepted(body):
    """A narrower value, or one of another sign, changes nothing about a map."""
    program = checked(f"begin {{ {body} }}")
    (map_,) = program.maps
    assert (map_.key, map_.value) == (MAPS[map_.name[1:]].key, MAPS[map_.name[1:]].value)


@pytest.mark.parametrize(("body", "complaint"), [
    ("@n = \"text\"", "Type mismatch for @n"),
    ("@n = hist(1)", "Type mismatch for @n"),
    ("@n = (1, 2)", "Type mismatch for @n"),
    ("@n[1] = 2", "@n used as a map with an explicit key"),
    ("@by = 2", "@by used as a map without an explicit key"),
    ("@by[comm] = 2", "Argument mismatch for @by"),
    ("@name[comm] = \"a text of more than sixteen bytes\"", "Type mismatch for @name"),
    ("@name[\"a text of more than sixteen bytes\"] = \"a\"", "Argument mismatch for @name"),
])
def test_what_would_change_a_type_is_refused(body, complaint):
    assert any(message.startswith(complaint) for message in errors(f"begin {{ {body} }}"))


def test_a_map_keeps_its_kind_and_size():
    """Other scripts use it as it was declared, whatever their own settings are."""
    program = checked("config = { max_map_keys = 7 } begin { @name[comm] = \"a\"; @new[1] = 1 }")
    assert [(map_.kind, map_.size) for map_ in program.maps] == [("lruhash", 100), ("", 7)]


def test_another_declaration_is_refused():
    assert errors("let @name = hash(5); begin { @name[comm] = \"a\" }") == ["@name exists already, as lruhash(100)"]
    assert checked("let @name = lruhash(100); begin { @name[comm] = \"a\" }").maps[0].kind == "lruhash"


def test_new_maps_take_all_integers():
    """What later scripts store is not known yet: integers have 64 bits, also in tuples."""
    program = checked("begin { @new[tid] = 1; @pair[comm, (uint8)1] = (1, nsecs); @s = (int8)-1 }")
    types = [(str(map_.key), str(map_.value)) for map_ in program.maps]
    assert types == [
        ("uint64", "int64"), ("(string[16],uint64)", "(int64,uint64)"), ("None", "int64"),
    ]


def test_without_a_session_types_are_as_narrow_as_ever():
    program = check(Source("script", "begin { @new[tid] = 1 }"), Options(), Diagnostics())
    assert (str(program.maps[0].key), str(program.maps[0].value)) == ("uint32", "int8")
    assert not program.shared


def test_strings_of_the_session_keep_their_numbers():
    """Values in maps refer to them by number."""
    program = checked("begin { @t = strftime(\"%H\", nsecs) }", strings=("%Y", "%M"))
    assert program.strings[:2] == ("%Y", "%M") and "%H" in program.strings[2:]


def test_updates_of_shared_maps_are_never_taken_for_exclusive():
    from pytrace.codegen.driver import exclusive_maps

    alone = check(Source("s", "interval:s:1 { @c = count() }"), Options(), Diagnostics())
    assert exclusive_maps(alone) == {0: True}
    assert exclusive_maps(checked("interval:s:1 { @c = count() }")) == {}


@pytest.mark.parametrize(("text", "hint"), [
    ("begin { print(nsec) }", "did you mean 'nsecs'?"),
    ("begin { $r = (name=1, size=2); print($r.nam) }", "did you mean 'name'?"),
    ("tracepoint:syscalls:sys_enter_openat { print(args.filenam) }", "did you mean 'filename'?"),
])
@pytest.mark.live
def test_a_mistyped_name_gets_a_hint(text, hint):
    with pytest.raises(CompileError) as raised:
        check(Source("s", text), Options(), Diagnostics())
    assert [item.hints for item in raised.value.diagnostics.errors] == [(hint,)]
