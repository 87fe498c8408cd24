"""Each option at work: what it changes, and what it refuses (CLI 2)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.options import usage
from tests.conftest import Done

pytestmark = pytest.mark.live

Run = Callable[..., Done]
_MODES = "'codegen', 'compiler-bench', 'bench', 'test' or 'format'"


@pytest.mark.parametrize(
    ("arguments", "message", "helps"),
    [
        (["-B", "sometimes"], "USAGE: -B must be either 'line', 'full', or 'none'.", True),
        (["-k", "-k"], "USAGE: -k can be given once only; it covers map lookups and probe reads.", True),
        (["-k", "--no-warnings"], "USAGE: -k conflicts with --no-warnings", True),
        (["-p", "1", "-c", "/bin/true"], "USAGE: Cannot use both -c and -p.", True),
        (["--mode", "nope"], f"USAGE: --mode can only be {_MODES}.", True),
        (["--test", "--bench"], "USAGE: --bench conflicts with existing --mode", True),
        (["--mode", "test", "--fmt"], "USAGE: --fmt conflicts with existing --mode", True),
        (
            ["--no-feature", "nope"],
            "USAGE: --no-feature can only have values 'kprobe_multi,kprobe_session,uprobe_multi'.",
            True,
        ),
        (["-d", "nope"], "USAGE: invalid option for -d: nope", False),
        (["-f", "xml"], "Invalid output format \"xml\"\nValid formats: 'text', 'json'", False),
        (["-o", "/nonexistent/x"], 'Failed to open output file: "/nonexistent/x": No such file or directory', False),
        (["-p", "abc"], "Failed to parse pid: invalid integer: abc", False),
        (["-p", "99999999"], "Pid out of range: 99999999", False),
        (["-p", "4194304"], "Failed to attach to pid: Unable to open pidfd (No such process)", False),
        (
            ["-c", "/nonexistent/x"],
            "Failed to fork child: Path '/nonexistent/x' does not exist or is not executable "
            "(No such file or directory)",
            False,
        ),
    ],
)
def test_refusals(pytrace: Run, arguments: list[str], message: str, helps: bool):
    done = pytrace(*arguments, "-e", "begin { }", status=1)
    assert done.stdout == ""
    assert done.stderr == f"ERROR: {message}\n" + (usage() if helps else "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "unrecognized option '--nope'"),
        (["-x"], "invalid option -- 'x'"),
        (["--out"], "option '--output' requires an argument"),
        (["-o"], "option requires an argument -- 'o'"),
        (["--quiet=1"], "option '--quiet' doesn't allow an argument"),
        (["--in"], "option '--in' is ambiguous; possibilities: '--include' '--include-dir' '--info'"),
    ],
)
def test_what_getopt_says(pytrace: Run, arguments: list[str], message: str):
    assert pytrace(*arguments, status=1).stderr == f"pytrace: {message}\n{usage()}"


def test_missing_script(pytrace: Run):
    done = pytrace("/nonexistent.bt", status=1)
    assert done.stderr == "ERROR: failed to open file '/nonexistent.bt': No such file or directory\n"


def test_include(pytrace: Run, tmp_path: Path):
    (tmp_path / "first.h").write_text("#define SIX 6\n")
    (tmp_path / "second.h").write_text("struct pair { int a; char b[SIX]; };\n")
    script = "begin { print((sizeof(struct pair), SIX)); }"
    files = [str(tmp_path / name) for name in ("first.h", "second.h")]
    assert pytrace("-q", "--include", files[0], "--include", files[1], "-e", script).stdout == "(12, 6)\n\n\n"
    missing = pytrace("--include", str(tmp_path / "third.h"), "-e", script, status=2)
    assert f"'{tmp_path}/third.h' file not found" in missing.stderr


def test_include_dir(pytrace: Run, tmp_path: Path):
    (tmp_path / "first.h").write_text("#define SIX 6\n")
    script = '#include "first.h"\nbegin { print(SIX); }'
    assert pytrace("-q", "-I", str(tmp_path), "-e", script).stdout == "6\n\n\n"
    assert "file not found" in pytrace("-e", script, status=2).stderr


def test_options_without_effect(pytrace: Run):
    given = ["--usdt-file-activation", "-b", "--btf", "--verify-llvm-ir", "--debuginfo", "/nonexistent"]
    assert pytrace("-q", *given, "--dwarf-pid", "1", "-e", "begin { print(1); }").stdout == "1\n\n\n"


def test_traceable_functions(pytrace: Run, tmp_path: Path):
    functions = tmp_path / "functions"
    functions.write_text("a_function\nvfs_read\nin_a_module [no_such_module]\n")
    listed = pytrace("--traceable-functions", str(functions), "-l", "kprobe:*").stdout
    assert listed.splitlines() == ["kprobe:a_function", "kprobe:vfs_read"]
    for use in (("-l", "kprobe:*"), ("-e", "begin { }")):
        missing = pytrace("--traceable-functions", f"{tmp_path}/none", *use, status=1)
        why = f"Could not read functions from {tmp_path}/none. (No such file or directory)"
        assert missing.stderr == f"ERROR: Failed to open kernel function info: {why}\n"


def test_verbose(pytrace: Run):
    script = "begin { print(1); } interval:ms:1 { exit(); } end { print(2); }"
    done = pytrace("-v", "-e", script)
    assert done.stdout == "1\n2\n\n\n"
    assert done.stderr.splitlines() == [
        "Attaching 'begin' probe",
        "Trying to attach probe: interval:ms:1",
        "Attached 3 probes",
        "Attaching 'end' probe",
    ]


def test_verbose_tells_how_the_child_ended(pytrace: Run):
    done = pytrace("-v", "-c", "/bin/false", "-e", "interval:s:10 { }")
    assert "Child exited with code: 1\n" in done.stderr


def test_tests(pytrace: Run):
    script = 'begin { print(0); } test:good { return 0; } test:bad { print("shown"); return 1; } end { print("over"); }'
    done = pytrace("--test", "-e", script, status=1)
    green, red, plain = "\x1b[32m", "\x1b[31m", "\x1b[0m"
    assert re.sub(r"\(\d+ (ns|μs|ms|s)\)", "(TIME)", done.stdout).splitlines() == [
        f"{green}[==========]{plain} Running 2 tests.",
        f"{green}[ RUN      ]{plain} good",
        f"{green}[       OK ]{plain} good (TIME)",
        f"{green}[ RUN      ]{plain} bad",
        "shown",
        f"{red}[  FAILED  ]{plain} bad (TIME)",
        f"{green}[==========]{plain} 2 tests ran.",
        f"{green}[  PASSED  ]{plain} 1 test.",
        f"{red}[  FAILED  ]{plain} 1 test, listed below:",
        f"{red}[  FAILED  ]{plain} bad",
        "over",
        "",
        "",
    ]


def test_benches(pytrace: Run):
    done = pytrace("--bench", "-e", "bench:one { @ = count(); } bench:skipped { return 1; }")
    heading, rule, row, *rest = done.stdout.split("\n")
    assert heading == "Benchmark                                Time(ns)       Iterations"
    assert rule == "-" * len(heading)
    assert re.fullmatch(r"one {38}\d+ +\d+", row) and len(row.split()) == 3
    assert rest == ["", "", ""]
    failed = pytrace("--bench", "-e", 'bench:bad { errorf("no"); }', status=1)
    assert "ERROR: Benchmark 'bad' failed.\n" in failed.stderr


@pytest.mark.parametrize("mode", ["codegen", "compiler-bench"])
def test_modes_that_load_nothing(pytrace: Run, mode: str):
    done = pytrace("--mode", mode, "-e", "begin { print(1); }")
    assert (done.stdout, done.stderr) == ("", "")


def test_mode_format_is_fmt(pytrace: Run):
    script = "begin{print( 1 )}"
    assert pytrace("--mode", "format", "-e", script).stdout == pytrace("--fmt", "-e", script).stdout


def test_probe_filter(pytrace: Run):
    script = "begin { print(1); } interval:ms:1 { print(2); exit(); } profile:hz:99 { print(3); } end { print(4); }"
    lines = pytrace("-q", "--probe-filter", "^inter", "-e", script).stdout.split()
    assert lines[0] == "1" and lines[-1] == "4" and set(lines[1:-1]) == {"2"}
    assert pytrace("--probe-filter", "none", "-e", "interval:ms:1 { }", status=1).stdout == "No probes to attach\n"
    bad = pytrace("--probe-filter", "(", "-e", script, status=255)
    assert bad.stderr.startswith("ERROR: Invalid --probe-filter regex")


@pytest.mark.parametrize("mode", ["line", "full", "none"])
def test_buffering_does_not_change_the_results(pytrace: Run, mode: str):
    script = 'begin { for ($i : 0..2000) { printf("%d,", $i); } printf("\\n"); @x = 1; }'
    expected = "".join(f"{n}," for n in range(2000)) + "\n\n\n@x: 1\n"
    assert pytrace("-q", "-B", mode, "-e", script).stdout == expected


def test_info_has_every_section(pytrace: Run):
    report = pytrace("--info").stdout
    sections = {part.split("\n")[0]: part for part in report.split("\n\n")}
    assert list(sections) == ["System", "Build", "Kernel helpers", "Kernel features", "Probe types"]
    assert os.uname().release in sections["System"] and f"Arch: {os.uname().machine}" in sections["System"]
    for name in ("version", "LLVM", "llvmlite", "lark", "pyelftools", "libbpf"):
        assert re.search(rf"^  {name}: .*\d", sections["Build"], re.MULTILINE)
    for section, names in {
        "Kernel helpers": ("dpath", "get_tai_ns", "get_func_ip", "lookup_percpu_elem", "loop"),
        "Kernel features": ("btf", "module btf"),
        "Probe types": ("kprobe_multi", "uprobe_multi", "kprobe_session", "iter"),
    }.items():
        for name in names:
            assert re.search(rf"\b{name}: (yes|no)", sections[section])
    assert re.search(r"Instruction limit: \d+", sections["Kernel features"])
    assert report.endswith("\n") and all(len(line) == len(line.rstrip()) for line in report.splitlines())


def test_info_without_features(pytrace: Run):
    names = ("kprobe_multi", "kprobe_session", "uprobe_multi")
    report = pytrace("--no-feature", ",".join(names), "--info").stdout
    assert all(f"{name}: no" in report for name in names)


# --- the configuration --------------------------------------------------------------------------------------------


def test_max_probes(pytrace: Run):
    script = "interval:ms:1 { exit(); } interval:ms:2 { }"
    done = pytrace("-e", script, env={**os.environ, "BPFTRACE_MAX_PROBES": "1"}, status=1)
    assert "exceeds the current limit of 1 probes" in done.stderr
    assert "BPFTRACE_MAX_PROBES" in done.stderr


def test_the_ring_may_be_small(pytrace: Run):
    """What does not fit is lost, and counted."""
    script = 'begin { for ($i : 0..3000) { printf("%s", comm); } }'
    small = pytrace("-q", "-e", script, env={**os.environ, "BPFTRACE_PERF_RB_PAGES": "1"})
    assert re.search(r"^Lost (\d+) events\nWARNING: Total lost event count: \1$", small.stderr, re.MULTILINE)
    assert pytrace("-q", "-e", script).stderr == ""


def test_str_trunc_trailer(pytrace: Run):
    script = (
        'config = { max_strlen = 4; str_trunc_trailer = "<" } '
        "tracepoint:syscalls:sys_enter_execve /pid == cpid/ { print(str(args.filename)); }"
    )
    assert pytrace("-q", "-e", script, "-c", "/bin/true").stdout == "/bin<\n\n\n"


@pytest.mark.parametrize(
    ("script", "feature"),
    [
        ("begin { @ = tseries(1, 1s, 2); }", "tseries"),
        ("begin { print(typeinfo(1).full_type); }", "typeinfo"),
    ],
)
def test_unstable_features(pytrace: Run, script: str, feature: str):
    name = f"BPFTRACE_UNSTABLE_{feature.upper()}"
    warned = pytrace("-q", "-e", script, env={**os.environ, name: "warn"})
    assert f"WARNING: Script is using an unstable feature: {feature}." in warned.stderr
    assert pytrace("-q", "-e", script, env={**os.environ, name: "enable"}).stderr == ""
    refused = pytrace("-q", "-e", script, env={**os.environ, name: "error"}, status=1)
    assert f"unstable_{feature}=enable" in refused.stderr


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("cpp_demangle", "false", "false"), ("lazy_symbolication", "false", "false"), ("use_blazesym", "true", "true"),
        ("show_debug_info", "true", "true"), ("log_size", "5000", "5000"), ("max_bpf_progs", "3", "3"),
        ("max_cat_bytes", "7", "7"), ("max_map_keys", "9", "9"), ("max_probes", "4", "4"), ("max_strlen", "200", "200"),
        ("on_stack_limit", "16", "16"), ("perf_rb_pages", "8", "8"), ("print_maps_on_exit", "false", "false"),
        ("str_trunc_trailer", "~~", "~~"), ("missing_probes", "warn", "warn"), ("stack_mode", "perf", "perf"),
        ("license", "Dual BSD/GPL", "Dual BSD/GPL"), ("unstable_tseries", "enable", "enable"),
        ("unstable_typeinfo", "enable", "enable"), ("unstable_import_statement", "warn", "warn"),
        ("unstable_dw_ustack", "enable", "enable"),
    ],
)  # fmt: skip
def test_the_environment_wins(pytrace: Run, name: str, value: str, shown: str):
    script = f"begin {{ print(config.{name}); }}"
    environment = {**os.environ, f"BPFTRACE_{name.upper()}": value}
    assert pytrace("-q", "-e", script, env=environment).stdout == f"{shown}\n\n\n"


def test_a_bad_value_in_the_environment(pytrace: Run):
    done = pytrace("-e", "begin { }", env={**os.environ, "BPFTRACE_MAX_STRLEN": "foo"}, status=2)
    assert done.stderr == "max_strlen: expecting a number, got foo\n"


def test_notification(pytrace: Run):
    name = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"
    assert pytrace("-q", "-e", "begin { print(1); }", env={**os.environ, name: "1"}).stdout == f"{name}\n1\n\n\n"
