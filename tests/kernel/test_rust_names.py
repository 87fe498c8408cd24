"""Names of Rust functions, as binutils and the compiler's own tools read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.kernel.demangle import demangle
from pytrace.kernel.rust_names import demangle_rust, without_generics

NAMES = {
    "_RNvCs1234_7mycrate3foo": "mycrate::foo",
    "_RNvNtNtCs1_7mycrate3foo3bar3baz": "mycrate::foo::bar::baz",
    # what a compiler made of a closure in a closure; identifiers that begin with _ and with a digit
    "_RNCNCNvNtNtCsjrHSEGnQ3l9_3std3sys9backtrace10__print_fmts_00B9_":
        "std::sys::backtrace::_print_fmt::{closure#1}::{closure#0}",
    "_RNSNvYNvC1a1bINtNtNtC4core3ops8function6FnOnceTRhEE9call_once6vtableB4_":
        "<a::b as core::ops::function::FnOnce<(&u8,)>>::call_once::{shim:vtable#0}",
    # implementations
    "_RNvMs_C1aNtB4_1T1f": "<a::T>::f", "_RNvXC1aNtB2_1TNtB2_5Trait1f": "<a::T as a::Trait>::f",
    "_RNvYmNtC1a5Trait1f": "<u32 as a::Trait>::f",
    # generic arguments: types, lifetimes, constants, in values and in types
    "_RINvC1a1fhE": "a::f::<u8>", "_RINvC1a1fINtC1b3VechEE": "a::f::<b::Vec<u8>>",
    "_RINvC1a1fL_E": "a::f::<'_>", "_RINvC1a1fKj2_Kb1_Kc27_E": "a::f::<2, true, '\\''>",
    "_RINvC1a1fKxn5_E": "a::f::<-5>", "_RINvC1a1fKoffffffffffffffffff_E": "a::f::<0xffffffffffffffffff>",
    "_RINvC1a1fKpE": "a::f::<_>", "_RINvC1a1fKRe68c3a92265_E": 'a::f::<"h\u00e9\\"e">',
    "_RINvC1a1fKAj1_j2_EE": "a::f::<{[1, 2]}>", "_RINvC1a1fKTEE": "a::f::<{()}>",
    "_RINvC1a1fKVNtNtNtC4core6option6Option4SomeTj3_EE": "a::f::<{core::option::Option::Some(3)}>",
    "_RINvC1a1fKVNtC1a1PS1xl1_1yl2_EE": "a::f::<{a::P { x: 1, y: 2 }}>",
    # types
    "_RINvC1a1fTEE": "a::f::<()>", "_RINvC1a1fTlEE": "a::f::<(i32,)>",
    "_RINvC1a1fAhj3_E": "a::f::<[u8; 3]>",
    "_RINvC1a1fSeE": "a::f::<[str]>", "_RINvC1a1fQhE": "a::f::<&mut u8>",
    "_RINvC1a1fPhOzE": "a::f::<*const u8, *mut !>",
    "_RINvC1a1fFKCPhEbE": 'a::f::<extern "C" fn(*const u8) -> bool>', "_RINvC1a1fFUEuE": "a::f::<unsafe fn()>",
    "_RINvC1a1fFG0_RL1_eQL0_SaERL1_eE": "a::f::<for<'a, 'b> fn(&'a str, &'b mut [i8]) -> &'a str>",
    "_RINvC1a1fDNtC1b5DebugNtC1b4SendEL_E": "a::f::<dyn b::Debug + b::Send>",
    "_RINvC1a1fDINtC1b2FnTmEEp6OutputyEL_E": "a::f::<dyn b::Fn<(u32,), Output = u64>>",
    "_RINvC1a1fDNtC1b5Shapep3OuthEL_E": "a::f::<dyn b::Shape<Out = u8>>",
    # letters beyond ASCII, the crate that made a copy, what the compiler added
    "_RINvC1a1fhEC1b": "a::f::<u8>", "_RNvC1a1f.llvm.123ABC": "a::f", "_RNvC1a1f.cold": "a::f.cold",
}  # fmt: skip


@pytest.mark.parametrize(("mangled", "readable"), list(NAMES.items()))
def test_names(mangled: str, readable: str):
    assert demangle_rust(mangled) == readable
    assert demangle(mangled) == readable


def test_letters_beyond_ascii():
    """Identifiers are in Punycode, with an underscore for its hyphen."""
    coded = "gr\u00f6\u00dfe".encode("punycode").decode("ascii").replace("-", "_")
    assert demangle_rust(f"_RNvC1au{len(coded)}{coded}") == "a::gr\u00f6\u00dfe"
    only = "\u00dc".encode("punycode").decode("ascii").lstrip("-")
    assert demangle_rust(f"_RNvC1au{len(only)}{only}") == "a::\u00dc"


@pytest.mark.parametrize(
    "name",
    [
        "", "_R", "_RN", "_RNv", "_RNvC", "_RNvC1", "_RNvC1a", "_RNvC1a9b", "_RNvC1a1bX", "_RB_", "_RNvB_1a",
        "_R1NvC1a1b",
        "_RINvC1a1fhhh", "_RINvC1a1fKb2_E", "_RINvC1a1fKcd800_E", "_RINvC1a1fRL0_hE", "_RINvC1a1fKReff_E",
        "_RNvC99999999999a1b", "_RINvC1a1fBzzzzzzzzzzzzzzzz_E", "_ZN1a1bE", "main", "_RNvC1\u00fc1b",
    ],
)  # fmt: skip
def test_what_is_none(name: str):
    assert demangle_rust(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "_RINvC1a1f" + "S" * 100000 + "hE",
        "_RINvC1a1f" + "T" * 5000 + "E" * 5000 + "E",
        # each tuple holds the one before it twice
        "_RINvC1a1fTTTTTTTTTTTTTTTTTTTTTThhE" + "".join(f"B{c}_E" for c in "tsrqponmlkjihgfedcba") + "E",
        "_RINvC1a1fThhET" + "B9_" * 20000 + "EE",
        "_RINvC1a1fFG" + "z" * 8 + "_hEhE",
        "_RNvC1a" + "9" * 5000,
    ],
    ids=["deep", "nested", "doubled", "repeated", "binder", "long"],
)  # fmt: skip
def test_names_made_to_be_endless(name: str):
    """A short name may stand for one of any length, or depth; such a one is not read."""
    assert len(demangle_rust(name)) <= 1 << 17


@given(st.text("CNMXYIBEKLGTSARQPOFDUHabcefhijlmpstuvyz_0123456789.", max_size=80))
def test_any_text_has_an_answer(text: str):
    assert isinstance(demangle_rust(f"_R{text}"), str)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a::f::<u8>", "a::f"), ("a::f::<fn(u8) -> b::C<u8>>", "a::f"), ("a::f", "a::f"),
        ("<a::T as b::U<u8>>", "<a::T as b::U<u8>>"),
        ("<a::T<u8>>::f", "<a::T<u8>>::f"), ("a::f::<u8>::{closure#0}", "a::f::<u8>::{closure#0}"),
        ("", ""), (">", ">"),
    ],
)  # fmt: skip
def test_generic_arguments_at_the_end(text: str, short: str):
    assert without_generics(text) == short
