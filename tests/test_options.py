"""The command line is read as GNU getopt_long reads one."""

import pytest

from pytrace.options import OPTIONS, UsageError, parse_command_line, usage


def test_options_may_stand_after_the_program():
    line = parse_command_line(["-e", "begin {}", "one", "-q", "two"])
    assert line.last("e") == "begin {}"
    assert line.has("quiet")
    assert line.free == ["one", "two"]


def test_two_dashes_end_the_options():
    line = parse_command_line(["-q", "x.bt", "--", "--flag", "-5"])
    assert line.free == ["x.bt"]
    assert line.after == ["--flag", "-5"]


def test_two_dashes_can_be_a_value():
    assert parse_command_line(["-e", "--"]).last("e") == "--"


def test_a_long_option_may_be_shortened_when_unambiguous():
    assert parse_command_line(["--uns"]).has("unsafe")
    with pytest.raises(UsageError, match="ambiguous"):
        parse_command_line(["--no"])


@pytest.mark.parametrize("argv", [["--output=f"], ["--output", "f"], ["-of"], ["-o", "f"], ["-qof"]])
def test_values_may_be_joined_or_separate(argv: list[str]):
    assert parse_command_line(argv).last("output") == "f"


def test_the_last_of_repeated_options_counts():
    line = parse_command_line(["-e", "a", "-e", "b", "-I", "x", "-I", "y"])
    assert line.last("e") == "b"
    assert line.all("include-dir") == ("x", "y")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-x"], "invalid option -- 'x'"),
        (["-e"], "option requires an argument -- 'e'"),
        (["--zz"], "unrecognized option '--zz'"),
        (["--output"], "option '--output' requires an argument"),
        (["--quiet=1"], "option '--quiet' doesn't allow an argument"),
    ],
)
def test_what_cannot_be_read_is_refused(argv: list[str], message: str):
    with pytest.raises(UsageError) as refused:
        parse_command_line(argv)
    assert str(refused.value) == message


def test_a_lone_dash_is_an_argument():
    assert parse_command_line(["-"]).free == ["-"]


def test_the_help_names_every_option():
    text = usage()
    assert all((f"--{option.name}" if option.name else f"-{option.short} ") in text for option in OPTIONS)
