"""Matching: what exists, what shares a program, limits and filters."""

from __future__ import annotations

import pytest

from pytrace.frozen import replace
from pytrace.semantics.configuration import Config
from pytrace.syntax import tree
from tests.probes.support import body_with, compile_headers, errors_of, identifier, member, names_of, probe_of

pytestmark = pytest.mark.live


def programs(header: str, *uses: tree.Expr) -> list[list[str]]:
    """The names of the targets of each program that a probe becomes, with a body that uses some expressions."""
    body = tuple(statement for node in uses for statement in body_with(node))
    unit, diagnostics = compile_headers(probe_of(header, body))
    assert not diagnostics.errors
    return [[target.name for target in each.targets] for each in unit.probes]


SWITCHES = ["tracepoint:sched:sched_swap_numa", "tracepoint:sched:sched_switch"]


def test_targets_share_a_program_by_default() -> None:
    assert programs("t:sched:sched_sw*") == [SWITCHES]


def test_what_is_named_twice_has_two_programs() -> None:
    assert programs("t:sched:sched_sw*,t:sched:sched_switch") == [SWITCHES, SWITCHES[1:]]


def test_the_name_of_the_probe_splits_nothing() -> None:
    assert programs("t:sched:sched_sw*", identifier("probe"), identifier("comm")) == [SWITCHES]


def test_targets_split_where_the_fields_that_are_used_differ() -> None:
    assert programs("t:sched:sched_sw*", member("prev_pid")) == [SWITCHES[:1], SWITCHES[1:]]
    assert programs("t:sched:sched_sw*", identifier("args")) == [SWITCHES[:1], SWITCHES[1:]]


def test_targets_share_where_the_fields_that_are_used_agree() -> None:
    (names,) = programs("t:syscalls:sys_enter_open*", member("__syscall_nr"))
    assert "tracepoint:syscalls:sys_enter_openat" in names
    assert len(names) > 1


def test_a_macro_of_the_preprocessor_may_use_anything() -> None:
    probe = probe_of("t:sched:sched_sw*")
    unit, _ = compile_headers(probe)
    line = tree.CLine(probe.span, "#define F args.prev_pid")
    from pytrace.diagnostics import Diagnostics
    from pytrace.semantics import attach_points, matching

    unit = replace(unit, script=replace(unit.script, preamble=(line,)), probes=())
    diagnostics = Diagnostics()
    unit = matching.match(attach_points.parse(unit, diagnostics), diagnostics)
    assert len(unit.probes) == 2


def test_providers_never_share() -> None:
    assert programs("begin,i:s:1,s:cs,i:s:2") == [["begin"], ["interval:s:1", "interval:s:2"], ["software:cs"]]


def test_programs_that_are_typed_after_their_target_never_share() -> None:
    assert len(programs("rt:sys_e*")) == len(names_of("rt:sys_e*")) > 1


# --- what exists --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("t:foo:bar", "No matches for tracepoint foo:bar."),
        ("rt:vmlinux:nosuch", "No matches for rawtracepoint vmlinux:nosuch."),
        ("f:nosuch_function", "No matches for fentry nosuch_function."),
        ("f:vmlinux:nosuch_function", "No matches for fentry vmlinux:nosuch_function."),
        ("f:bpf:4294967295:x", "No matches for fentry bpf:x."),
        ("k:nosuch_function", "No matches for kprobe nosuch_function."),
        ("u:/bin/sh:nosuch_function", "No matches for uprobe /bin/sh:nosuch_function."),
        ("usdt:/bin/sh:ns:nosuch", "No matches for usdt /bin/sh:nosuch."),
        ("iter:nosuch", "iter nosuch not available for your kernel version."),
    ],
)
def test_what_is_named_and_missing_is_an_error(header: str, message: str) -> None:
    assert errors_of(header) == [message]


NOTHING = (
    "Probe has no valid attach points. If this is expected, set the 'missing_probes' config variable to 'warn'."
)


