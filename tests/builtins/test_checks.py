"""What is refused, and with which words (LIBRARY 2–8, LANGUAGE 20.5). The places are those of the calls."""

from __future__ import annotations

import pytest

from pytrace.builtins import REGISTRY
from pytrace.compiler import check
from pytrace.diagnostics import CompileError, Diagnostics, Severity, Source
from pytrace.semantics.unit import Options


def messages(program: str, severity: Severity, *, unsafe: bool = True) -> list[str]:
    """The messages of a compilation, in order, as `first column: text`."""
    diagnostics = Diagnostics()
    try:
        check(Source("stdin", program), Options(unsafe=unsafe), diagnostics)
    except CompileError as error:
        diagnostics = error.diagnostics
    return [f"{d.span.column if d.span else 0}: {d.message}" for d in diagnostics.items if d.severity is severity]


def errors(program: str, *, unsafe: bool = True) -> list[str]:
    return messages(program, Severity.ERROR, unsafe=unsafe)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        # process ids and clocks
        ("$x = pid(1);", "14: pid() only supports curr_ns and init as the argument"),
        ("$x = tid(foo);", "18: Invalid PID namespace mode: foo (expects: curr_ns or init)"),
        ("$x = pid(init, init);", "14: pid() takes up to one argument (2 provided)"),
        ("$x = nsecs(foo);", "20: Invalid timestamp mode: foo"),
        ('$x = comm("a");', "14: Only integer supported for comm()'s pid"),
        ("$x = comm(1);", "14: comm(PID) can not be used in this probe type: begin"),
        ('$x = strftime("a", "b");', "14: strftime() only supports int arguments (string provided)"),
        ("$x = strftime(1, 1);", "14: strftime() expects a string literal (int provided)"),
        ('$x = strftime("a", nsecs(monotonic));', "14: strftime() can not take a monotonic timestamp"),
        ('$x = strftime("a", -1);', "14: strftime() does not accept negative timestamps"),
        # the probe's context
        ("$x = args;", "14: The args builtin can only be used with"),
        ("$x = arg0;", "14: The arg0 builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes"),
        ("$x = retval;", "14: The retval builtin can only be used with 'kretprobe' and 'uretprobe'"),
        ("$x = ctx;", "14: The ctx builtin can not be used with 'begin' probes"),
        ("$x = func;", "14: The func builtin can not be used with 'begin' probes"),
        ('$x = reg("ip");', '14: reg can not be used with "begin" probes'),
        ("$x = usermode;", '14: usermode can not be used with "begin" probes'),
        ('$x = uaddr("main");', '14: uaddr can not be used with "begin" probes'),
        # stacks
        ("$x = kstack(1025);", "14: kstack([int limit]): limit shouldn't exceed 1024, 1025 given"),
        ('$x = ustack("a");', "14: ustack: invalid limit value"),
        ("$n = 3; $x = kstack(raw, $n);", "22: kstack: invalid limit value"),
        ("$x = kstack(foo);", "21: kstack: Invalid value for stack_mode: valid values are"),
        ("$x = kstack(build_id);", "14: 'build_id' stack mode can only be used for ustack"),
        ("$x = kstack(3, perf);", "14: kstack() takes a stack mode first, then a limit"),
        # symbols
        ('$x = ksym("a");', "14: ksym() expects an integer or pointer argument"),
        ("$x = usym((1, 2));", "14: usym() expects an integer or pointer argument"),
        ("$x = kaddr(1);", "14: kaddr() expects a string literal (int provided)"),
        ('$a = "x"; $x = kaddr($a);', "24: kaddr() expects a string literal (string provided)"),
        ('$x = kaddr("no such symbol");', "14: Failed to resolve kernel symbol: no such symbol"),
        ('$x = percpu_kaddr("nosuch");', '14: Could not resolve variable "nosuch" from BTF'),
        # strings
        ("$x = str();", "14: str() requires at least one argument (0 provided)"),
        (
            "$x = str((1, 2));",
            "14: str() expects a string, integer or a pointer type as first argument ((int8,int8) provided)",
        ),
        ("$x = str(curtask, -1);", "14: str() cannot use negative length (-1)"),
        ('$x = str(curtask, "a");', "14: str() only supports int arguments (string provided)"),
        ("$x = strlen(1);", "14: strlen() expects strings, byte arrays or pointers to bytes (int8 provided)"),
        ('$x = strcontains("a", 1);', "14: strcontains() expects strings"),
        ('$x = strstr(1, "a");', "14: strstr() expects strings"),
        ('$x = strncmp(1, "b", 1);', "14: strncmp() only supports string arguments (int provided)"),
        ('$x = strncmp("a", "b", -1);', "14: Builtin strncmp requires a non-negative literal"),
        ('$x = strncmp("a", "b", pid);', "14: Builtin strncmp requires a non-negative literal"),
        ('$x = strncmp("a", "b");', "14: strncmp() requires 3 arguments (2 provided)"),
        ('$x = strerror("a");', '14: Cannot cast from "string[2]" to "int32"'),
        ('$x = memcmp("a", (1, 2), 1);', "14: memcmp() expects strings, arrays, pointers or addresses"),
        # buffers and addresses
        ("$x = buf(1);", "14: buf() expects a length argument for non-array type int"),
        ("$x = buf((1, 2), 3);", "14: buf() expects an integer, string, or array argument but saw tuple"),
        ("$x = buf(curtask, -1);", "14: buf() cannot use negative length (-1)"),
        ("$x = bswap(true);", "14: bswap() only supports integer arguments (bool provided)"),
        ('$x = kptr("a");', "14: kptr() only supports integer or pointer arguments (string provided)"),
        ("$x = path(1);", "14: The path function can only be used with 'fentry', 'fexit', 'iter' probes"),
        # network
        ('$x = macaddr("abcdef");', "14: macaddr() does not support literal string arguments"),
        ('$x = macaddr(pton("1.2.3.4"));', "14: macaddr() argument must be at least 6 bytes in size"),
        ("$x = macaddr(true);", "14: macaddr() only supports array or pointer arguments (bool provided)"),
        ("$x = ntop(curtask);", "14: ntop() expects an integer or array argument, got pointer"),
        ('$x = ntop("abc", 1);', "14: ntop() only supports int arguments (string provided)"),
        ('$x = ntop(2, "abcd");', "14: ntop() argument must be 4 or 16 bytes in size"),
        ('$x = pton("x");', "14: pton() expects an string argument of an IPv4/IPv6 address, got x"),
        ('$x = pton("1.2.3");', "14: pton() expects a valid IPv4/IPv6 address, got 1.2.3"),
        ('$x = pton("::ffff:1.2.3.4");', "14: pton() expects a valid IPv4/IPv6 address, got ::ffff:1.2.3.4"),
        ("$x = pton(1);", "14: pton() expects an string literal at the first argument"),
        ("$x = socket_cookie(1);", '14: socket_cookie can not be used with "begin" probes'),
        ('$x = skboutput("f", 1, 2, 3);', '14: skboutput can not be used with "begin" probes'),
        # control
        ("signal(1);", "9: signal() can not be used for this probetype special"),
        ("override(1);", "9: override() can only be used with kprobe probes (begin used here)"),
        ('unwatch("a");', "9: unwatch() only supports int arguments (string provided)"),
        ('$x = cgroupid("/no/such/group");', "14: cgroupid(): /no/such/group: No such file or directory"),
        ('$x = cgroup_path("a");', "14: cgroup_path() only supports int arguments (string provided)"),
        ("$x = cgroup_path(1, 1);", "14: cgroup_path() only supports string arguments (int provided)"),
        # output
        ("printf();", "9: printf() requires at least one argument (0 provided)"),
        ("printf(1);", "9: printf() expects a string literal (int provided)"),
        ('printf("%d");', "9: not enough arguments for format string (0 supplied, 1 expected)"),
        ('printf("%d", 1, 2);', "9: too many arguments for format string (2 supplied, 1 expected)"),
        ('printf("%d", "x");', "9: unsupported format specifier for type 'string[2]': d"),
        ('printf("%f", 1);', "9: unsupported format specifier: f"),
        ('printf("%s", printf(""));', "9: unable to print none type for specifier: s"),
        ('@ = count(); printf("%d", @);', "22: unsupported format specifier for type 'count_t': d"),
        ('@ = hist(1); printf("%s", @);', "22: unsupported format specifier for type 'hist_t': s"),
        ('system("%d", "a");', "9: unsupported format specifier for type 'string[2]': d"),
        ("cat(1);", "9: cat() expects a string literal (int provided)"),
        ("time(1);", "9: time() expects a string literal (int provided)"),
        ('join("a");', "9: join() only supports int or pointer arguments (string provided)"),
        ("join(curtask, 2);", "9: join() expects a string literal (int provided)"),
        ('exit("a");', "9: exit() only supports int arguments (string provided)"),
        ("exit(1, 2);", "9: exit() takes up to one argument (2 provided)"),
        ('debugf("%d %d %d %d", 1, 2, 3, 4);', "9: cannot use more than 3 conversion specifiers"),
        ('debugf("%c", 1);', "16: Invalid format specifier for `debugf`: c"),
        ('debugf("%s", 1);', "22: Type does not match format specifier: s"),
        ('fail("a %d|%s", 1, "b");', "9: a 1|b"),
        ('fail("a %s", comm);', "9: fail() arguments need to be literals"),
        ("print();", "9: print() requires at least one argument (0 provided)"),
        ("print(1, 2);", "9: Non-map print() only takes 1 argument, 2 found"),
        ("print(print(1));", "9: none type passed to print() is not printable"),
        ("print(());", "An empty tuple has no type"),
        ("print(exit());", "9: none type passed to print() is not printable"),
        ('@[1] = 1; print(@, "a");', "19: print() expects a int literal (string provided)"),
        ("@[1] = 1; $a = 1; print(@, $a);", "27: print() expects a int literal (int provided)"),
        ("@[1] = 1; print(@[1], 1);", "19: Non-map print() only takes 1 argument, 2 found"),
        (
            "@[1] = hist(1); print(@[1]);",
            "25: Map type hist_t cannot print the value of individual keys. You must print the whole map.",
        ),
        ("print(@);", "15: Undefined map: @"),
        # maps
        ("clear(1);", "15: clear() expects a map argument"),
        ("@[1] = 1; zero(@[1]);", "24: zero() expects a map argument"),
        ("clear(@);", "15: Undefined map: @"),
        ("@ = 1; print(len(@));", "22: call to len() expects a map with explicit keys (non-scalar map)"),
        ("print(len(1));", "15: len() expects a map or a stack (int provided)"),
        ("@ = 1; print(has_key(@, 1));", "22: call to has_key() expects a map with explicit keys (non-scalar map)"),
        ("@[1] = 1; print(has_key(1, 1));", "33: has_key() expects a map argument"),
        (
            '@[1] = 1; print(has_key(@, "a"));',
            "Argument mismatch for @: trying to access with arguments: 'string[2]' when map expects arguments: 'int8'",
        ),
        ("@[1] = 1; print(find(@, 1, 2));", "36: find() expects a variable for its third argument"),
        ("@[1] = stats(1); $y = 1; print(find(@, 1, $y));", "40: find() does not support maps of type stats_t"),
        (
            "@[1] = 1; print(delete(@));",
            "25: call to delete() with a single argument expects a map without explicit keys (scalar map)",
        ),
        (
            "@ = 1; print(delete(@, 1));",
            "22: call to delete() with two arguments expects a map with explicit keys (non-scalar map)",
        ),
        ("print(is_scalar(1));", "15: is_scalar() expects a map for the first argument"),
        # introspection
        ("print(kfunc_exist(1));", "15: kfunc_exist() accepts a string literal only"),
        # map functions
        ("$x = sum(1);", "14: sum() must be assigned directly to a map"),
        ("hist(1);", "9: hist() must be assigned directly to a map"),
        ("@ = count(1);", "13: count() requires no arguments (1 provided)"),
        ("@ = sum();", "13: sum() requires one argument (0 provided)"),
        ('@ = stats("x");', "13: stats() only supports integer arguments (string[2] provided)"),
        ("@ = sum(true);", "13: sum() only supports integer arguments (bool provided)"),
        ("@a = count(); @b = sum(@a);", "28: sum() only supports integer arguments (count_t provided)"),
        ('@ = hist("a");', "13: hist() only supports int arguments (string provided)"),
        ("@ = hist(1, 9);", "13: hist: bits 9 must be 0..5"),
        ("$a = 1; @ = hist(1, $a);", "21: hist: invalid bits value (must be non-negative literal)"),
        ("@ = lhist(1, 2, 3);", "13: lhist() requires 4 arguments (3 provided)"),
        ("@ = lhist(1, 0, 10000, 1);", "13: lhist() too many buckets, must be <= 1000 (would need 10000)"),
        ("@ = lhist(1, 10, 0, 1);", "13: lhist() min must be less than max (provided min 10 and max 0)"),
        ("@ = lhist(1, 0, 10, 0);", "13: lhist() step must be >= 1 (0 provided)"),
        (
            "@ = lhist(1, 0, 10, 11);",
            "13: lhist() step is too large for the given range (provided step 11 for range 10)",
        ),
        ("@ = lhist(1, -5, 10, 1);", "13: lhist: invalid min value (must be non-negative literal)"),
        ("@ = tseries(1, 0, 10);", "13: tseries() interval_ns must be >= 1 (0 provided)"),
        ("@ = tseries(1, 1s, 0);", "13: tseries() num_intervals must be >= 1 (0 provided)"),
        ("@ = tseries(1, 1s, 1000001);", "13: tseries() num_intervals must be <= 1000000 (1000001 provided)"),
        (
            '@ = tseries(1, 1s, 5, "foo");',
            '13: tseries() expects one of the following aggregation functions: avg, max, min, sum ("foo" provided)',
        ),
        ("@ = tseries(1, 1s);", "13: tseries() requires at least 3 arguments (2 provided)"),
    ],
)  # fmt: skip
def test_errors(body: str, error: str) -> None:
    """Exactly one error, at the call or the argument it concerns."""
    found = errors(f"begin {{ {body} }}")
    assert len(found) == 1, found
    assert error in found[0]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("reg(1)", "reg() expects a string literal (int provided)"),
        ('reg("foo")', "'foo' is not a valid register on this architecture"),
        ("print(ctx)", "struct bpf_perf_event_data * type passed to print() is not printable"),
        ("for ($i : 0..3) { $x = ctx; }", "'ctx' builtin is not allowed in a for-loop"),
    ],
)  # fmt: skip
def test_errors_with_registers(body: str, error: str) -> None:
    found = errors(f"interval:s:1 {{ {body} }}")
    assert any(error in text for text in found), found


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("0", "signal() accepts a string literal or an integer between 1 and 64 (inclusive)"),
        ("65", "signal() accepts a string literal or an integer between 1 and 64 (inclusive)"),
        ("-1", "signal() accepts a string literal or an integer between 1 and 64 (inclusive)"),
        ('"STOP"', "Invalid string for signal: STOP"),
        ("(1, 2)", "signal() accepts a string literal or a positive integer"),
        ("comm", "signal() accepts a string literal or an integer"),
    ],
)  # fmt: skip
def test_signals_that_do_not_exist(argument: str, error: str) -> None:
    assert errors(f"profile:hz:1 {{ signal({argument}); }}") == [f"16: {error}"]


