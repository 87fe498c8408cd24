"""Values and events as JSON: OUTPUT 6."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.output.json import JsonValues, event, number, quote
from pytrace.output.values import CapturedStack
from pytrace.semantics.types import (
    BOOL,
    I8,
    I64,
    INET,
    U64,
    VOID,
    Array,
    Buffer,
    Pointer,
    Record,
    Stack,
    Str,
    Tuple,
    Type,
)
from tests.output.common import COLOUR, text_values


def values() -> JsonValues:
    return JsonValues(text_values())


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (I64, -5, b"-5"),
        (U64, 1 << 53, b"9007199254740992"),
        (U64, (1 << 53) + 1, b'"9007199254740993"'),
        (U64, 1 << 63, b"9223372036854775808"),
        (U64, (1 << 64) - 1, b'"18446744073709551615"'),
        (I64, -(1 << 63), b"-9223372036854775808"),
        (BOOL, True, b"true"),
        (Str(16), b'q " \\ \n\r\t\x01\x1f\x7f', b'"q \\" \\\\ \\n\\r\\t\\u0001\\u001f\x7f"'),
        (Str(8), b"/bin/ech", b'"/bin/ech.."'),
        (Str(16), "grün".encode(), '"grün"'.encode()),
        (Str(16), b"a\xff\xc3b", b'"a\\u00ff\\u00c3b"'),
        (Pointer(VOID), 255, b"255"),
        (COLOUR, 7, b"7"),
        (Tuple((I8, Str(8), Tuple((I8,)))), (1, b"two", (3,)), b'[1,"two",[3]]'),
        (Array(I8, 3), (1, 2, 3), b"[1,2,3]"),
        (Record((("a", I8), ("d", Record((("e", I8),))))), (1, (5,)), b'{"a": 1, "d": {"e": 5}}'),
        (Record(()), (), b"{}"),
        (Buffer(8), b"a\x80\n", b"[97,-128,10]"),
        (INET, (2, b"\x7f\0\0\1"), b'"127.0.0.1"'),
        (Stack("kstack", "bpftrace", 1), CapturedStack(0, 0, (1,)), b'"\\n        f1+1\\n"'),
    ],
)
def test_value(type_: Type, value: object, text: bytes):
    assert values().of(type_)(value) == text


@pytest.mark.parametrize(
    ("type_", "key", "text"),
    [
        (Str(16), b"hello world", b'"helloworld"'),
        (Tuple((I8, Str(8), Tuple((I8, I8)))), (1, b"two", (3, 4)), b'"1,two,(3,4)"'),
        (Record((("a", I8), ("b", I8))), (1, 2), b'"{.a=1,.b=2}"'),
        (COLOUR, 7, b'"GREEN"'),
        (Pointer(VOID), 255, b'"0xff"'),
        (Stack("kstack", "bpftrace", 1), CapturedStack(0, 0, (1,)), b'"\\nf1+1\\n"'),
    ],
)
def test_key(type_: Type, key: object, text: bytes):
    assert values().key(type_)(key) == text


@given(st.binary())
def test_any_bytes_give_a_json_string(data: bytes):
    text = json.loads(quote(data))
    if data.decode("utf-8", "ignore").encode() == data:
        assert text == data.decode()


@given(st.text())
def test_text_is_quoted_without_loss(text: str):
    data = text.encode("utf-8", "ignore")
    assert json.loads(quote(data)) == data.decode()


@given(st.integers(-(1 << 63), (1 << 64) - 1))
def test_numbers_arrive_exactly(value: int):
    parsed = json.loads(number(value))
    assert int(parsed) == value
    assert isinstance(parsed, str) or float(parsed) == value


def test_an_event_is_one_line():
    assert event(b"printf", quote(b"text\n")) == b'{"type": "printf", "data": "text\\n"}\n'
