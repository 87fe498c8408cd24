"""Attach points: how words are split, and what is refused."""

from __future__ import annotations

import pytest

from pytrace.probes import PROVIDERS, find_provider, wildcard_providers
from pytrace.semantics.attach_points import WordError, split_word
from pytrace.semantics.configuration import Config
from tests.probes.support import compile_headers, errors_of, names_of


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("kprobe:f", ["kprobe", "f"]),
        ("a::b:", ["a", "", "b", ""]),
        ('uprobe:"/a:b":f', ["uprobe", "/a:b", "f"]),
        (r'u:"a\"b\\c":f', ["u", 'a"b\\c', "f"]),
        ("u:/bin/ls@ls.c:10", ["u", "/bin/ls", "@", "ls.c", "10"]),
        ('u:"a@b":f', ["u", "a@b", "f"]),
        ("i:ms:5/1/", ["i", "ms", "5/1/"]),
        ("i:$1:$2", ["i", "ms", "77"]),
        ("i:$3", ["i", "s", "1"]),
        ("u:/$1/x:f$4g", ["u", "/ms/x", "fg"]),
        ('u:"$1":f', ["u", "$1", "f"]),
        ("$3:x", ["s", "1", "x"]),
        ("i:$5", ["i", "77"]),
        ('i:ms:$6', ["i", "ms", "a:b"]),
    ],
)
def test_words_split_at_colons_outside_of_quotes(word: str, parts: list[str]) -> None:
    assert split_word(word, ("ms", "77", "s:1", "", "$2", '"a:b"')) == parts


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("i:ms:$", "positional parameter is not valid: invalid integer: "),
        ("i:ms:$x", 'invalid trailing character for positional param: x. Try quoting this entire part if this is '
                    'intentional e.g. "$x".'),
        ("i:ms:$0", 'invalid trailing character for positional param: 0. Try quoting this entire part if this is '
                    'intentional e.g. "$0".'),
        ("i:$99999999999999999999", "positional parameter is not valid: overflow error, maximum value is "
                                    "18446744073709551615: 99999999999999999999"),
    ],
)  # fmt: skip
def test_bad_parameters_in_words_are_errors(word: str, message: str) -> None:
    with pytest.raises(WordError) as caught:
        split_word(word)
    assert str(caught.value) == message


def test_a_parameter_that_contains_itself_ends() -> None:
    with pytest.raises(WordError):
        split_word("i:$1", ("a$1",))


