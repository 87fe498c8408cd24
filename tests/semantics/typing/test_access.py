"""Members, elements, pointers and the probe's arguments (LANGUAGE 14.6–14.12, PROBES 2)."""

from __future__ import annotations

import pytest

from pytrace.semantics import program as core
from pytrace.semantics.types import I16, I32, Int, Pointer, Space
from tests.semantics.typing.support import EVENT, NODE, Typed, errors_of, type_of, value_of

POINTERS = "$p = (struct point *)64; $n = (struct node *)64; $f = (struct flags *)64; $m = (int32)5; $q = &$m;"


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("$p.x", "int32"),
        ("$p->tag", "int16[2]"),
        ("$p.tag[1]", "int16"),
        ("*$p", "struct point"),
        ("(*$p).x", "int32"),
        ("$n.next.next.pid", "int32"),
        ("$n.at", "struct point"),
        ("$n.at.tag", "int16[2]"),
        ("$n.name", "string[16]"),
        ("$n.name[2]", "int8"),
        ("$n.rest[3]", "uint64"),
        ("$f.hi", "uint32"),
        ("*$q", "int32"),
        ("$q[1]", "int32"),
        ("*nsecs", "uint64"),
        ("*(uint16)3", "uint16"),
        ("(1, (2, \"a\")).1.1", "string[2]"),
        ("(1, 300)[1]", "int16"),
        ("(a=1, b=nsecs).b", "uint64"),
        ('"abc"[1]', "int8"),
        ("comm[pid]", "int8"),
        ("((uint8[4])pid)[1]", "uint8"),
        ("((node *)5).pid", "int32"),
    ],
)
def test_types(expression: str, type_: str) -> None:
    """What an access gives."""
    assert type_of(expression, POINTERS) == type_


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("$p.nosuch", "Struct/union of type 'struct point' does not contain a field named 'nosuch'"),
        ("pid.x", "Can not access field 'x' on expression of type 'uint32'"),
        ("$t.x", "Can not access field 'x' on expression of type '(int8,int8)'"),
        ("$r.b", "Record does not contain a field named 'b'"),
        ("$t.2", "Invalid tuple index: 2. Found 2 elements in tuple."),
        ("pid.0", "Can not access index '0' on expression of type 'uint32'"),
        ("(&$t).0", "Can not access index '0' on expression of type '(int8,int8) *'"),
        ("$t[$i]", "Array-style access for tuples only valid for integer literals"),
        ("$a[4]", "the index 4 is out of bounds for array of size 4"),
        ("$s[4]", "the index 4 is out of bounds for array of size 4"),
        ("$a[(int64)1]", "The array index operator [] only accepts non-negative integer indices. Got: int64"),
        ("$a[-1]", "The array index operator [] only accepts non-negative integer indices. Got: int8"),
        ('$a["x"]', "The array index operator [] only accepts non-negative integer indices. Got: string[2]"),
        ("((void *)1)[1]", "The array index operator [] cannot be used on a pointer to an unsized type (void *)."),
        ("pid[1]", "The array index operator [] can only be used on arrays, pointers, and tuples, found uint32."),
        ('*"abc"', "The * operator can not be used on expressions of type 'string[4]'"),
        ("*(pid == 1)", "The * operator can not be used on expressions of type 'bool'"),
        ("$n.cpu", "Attempting to access field 'cpu' with unsupported tag attribute: percpu"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    """Accesses that do not exist."""
    before = POINTERS + '$t = (1, 2); $r = (a=1); $i = 0; $s = "abc"; $a = (uint8[4])pid;'
    assert errors_of(expression, before) == [message]


def test_offsets_add_up() -> None:
    """A member of a member is one read at the sum of the offsets."""
    value = value_of("$n.at.tag[1]", "$n = (struct node *)64;")
    assert isinstance(value, core.Load)
    assert (value.offset, value.type, type(value.address)) == (14, I16, core.ReadVar)


def test_pointers_are_followed_by_reads() -> None:
    """Each pointer on the way is read."""
    value = value_of("$n.next.pid", "$n = (struct node *)64;")
    assert isinstance(value, core.Load) and isinstance(value.address, core.Load)
    assert (value.offset, value.address.offset) == (48, 0)


def test_bit_fields() -> None:
    """A bit-field is read as its bits."""
    value = value_of("$f.hi", "$f = (struct flags *)64;")
    assert isinstance(value, core.Load) and (value.bit_offset, value.bit_size) == (3, 5)


def test_members_of_stored_structs() -> None:
    """A struct in a variable is taken apart where it is."""
    value = value_of("$s.tag", "$s = *(struct point *)64;")
    assert isinstance(value, core.Part) and value.offset == 4


def test_run_time_indices() -> None:
    """An index that is not known is checked at run time, except behind a pointer."""
    element = value_of("$a[$i]", "$a = (uint8[4])pid; $i = pid;")
    assert isinstance(element, core.Element) and element.count == 4
    behind = value_of("$q[pid]", "$q = (int16 *)64;")
    assert isinstance(behind, core.Load) and behind.type == I16


@pytest.mark.parametrize(
    ("expression", "space"),
    [
        ("args.node", Space.KERNEL),
        ("args.path", Space.USER),
        ("args.node.next", Space.KERNEL),
        ("args.node.user", Space.USER),
        ("(int8 *)5", Space.KERNEL),
        ("(int8 *)args.path", Space.USER),
        ("(int8 *)(uint64)args.path", Space.USER),
        ("(int8 *)((uint64)args.path + 8)", Space.USER),
        ("uptr((int8 *)5)", Space.USER),
        ("&$x", Space.KERNEL),
    ],
)
def test_address_spaces(expression: str, space: Space) -> None:
    """Pointers remember where they point to; casts keep it, or take the probe's."""
    value = value_of(expression, "$x = 1;", EVENT)
    assert isinstance(value.type, Pointer) and value.type.space is space


def test_a_read_of_an_unknown_space_warns_once() -> None:
    """Without an address space the generic helper is used."""
    warnings = Typed("begin { print(*pid); print(*tid); }").warnings
    assert warnings == ["Addrspace is not set"]


def test_arguments_are_read_from_the_context() -> None:
    """Fields of `args` are places in the context."""
    value = value_of("args.comm[3]", context=EVENT)
    assert isinstance(value, core.ContextRead) and (value.offset, value.size) == (27, 1)
    located = value_of("args.data", context=EVENT)
    assert isinstance(located, core.ContextRead) and located.data_loc


def test_trusted_pointers() -> None:
    """What the verifier follows is read directly, until it is stored."""
    direct = value_of("args.node.next.pid", context=EVENT)
    assert isinstance(direct, core.Load) and direct.trusted and direct.type == I32
    stored = value_of("$p.pid", "$p = args.node;", EVENT)
    assert isinstance(stored, core.Load) and not stored.trusted


def test_user_pointers_of_kernel_structs_are_not_trusted() -> None:
    """Behind a pointer into user space, reads are checked ones."""
    value = value_of("*args.node.user", context=EVENT)
    assert isinstance(value, core.Load) and not value.trusted and value.space is Space.USER


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("$x = args.nosuch;", "Struct/union of type 'struct event_args' does not contain a field named 'nosuch'"),
        ("$x = args.common_pid;", "BPF does not support accessing common tracepoint fields"),
        ("for $i : 0..3 { $x = args.id; }", "'args' builtin is not allowed in a for-loop"),
        ("$a = args; for $i : 0..3 { $x = $a.id; }", "'args' builtin is not allowed in a for-loop"),
        ("for $i : 0..3 { $x = ctx; }", "'ctx' builtin is not allowed in a for-loop"),
        ("@m = args;", "Value 'struct event_args' cannot be assigned to a map."),
    ],
)
def test_errors_of_arguments(body: str, error: str) -> None:
    """What cannot be done with `args`."""
    assert Typed(f"tracepoint:a:b {{ {body} }}", context=EVENT).errors == [error]


