"""Help: every name of the language has a page, and every example on it is a script that compiles."""

from __future__ import annotations

import re

import pytest

from pytrace.builtins import REGISTRY
from pytrace.builtins.examples import EXAMPLES
from pytrace.compiler import check
from pytrace.diagnostics import CompileError, Diagnostics, Source
from pytrace.probes import PROVIDERS, SHORT
from pytrace.probes.help import HELP
from pytrace.probes.host import MachineHost
from pytrace.repl.context import Argument, Command
from pytrace.repl.help import LANGUAGE, overview, probes, topic, topics
from pytrace.semantics.library import MACROS
from pytrace.semantics.unit import Options

COMMANDS = (Command("watch", "keep a map in view", (Argument.MAP,), "[@MAP [TIME]]", ":watch @us 2s"),)
ALL = {
    **EXAMPLES,
    **{name: each.example for name, each in HELP.items()},
    **{name: example for name, (_, _, example) in LANGUAGE.items()},
}
ABSENT = ("target file", "Failed to resolve kernel symbol", "Could not find the address", "No matches for",
          "Probe has no valid attach points", "TAI clock")  # fmt: skip
"""What a machine may lack of what examples name."""


def test_everything_has_an_example() -> None:
    assert set(EXAMPLES) == {name for name, each in REGISTRY.items() if not each.internal} | MACROS
    assert set(HELP) == set(PROVIDERS)


@pytest.mark.parametrize("name", ALL)
def test_examples_show_what_they_are_for(name: str) -> None:
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", ALL[name])


@pytest.mark.live
@pytest.mark.parametrize("name", ALL)
def test_examples_compile(name: str) -> None:
    diagnostics = Diagnostics()
    try:
        check(Source.from_bytes("example", ALL[name].encode()), Options(unsafe=True), diagnostics)
    except CompileError as error:
        for each in error.diagnostics.errors:
            assert any(text in each.message for text in ABSENT), each.message


@pytest.mark.parametrize("name", [name for name, _ in topics(COMMANDS)])
def test_every_topic_has_a_page(name: str) -> None:
    page = topic(name, COMMANDS)
    assert "nothing is known" not in page
    assert page.endswith("\n") and max(map(len, page.splitlines())) <= 120


def test_a_page() -> None:
    assert topic("hist") == (
        "@m = hist(n)\n@m = hist(n, k)\n\n"
        "    A histogram in powers of two, each divided into 2^k buckets (k = 0 to 5).\n\n"
        "    tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @bytes[comm] = hist(args.ret); }\n"
    )
    assert topic("hist()") == topic(" hist ") == topic("hist")


def test_providers() -> None:
    for short, name in SHORT.items():
        page = topic(short)
        assert HELP[name].syntax[0] in page and f"short: {short}" in page
    assert "kfunc" in topic("fentry")
    assert topic("tracepoint:syscalls:sys_enter_openat") == topic("tracepoint")


def test_commands() -> None:
    assert topic("watch", COMMANDS) == topic(":watch", COMMANDS)
    assert topic("watch", COMMANDS) == ":watch [@MAP [TIME]]\n\n    Keep a map in view.\n\n    :watch @us 2s\n"
    assert ":watch [@MAP [TIME]]" in overview(COMMANDS)
    assert topic("", COMMANDS) == overview(COMMANDS)


def test_unknown_names_get_near_ones() -> None:
    assert topic("hits") == "nothing is known about hits; did you mean ?hist or ?lhist?\n"
    assert "?tracepoint" in topic("tracepont")
    assert topic("xyzzyxyzzy") == "nothing is known about xyzzyxyzzy\n"
    assert "nothing is known" in topic("@")


@pytest.mark.live
def test_listing() -> None:
    host = MachineHost(Options())
    assert list(probes("tracepoint:syscalls:sys_enter_openat", host)) == ["tracepoint:syscalls:sys_enter_openat"]
    assert "    const char * filename" in list(probes("tracepoint:syscalls:sys_enter_openat", host, verbose=True))
    lines = list(probes("tracepoint:syscalls:*", host, limit=5))
    assert len(lines) == 6 and lines[5] == "… and more: the first 5 lines are shown"
    assert list(probes("tracepoint:nosuch:*", host)) == ["nothing matches tracepoint:nosuch:*"]