@pytest.mark.parametrize(
    "header",
    ["t:foo:bar*", "t:*nosuch_event*", "rt:nosuch", "f:zzz_no*", "k:zzz_no*", "u:/bin/sh:zzz_no*", "usdt:/bin/sh:x"],
)
def test_a_pattern_without_a_match_leaves_the_probe_empty(header: str) -> None:
    assert errors_of(header) == [NOTHING]


def test_a_module_that_is_not_loaded_is_an_error() -> None:
    assert errors_of("k:nosuch_module:f")[0] == (
        "specified module nosuch_module in probe kprobe:nosuch_module:f is not loaded."
    )


def test_a_function_that_cannot_be_traced_is_warned_about() -> None:
    _, diagnostics = compile_headers("k:nosuch_function", unsafe=True)
    assert [d.message for d in diagnostics.items] == [
        'nosuch_function is not traceable (either non-existing, inlined, or marked as "notrace"); attaching to it will '
        "likely fail"
    ]


def test_missing_probes_may_be_warnings() -> None:
    unit, diagnostics = compile_headers("t:foo:x", "i:s:1", config=Config(missing_probes="warn"))
    assert [d.message for d in diagnostics.warnings] == [
        "No matches for tracepoint foo:x. Skipping.",
        "Probe has no valid attach points. It is being removed which may cause issues with program behavior.",
    ]
    assert not diagnostics.errors
    assert [target.name for each in unit.probes for target in each.targets] == ["interval:s:1"]


def test_missing_probes_may_be_ignored() -> None:
    config = Config(missing_probes="ignore")
    unit, diagnostics = compile_headers("t:foo:x,t:sched:sched_switch", "f:nosuch", config=config)
    assert not diagnostics.items
    assert [target.name for each in unit.probes for target in each.targets] == [SWITCHES[1]]


def test_a_spec_with_a_match_keeps_its_probe() -> None:
    assert names_of("t:foo:x*,t:sched:sched_switch") == [SWITCHES[1]]


# --- limits and the filter ----------------------------------------------------------------------------------------


def test_the_number_of_programs_is_limited() -> None:
    _, diagnostics = compile_headers("rt:sys_e*", config=Config(max_bpf_progs=1))
    (error,) = diagnostics.errors
    assert error.message.startswith("Your program is trying to generate more than ")
    assert error.message.endswith("BPF programs, which exceeds the current limit of 1")
    assert "BPFTRACE_MAX_BPF_PROGS" in error.hints[0]


def test_the_number_of_probes_is_limited() -> None:
    _, diagnostics = compile_headers("begin", "t:sched:sched_sw*", config=Config(max_probes=2))
    (error,) = diagnostics.errors
    assert error.message.startswith("Can't attach to 3 probes because it exceeds the current limit of 2 probes.")
    assert error.span is None


def test_the_filter_keeps_what_matches_and_the_special_ones() -> None:
    headers = ("begin", "i:ms:100", "i:ms:200,i:ms:300", "end", "self:signal:SIGUSR1")
    assert names_of(*headers, probe_filter=":[23]00$") == [
        "begin", "interval:ms:200", "interval:ms:300", "end", "self:signal:SIGUSR1",
    ]  # fmt: skip
    assert names_of("t:sched:sched_switch", probe_filter="nosuch") == []
    assert names_of("foo=i:ms:1", "i:ms:2", probe_filter="^foo$") == ["interval:ms:1"]


def test_a_bad_filter_is_an_error() -> None:
    (message,) = errors_of("i:ms:1", probe_filter="z(")
    assert message.startswith("Invalid --probe-filter regex 'z(': ")


def test_without_cookies_the_name_of_the_probe_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.15."""
    from pytrace.kernel import features

    monkeypatch.setattr(features, "perf_link", lambda: False)
    assert programs("t:sched:sched_sw*", identifier("probe")) == [SWITCHES[:1], SWITCHES[1:]]
    assert programs("t:sched:sched_sw*") == [SWITCHES]