@pytest.mark.parametrize("argument", ['"kill"', '"SIGSTOP"', "1", "64", "(uint64)5", "pid"])
def test_signals_that_exist(argument: str) -> None:
    assert errors(f"profile:hz:1 {{ signal({argument}); signal_thread({argument}); }}") == []


@pytest.mark.parametrize(
    ("probe", "call"),
    [
        ("begin", 'system("x")'), ("profile:hz:1", "signal(1)"), ("profile:hz:1", "signal_thread(1)"),
        ("begin", "override(1)"), ("begin", "print(write_user(1, 2, 3))"),
    ],
)  # fmt: skip
def test_unsafe_functions_need_leave(probe: str, call: str) -> None:
    name = call.removeprefix("print(").partition("(")[0]
    found = errors(f"{probe} {{ {call}; }}", unsafe=False)
    assert len(found) == 1
    assert f"{name}() is an unsafe function being used in safe mode" in found[0]


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ('debugf("x");', "9: The debugf() builtin is not recommended for production use."),
        ("$x = str(curtask, 2000);", "14: length param (2000) is too long and will be shortened to 1024 bytes"),
        ("for ($i : 0..2) { @ = 1; print(@); }", "34: Due to its asynchronous nature using 'print()' in a loop"),
        ("@ = stats(1); print(@, 2);", "23: print()'s top and div arguments are ignored when used on stats() maps."),
    ],
)  # fmt: skip
def test_warnings(body: str, warning: str) -> None:
    """What works, but not as one may think."""
    found = messages(f"begin {{ {body} }}", Severity.WARNING)
    assert any(warning in text for text in found), found


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("pid", "uint32"), ("tid", "uint32"), ("ppid", "int32"), ("leader_tid", "int32"), ("comm", "string[16]"),
        ("pcomm", "string[16]"), ("leader_comm", "string[16]"), ("uid", "uint64"), ("gid", "uint64"),
        ("username", "username_t"), ("curtask", "struct task_struct *"), ("cgroup", "uint64"), ("cpu", "uint64"),
        ("ncpus", "uint64"), ("numaid", "uint64"), ("jiffies", "uint64"), ("rand", "uint64"), ("nsecs", "uint64"),
        ("elapsed", "uint64"), ("probe", "string[6]"), ("probetype", "string[8]"), ("cpid", "uint64"),
        ("has_cpid", "bool"), ("kstack", "kstack_bpftrace_127"), ("ustack(raw, 3)", "ustack_raw_3"),
        ("str(curtask)", "string[1024]"), ("str(curtask, 5)", "string[6]"), ("str(comm)", "string[1024]"),
        ("str(1000)", "string[5]"), ('strlen("a")', "uint64"), ('strstr("a", "b")', "int32"),
        ('strcontains("a", "b")', "bool"), ('strncmp("a", "b", 1)', "int64"), ('memcmp("a", "b", 1)', "int32"),
        ('str_concat("a", "b")', "string[1024]"), ("strerror(1)", "string[64]"), ("signal_name(1)", "string[64]"),
        ("syscall_name(1)", "string[64]"), ("bswap((uint16)1)", "uint16"), ("bswap((int32)1)", "uint32"),
        ('pton("1.2.3.4")', "uint8[4]"), ('pton("::1")', "uint8[16]"), ("ntop(1)", "inet[24]"),
        ("macaddr(curtask)", "mac_address"), ("ksym(1)", "ksym_t"), ("usym(1)", "usym_t"),
        ('strftime("%H", nsecs)', "timestamp"), ("cgroup_path(cgroup)", "cgroup_path_t"), ("is_err(1)", "bool"),
        ("len(kstack)", "int64"), ("kptr(curtask)", "struct task_struct *"), ("uptr((int16)1)", "int16"),
    ],
)  # fmt: skip
def test_types(expression: str, type_: str) -> None:
    """The type of each builtin, as `typeinfo` spells it (LIBRARY 1, 6)."""
    program = (
        "config = { unstable_typeinfo = enable } "
        f'begin {{ $x = {expression}; if comptime (typeinfo($x).full_type != "{type_}") '
        f'{{ fail("not {type_}"); }} print($x); }}'
    )
    assert errors(program) == []


@pytest.mark.parametrize("name", sorted(name for name, builtin in REGISTRY.items() if builtin.unsafe))
def test_unsafe_functions_are_refused(name: str) -> None:
    """Each function that changes the system needs --unsafe, whatever else may be wrong with its use."""
    arguments = ", ".join(['"1"'] * REGISTRY[name].arity[0])
    refusal = f"9: {name}() is an unsafe function being used in safe mode"
    assert refusal in errors(f"begin {{ {name}({arguments}); }}", unsafe=False)
    assert refusal not in errors(f"begin {{ {name}({arguments}); }}")