def test_no_arguments_here() -> None:
    """A probe without arguments."""
    (error,) = Typed("begin { $x = args.foo; }").errors
    assert error.startswith("The args builtin can only be used with tracepoint")


def test_an_alias_of_args_takes_no_place() -> None:
    """`$a = args` names the context; it is not stored."""
    typed = Typed("tracepoint:a:b { $a = args; print($a.id); while (pid) { print($a.id); } }", context=EVENT)
    assert typed.program is not None and typed.program.probes[0].variables == ()


def test_context_pointers_have_their_type() -> None:
    """`ctx` is a pointer whose members can be read."""
    value = value_of("ctx.pid", context=EVENT)
    assert isinstance(value, core.Load) and isinstance(value.address, core.ContextAddress)
    assert value.address.type == Pointer(NODE)


def test_flexible_arrays_have_no_bounds() -> None:
    """A member of length 0 is indexed like a pointer."""
    value = value_of("$n.rest[2]", "$n = (struct node *)64;")
    assert isinstance(value, core.Load) and value.offset == 16 and value.type == Int(8, False)


def test_texts_of_scripts_own_structs() -> None:
    """A `char[4]` of the preamble is a string[5] of which four bytes are read."""
    value = value_of("$f.text", "$f = (struct flags *)64;")
    assert isinstance(value, core.Convert) and str(value.type) == "string[5]"
    assert isinstance(value.value, core.Load) and str(value.value.type) == "string[4]"
    byte = value_of("$f.text[2]", "$f = (struct flags *)64;")
    assert isinstance(byte, core.Load) and byte.offset == 6
    final = value_of("$f.text[4]", "$f = (struct flags *)64;")
    assert isinstance(final, core.Part) and isinstance(final.value, core.Convert)


def test_elements_of_reinterpreted_integers() -> None:
    """An integer that was cast to an array is taken apart as an array."""
    value = value_of("((uint8[4])pid)[2]")
    assert isinstance(value, core.Part) and isinstance(value.value, core.Convert) and value.offset == 2
