"""Time formats: those of C, and three of our own (LIBRARY 4)."""

from __future__ import annotations

import time

import pytest

from pytrace.output.strftime import expand_fractions, strftime


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (b"%f|%k|%l", b"247814|247814092|247"),
        (b"%%f", b"%%f"),
        (b"%%%f", b"%%247814"),
        (b"%Y %5f %", b"%Y %5f %"),
        (b"", b""),
    ],
)
def test_fractions(format_: bytes, text: bytes):
    assert expand_fractions(format_, 17_000_000_000_247_814_092) == text


def test_local_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    try:
        assert strftime(b"%Y-%m-%d %H:%M:%S %Z \xff%%", 0, 64) == b"1970-01-01 09:00:00 JST \xff%"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_text_that_does_not_fit_is_empty():
    assert strftime(b"x" * 63, 0, 64) == b"x" * 63
    assert strftime(b"x" * 64, 0, 64) == b""
    assert strftime(b"", 0, 64) == b""