@pytest.mark.parametrize(
    ("header", "messages"),
    [
        ("begin:x", ["begin probe type requires 0 arguments, found 1"]),
        ("end:x:y", ["end probe type requires 0 arguments, found 2"]),
        ("self:signal", ["self probe type requires 2 arguments, found 1"]),
        ("self:signal:SIGUSR2", ["SIGUSR2 is not a supported signal"]),
        ("self:foo:SIGUSR1", ["foo is not a supported trigger"]),
        ("test", ["test probe type requires 1 arguments, found 0"]),
        ("test:", ["test probes must have a name"]),
        ("bench:a:b", ["bench probe type requires 1 arguments, found 2"]),
        ("interval", ["interval probe type requires 1 or 2 arguments, found 0"]),
        ("interval:s", ["Invalid rate of interval probe: invalid integer: s"]),
        ("interval:s:1b", ["Invalid rate of interval probe: invalid trailing bytes: 1b"]),
        ("interval:500", ["Invalid rate of interval probe. Minimum is 1000 or 1us. Found: 500 nanoseconds"]),
        ("interval:foo:1", ["foo is not an accepted unit of time"]),
        ("interval:foo:x", ["Invalid rate of interval probe: invalid integer: x"]),
        ("interval:s:0", ["interval frequency should be a positive integer"]),
        ("interval:s:-1", ["interval frequency should be a positive integer"]),
        ("interval:s:9223372036854775808", ["interval frequency should be a positive integer"]),
        ("i:s:99999999999999999999", ["Invalid rate of interval probe: overflow error, maximum value is "
                                      "18446744073709551615: 99999999999999999999"]),
        ("INTERVAL:MS:5", ["MS is not an accepted unit of time"]),
        ("profile:ms:nan", ["Invalid rate of profile probe: invalid integer: nan"]),
        ("profile:hz:0", ["profile frequency should be a positive integer"]),
        ("software", ["software probe type requires 1 or 2 arguments, found 0"]),
        ("software:nosuch", ["nosuch is not a software probe"]),
        ("software:*", ["wildcards are not allowed for software probe type"]),
        ("software:faults:", ["Invalid count for software probe: invalid integer: "]),
        ("software:cs:-1", ["software count should be a positive integer"]),
        ("hardware:cache-references:1b", ["Invalid count for hardware probe: invalid trailing bytes: 1b"]),
        ("watchpoint:0x10:4", ["watchpoint probe type requires 3 arguments, found 2"]),
        ("watchpoint:1b:8:w", ["Invalid function/address argument: invalid trailing bytes: 1b"]),
        ("watchpoint:0x10:y:w", ["Invalid length argument: invalid integer: y"]),
        ("watchpoint:0x10:3:w", ["watchpoint length must be one of (1,2,4,8)"]),
        ("watchpoint:0:4:w", ["watchpoint must be attached to a non-zero address"]),
        ("iter", ["iter probe type takes 2 arguments (1 optional)"]),
        ("iter:a:b:c", ["iter probe type takes 2 arguments (1 optional)"]),
        ("tracepoint:f", ["tracepoint probe type requires 2 arguments, found 1"]),
        ("tracepoint:a:b:c", ["tracepoint probe type requires 2 arguments, found 3"]),
        ("tracepoint:a:", ["tracepoint probe must have a target"]),
        ("rt", ["rawtracepoint probe type requires 2 or 1 arguments, found 0"]),
        ("rt::", ["rawtracepoint should be attached to a function"]),
        ("f", ["fentry probe type requires 1 or 3 arguments, found 0"]),
        ("f:a:b:c", ["Only the 'bpf' variant of this probe supports 4 arguments"]),
        ("f:bpf", ["the 'bpf' variant of this probe requires a bpf program name and optional bpf program id"]),
        ("f:bpf:x:y", ["bpf program id must be a number or '*'"]),
        ("f:", ["fentry/fexit should specify a function"]),
        ("kprobe", ["kprobe probe type requires 1 or 2 arguments, found 0"]),
        ("k:", ["kprobes should be attached to a function or an address"]),
        ("k:f+1+2", ["Cannot take more than one offset"]),
        ("k:f+", ["Invalid offset"]),
        ("k:f+x", ["Invalid offset: invalid integer: x"]),
        ("kr:f+1", ["Offset not allowed"]),
        ("k:0x1234", ["Probing by address requires --unsafe"]),
        ("uprobe", ["uprobe probe type requires 2 or 3 arguments, found 0"]),
        ("u:/bin/sh", ["uprobe probe type requires 2 or 3 arguments, found 1"]),
        ("u:/bin/sh:", ["uprobe should be attached to a function and/or address"]),
        ("u:/bin/sh:rust:f", ["unsupported language type: rust"]),
        ("u:/bin/sh@x.c", ["Invalid uprobe arguments, expected format: uprobe:TARGET@FILE:LINE[:COL]"]),
        ("u:/bin/sh@x.c:z", ["Invalid line number: invalid integer: z"]),
        ("u:/bin/s*@x.c:1", ["Cannot use wildcards with source code location"]),
        ("ur:/bin/sh@x.c:1", ["Source code location not allowed"]),
        ("uretprobe:/bin/sh:f+0x10", ["Offset not allowed"]),
        ("u:/no/such/file:f", ["uprobe target file '/no/such/file' does not exist or is not executable"]),
        ("u:/etc/passwd:f", ["uprobe target file '/etc/passwd' does not exist or is not executable"]),
        ("usdt:x", ["usdt probe type requires 2 or 3 arguments, found 1"]),
        ("usdt:/bin/sh:", ["usdt probe must have a target function or wildcard"]),
        ("usdt::x", ["usdt probe must specify at least path or pid to probe. To target all paths/pids set the path to "
                     "'*'."]),
        ("usdt:/no/such/file:x", ["usdt target file '/no/such/file' does not exist or is not executable"]),
        ("asdf:xyz", ["Invalid probe type: asdf"]),
        ("a=b=begin", ["Invalid probe type: b=begin"]),
        ("asyncwatchpoint:0x1:4:w", ["Invalid probe type: asyncwatchpoint"]),
        ("K:f", ["Invalid probe type: K"]),
        ("b*:x", ["No probe type matched for b*"]),
        (":w:0x10000000:8:rw", ["No attach points for probe"]),
    ],
)  # fmt: skip
def test_a_malformed_specification_says_what_is_wrong(header: str, messages: list[str]) -> None:
    assert errors_of(header, stop="parse") == messages


