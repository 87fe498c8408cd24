"""The configuration (LANGUAGE 9)."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pytrace.semantics import config
from pytrace.semantics.configuration import Config
from tests.semantics.passes import Outcome


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ("max_strlen = 0x20", "max_strlen", 32),
        ("MAX_STRLEN = 1e3", "max_strlen", 1000),
        ('max_strlen = "12"', "max_strlen", 12),
        ("BPFTRACE_STACK_MODE=perf", "stack_mode", "perf"),
        ("stack_mode=raw;", "stack_mode", "raw"),
        ("missing_probes=WARN", "missing_probes", "warn"),
        ("cache_user_symbols=none", "cache_user_symbols", "NONE"),
        ("cache_user_symbols=0", "cache_user_symbols", "NONE"),
        ("cache_user_symbols=1", "cache_user_symbols", "PER_PID"),
        ("cache_user_symbols=true", "cache_user_symbols", "PER_PID"),
        ("cpp_demangle=false", "cpp_demangle", False),
        ('cpp_demangle="No"', "cpp_demangle", False),
        ("cpp_demangle=0", "cpp_demangle", False),
        ("unstable_tseries=true", "unstable_tseries", "enable"),
        ("unstable_typeinfo=Warn", "unstable_typeinfo", "warn"),
        ('str_trunc_trailer="~"', "str_trunc_trailer", "~"),
        ('license="GPL v2"', "license", "GPL v2"),
        ("max_strlen=1; max_strlen=64", "max_strlen", 64),
    ],
)
def test_settings(settings: str, name: str, value: object) -> None:
    outcome = Outcome(f"config = {{ {settings} }} begin {{ }}")
    assert not outcome.errors
    assert getattr(outcome.unit.config, name) == value


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("colour=1", "colour: not a known configuration option"),
        ("max_map_keys=perf", "max_map_keys: expecting a number, got perf"),
        ("cpp_demangle=maybe", "cpp_demangle: Invalid bool value: valid values are true, false, 1 or 0."),
        ("stack_mode=PERF",
         "stack_mode: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id."),
        ("missing_probes=1",
         "missing_probes: Invalid value for missing_probes: valid values are ignore, warn, and error."),
        ("unstable_tseries=foo",
         "unstable_tseries: Invalid value for unstable config: valid values are enable, warn, and error."),
        ("kernel_build=1", "kernel_build: can only be set as an environment variable"),
    ],
)
def test_refused(settings: str, message: str) -> None:
    outcome = Outcome(f"config = {{ {settings} }} begin {{ }}")
    assert outcome.errors == [message]
    assert outcome.status == 1
    assert f"stdin:1:12-{12 + len(settings)}: ERROR" in outcome.text


def test_older_names() -> None:
    outcome = Outcome("config = { strlen=64; symbol_source=3 } begin { }")
    assert outcome.unit.config.max_strlen == 64
    assert outcome.warnings == [
        "strlen has been renamed, please use max_strlen", "symbol_source is deprecated and has no effect",
    ]


def test_environment_wins() -> None:
    script = "config = { max_strlen=64 } begin { }"
    assert Outcome(script, environment={"BPFTRACE_MAX_STRLEN": "32"}).unit.config.max_strlen == 32
    assert Outcome(script, environment={"PYTRACE_MAX_STRLEN": "16"}).unit.config.max_strlen == 16
    for other in ("bpftrace_max_strlen", "MAX_STRLEN", "BPFTRACE_STRLEN", "BPFTRACE_COLOR"):
        assert Outcome(script, environment={other: "32"}).unit.config.max_strlen == 64


def test_bad_environment_ends_with_status_2() -> None:
    outcome = Outcome("begin { }", environment={"BPFTRACE_MAX_STRLEN": "foo"})
    assert outcome.status == 2
    assert outcome.errors == ["max_strlen: expecting a number, got foo"]


def test_a_traced_command_shares_symbols() -> None:
    assert Outcome("begin { }", child_path="/bin/true").unit.config.cache_user_symbols == "PER_PROGRAM"
    script = "config = { cache_user_symbols=PER_PID } begin { }"
    assert Outcome(script, child_path="/bin/true").unit.config.cache_user_symbols == "PER_PID"


def test_every_variable_can_be_set() -> None:
    for each in fields(Config):
        if each.name in config.ENVIRONMENT_ONLY:
            continue
        value = {bool: "true", int: "5", str: "error"}[type(each.default)]
        if each.name in ("stack_mode", "license", "cache_user_symbols"):
            value = str(each.default)
        assert not Outcome(f'config = {{ {each.name} = "{value}" }} begin {{ }}').errors
