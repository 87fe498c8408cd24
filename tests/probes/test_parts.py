"""Parts of specifications: patterns, numbers, registers, the binaries that they name."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrace.probes.binaries import find_binaries, native, shown
from pytrace.probes.numbers import BadNumber, number
from pytrace.probes.patterns import has_wildcard, literal_prefix, matcher
from pytrace.probes.registers import argument_fields, pt_regs_size, registers, return_field
from pytrace.semantics.types import Space

_TEXT = st.text("ab_*", max_size=8)


@given(pattern=_TEXT, text=st.text("ab_", max_size=10))
def test_a_pattern_matches_as_the_regular_expression_does(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert bool(matcher(pattern)(text)) == expected


@given(pattern=_TEXT)
def test_every_match_starts_with_the_literal_prefix(pattern: str) -> None:
    assert matcher(pattern)(pattern.replace("*", "x"))
    assert pattern.replace("*", "x").startswith(literal_prefix(pattern))


def test_many_stars_take_no_exponential_time() -> None:
    assert not matcher("*a" * 30 + "b")("a" * 2000)


def test_brackets_make_a_pattern_and_match_themselves() -> None:
    assert has_wildcard("f[a]")
    assert not has_wildcard("f[a")
    assert matcher("f[a]*")("f[a]b")
    assert not matcher("f[a]")("fa")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("0x10", 16), ("017", 15), ("0b101", 5), ("1_000", 1000), ("2e3", 2000), ("5ms", 5_000_000),
     ("7ul", 7), ("-3", -3), ("18446744073709551615", 2**64 - 1)],
)  # fmt: skip
def test_numbers_are_the_language_s(text: str, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "invalid integer: "), ("x", "invalid integer: x"), ("1b", "invalid trailing bytes: 1b"),
     ("1.5", "invalid trailing bytes: 1.5"),
     ("18446744073709551616",
      "overflow error, maximum value is 18446744073709551615: 18446744073709551616")],
)  # fmt: skip
def test_bad_numbers_say_why(text: str, message: str) -> None:
    with pytest.raises(BadNumber) as caught:
        number(text)
    assert str(caught.value) == message


def test_registers_lie_within_their_structure() -> None:
    known = registers()
    assert set(known.arguments) <= set(known.names)
    assert all(0 <= at <= pt_regs_size() - 8 for at in known.names.values())
    assert known.names[known.result] == return_field(Space.USER).offset
    assert [field.name for field in argument_fields(Space.KERNEL)][:2] == ["arg0", "arg1"]


# --- binaries -----------------------------------------------------------------------------------------------------


def paths(text: str, pid: int | None = None) -> list[str]:
    return [binary.path for binary in find_binaries(text, pid)]


def test_a_path_is_taken_as_it_is() -> None:
    assert paths("/bin/sh") == ["/bin/sh"]
    assert paths("/no/such") == paths("/etc/passwd") == paths("/bin") == []


def test_an_unsafe_target_need_not_be_executable() -> None:
    assert [b.path for b in find_binaries("/etc/passwd", None, unsafe=True)] == ["/etc/passwd"]


def test_a_bare_name_is_looked_up_in_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The directory entry counts first, and further matches are counted."""
    (tmp_path / "sh").symlink_to(os.path.realpath("/bin/sh"))
    monkeypatch.chdir("/")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    (found,) = find_binaries("sh", None)
    assert (found.path, found.others) == (f"{tmp_path}/sh", 1)
    monkeypatch.chdir(tmp_path)
    (found,) = find_binaries("sh", None)
    assert (found.path, found.others) == ("sh", 2)


def test_a_library_is_found_by_its_short_name() -> None:
    (path,) = paths("libc")
    assert paths("libc.so.6") == [path]
    assert os.path.basename(path) == "libc.so.6"
    assert path.startswith("/")


def test_a_library_of_a_process_is_the_one_it_uses() -> None:
    assert [os.path.realpath(path) for path in paths("libc", os.getpid())] == [os.path.realpath(paths("libc")[0])]


def test_a_pattern_stands_for_files_in_order(tmp_path: Path) -> None:
    for name in ("b.bin", "a.bin", "c.txt"):
        (tmp_path / name).symlink_to(os.path.realpath("/bin/sh"))
    (tmp_path / "d.bin").write_text("no program")
    assert paths(f"{tmp_path}/*.bin") == [f"{tmp_path}/a.bin", f"{tmp_path}/b.bin"]
    assert paths(f"{tmp_path}/[a].*") == []


def test_a_star_alone_stands_for_what_is_mapped() -> None:
    mapped = paths("*", os.getpid())
    assert any("libc" in path for path in mapped)
    assert mapped == sorted(mapped)


@given(st.binary(min_size=1, max_size=12).filter(lambda b: b"\0" not in b))
def test_paths_survive_as_bytes(raw: bytes) -> None:
    assert shown(native(raw.decode("latin-1"))) == raw.decode("latin-1")