def test_watchpoint_modes_are_those_of_the_machine() -> None:
    _, diagnostics = compile_headers("w:0:3:zz", stop="parse")
    assert [d.message for d in diagnostics.errors] == [
        "watchpoint must be attached to a non-zero address",
        "watchpoint length must be one of (1,2,4,8)",
        "watchpoint mode must be combination of (r,w,x)",
        "watchpoint modes may not be duplicated",
        "invalid watchpoint mode: zz",
    ]
    assert diagnostics.errors[-1].hints[0].startswith("supported modes: ")


def test_names_of_tests_are_unique_for_each_kind() -> None:
    _, diagnostics = compile_headers("test:a", "bench:a", "test:a", stop="parse")
    (error,) = diagnostics.errors
    assert error.message == '"a" was used as the name for more than one TEST probe'
    assert [text for _, text in error.notes] == ["this is the other instance"]


def test_an_iterator_is_alone_in_its_probe() -> None:
    unit, diagnostics = compile_headers("iter:task,iter:task_file", stop="parse")
    assert [d.message for d in diagnostics.errors] == ["iter probe only supports one attach point."]
    assert diagnostics.errors[0].span == unit.script.items[0].attach_points[1].span  # type: ignore[union-attr]


def test_words_that_cannot_be_parsed_hide_what_their_parts_name() -> None:
    assert errors_of("i:s:1,i:foo:1,nosuch:x", "i:s:x") == [
        "Invalid probe type: nosuch", "Invalid rate of interval probe: invalid integer: x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("begin", ["begin"]),
        ("BEGIN,End", ["begin", "end"]),
        ("begin:*", ["begin"]),
        ("begin,i:ms:5,", ["begin", "interval:ms:5"]),
        ("i:ms:0x10", ["interval:ms:16"]),
        ("i:s:1e3", ["interval:s:1000"]),
        ("i:ms:1_0", ["interval:ms:10"]),
        ("i:ms:10us", ["interval:ms:10000"]),
        ("i:1500000ns", ["interval:us:1500"]),
        ("profile:1000000", ["profile:us:1000"]),
        ("p:5ms", ["profile:us:5000"]),
        ('i:"ms":"5"', ["interval:ms:5"]),
        ("foo=i:hz:5", ["interval:hz:5"]),
        ("=begin,1a-b=begin", ["begin", "begin"]),
        ("software:cpu:100000", ["software:cpu:100000"]),
        ("s:cs", ["software:cs"]),
        ("s:cs:*,s:cs:0", ["software:cs", "software:cs"]),
        ("h:cycles:5", ["hardware:cycles:5"]),
        ("self:signal:SIGUSR1", ["self:signal:SIGUSR1"]),
        ("test:a,bench:b", ["test:a", "bench:b"]),
        ("w:0x1000:8:w", ["watchpoint:4096:8:w"]),
        ("h*:cycles", ["hardware:cycles"]),
        ("soft*:faults:1", ["software:faults:1"]),
    ],
)
def test_names_of_probes(header: str, names: list[str]) -> None:
    assert names_of(header) == names


def test_a_label_stays_with_its_targets() -> None:
    unit, _ = compile_headers("foo=i:ms:1,i:ms:2")
    assert [target.label for target in unit.probes[0].targets] == ["foo", ""]


def test_spellings_of_providers() -> None:
    """Full names in any case, short names exactly, older names too."""
    assert find_provider("InTerVal") is PROVIDERS["interval"]
    assert find_provider("U") is PROVIDERS["usdt"]
    assert find_provider("u") is PROVIDERS["uprobe"]
    assert find_provider("KFUNC") is PROVIDERS["fentry"]
    assert find_provider("kretfunc") is PROVIDERS["fexit"]
    assert find_provider("KR") is None
    assert all(PROVIDERS[name].name == name for name in PROVIDERS)


def test_a_wildcard_provider_stands_for_what_is_listed() -> None:
    assert [p.name for p in wildcard_providers("*", user=False)] == [
        "fentry", "hardware", "iter", "kprobe", "rawtracepoint", "software", "tracepoint",
    ]  # fmt: skip
    assert [p.name for p in wildcard_providers("u*", user=True)] == ["uprobe", "usdt"]


def test_the_configuration_reaches_the_host() -> None:
    unit, _ = compile_headers("begin", config=Config(missing_probes="warn"))
    assert unit.host is not None
    assert unit.host.config.missing_probes == "warn"
