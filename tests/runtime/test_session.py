"""A run from loading to the last line, with programs made by hand."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pytrace.codegen.image import MapImage
from pytrace.output.streams import Output
from pytrace.probes.provider import Target
from pytrace.runtime.child import Child, Process
from pytrace.runtime.errors import RunError
from pytrace.runtime.session import Session, SessionOptions
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import I64, U64, Array, Int, Str, Tuple
from tests.runtime.assemble import Assembler, ImageMaker
from tests.runtime.conftest import Ran

pytestmark = pytest.mark.live

Run = Callable[..., Ran]

EVENT = (("category", "syscalls"), ("event", "sys_enter_getppid"))
GETPPID = Target("tracepoint", "tracepoint:syscalls:sys_enter_getppid", EVENT)


def text(value: bytes) -> tuple[object, ...]:
    return ((value,), ())


def number(value: int) -> tuple[Int, bytes]:
    return I64, struct.pack("<q", value)


@pytest.fixture
def maker() -> ImageMaker:
    return ImageMaker()


def held() -> list[str]:
    """What this process keeps in the kernel: programs, maps, links, events."""
    kinds = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            kinds.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(kind for kind in kinds if "bpf" in kind or "perf_event" in kind)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = held()
    yield
    assert held() == before


def count_calls(maker: ImageMaker, pid: int) -> ImageMaker:
    """A tracepoint that counts the getppid calls of a process in @calls."""
    symbol = maker.counter("@calls", I64)
    assembler = Assembler()
    assembler.only(pid)
    assembler.count(symbol)
    assembler.leave()
    maker.program(GETPPID, assembler, "tracepoint")
    return maker


def test_begin_and_end(maker: ImageMaker, run: Run):
    """Output of begin comes before that of end, two newlines before the maps, and stderr has the count."""
    symbol = maker.counter("@n", I64)
    hello = maker.record("printf", ((b"hello ", ("conv", "", 0, "l", "d", 0), b"\n"), ()), number(5))
    assembler = Assembler()
    assembler.send(hello)
    assembler.count(symbol)
    assembler.leave()
    maker.program(Target("begin", "begin"), assembler)
    maker.sending("end", maker.record("printf", text(b"bye\n")))
    ran = run(maker.image(), verbose=True)
    assert ran == Ran(
        0, "hello 5\nbye\n\n\n@n: 1\n", "Attaching 'begin' probe\nAttached 2 probes\nAttaching 'end' probe\n"
    )


def test_quiet_json(maker: ImageMaker, run: Run):
    maker.sending("begin", maker.record("printf", text(b'"x"\n')), maker.record("print", (), number(7)))
    ran = run(maker.image(), format="json", quiet=True)
    assert [json.loads(line) for line in ran.output.splitlines()] == [
        {"type": "printf", "data": '"x"\n'}, {"type": "value", "data": 7},
    ]
    assert ran.messages == ""


def test_records_behind_exit_are_dropped_and_the_last_exit_counts(maker: ImageMaker, run: Run):
    maker.sending("begin", maker.record("exit", (), number(3)), maker.record("printf", text(b"never\n")))
    maker.sending("end", maker.record("printf", text(b"end\n")), maker.record("exit", (), number(256 + 4)))
    ran = run(maker.image(), quiet=True)
    assert (ran.status, ran.output) == (4, "end\n\n\n")


def test_dry_run_prints_nothing(maker: ImageMaker, run: Run):
    maker.counter("@n", I64)
    maker.sending("begin", maker.record("printf", text(b"text\n")))
    assert run(maker.image(), dry_run=True) == Ran(0, "", "")


def test_maps_are_not_printed_when_the_script_says_so(run: Run):
    maker = ImageMaker(Config(print_maps_on_exit=False))
    assembler = Assembler()
    assembler.count(maker.counter("@n", I64))
    assembler.leave()
    maker.program(Target("begin", "begin"), assembler)
    assert run(maker.image()).output == "\n\n"


def test_maps_are_printed_in_the_order_of_their_names(maker: ImageMaker, run: Run):
    names = ["@x", "@a_b", "@", "@B", "@a", "@_a", "@Z", "@b1", "@a1", "@A"]
    assembler = Assembler()
    for name in names:
        assembler.count(maker.counter(name, I64))
    maker.counter("@never", I64)
    assembler.leave()
    maker.program(Target("begin", "begin"), assembler)
    shown = [line.split(":")[0] for line in run(maker.image()).output.split()[::2]]
    assert shown == ["@", "@A", "@B", "@Z", "@_a", "@a", "@a1", "@a_b", "@b1", "@x"]


def test_clearing_zeroing_and_printing_maps(maker: ImageMaker, run: Run):
    """A cleared map is printed on demand as zero, and not at the end; a zeroed one still holds something."""
    cleared, zeroed = maker.counter("@c", I64), maker.counter("@z", I64)
    assembler = Assembler()
    assembler.count(cleared)
    assembler.count(zeroed)
    for kind, static in (
        ("clear", ("@c",)), ("zero", ("@z",)), ("print_map", ("@c", 0, 0)), ("print_map", ("@z", 0, 0)),
    ):
        assembler.send(maker.record(kind, static))
    assembler.leave()
    maker.program(Target("begin", "begin"), assembler)
    assert run(maker.image(), quiet=True).output == "@c: 0\n@z: 0\n\n\n@z: 0\n"


def test_actions_of_user_space(maker: ImageMaker, run: Run, tmp_path):
    file = tmp_path / "text"
    file.write_bytes(b"contents")
    words = (U64, Array(Str(1024), 16))
    joined = struct.pack("<Q", 2) + b"a".ljust(1024, b"\0") + b"b".ljust(1024, b"\0")
    name = str(file).encode()
    records = [
        maker.record("cat", text(name)), maker.record("cat", text(b"/no/such/file")),
        maker.record("system", text(b"echo out; echo err >&2")), maker.record("system", text(b"exit 3")),
        maker.record("system", text(b"kill -9 $$")), maker.record("time", (b"%%|",)), maker.record("time", (b"",)),
    ]
    maker.sending("begin", *records)
    ran = run(maker.image(), quiet=True)
    assert ran.output == "contentsout\nerr\n\n%|\n\n"
    assert ran.messages == (
        "ERROR: failed to open file '/no/such/file' (No such file or directory)\n"
        "ERROR: command exited with code 3 (Invalid argument)\n"
        "ERROR: child process did not exit normally (Invalid argument)\n"
        "ERROR: strftime returned zero (Invalid argument)\n"
    )
    # A record of join is larger than the stack of a program: handled directly.
    join = maker.record("join", (b"+",), (Tuple(words), joined))
    output = Output.to_file(str(tmp_path / "joined"))
    session = Session(maker.image(), SessionOptions(), output)
    from pytrace.runtime.actions import Consumer

    Consumer(session.image, session.printer, None, session.outcome, 0).consume([join])
    output.close()
    assert (tmp_path / "joined").read_bytes() == b"a+b\n"


def test_cat_stops_at_its_limit(run: Run, tmp_path):
    (tmp_path / "text").write_bytes(b"contents")
    maker = ImageMaker(Config(max_cat_bytes=4))
    maker.sending("begin", maker.record("cat", text(str(tmp_path / "text").encode())))
    assert run(maker.image()).output == "cont\n\n"


def test_messages_of_the_script_and_run_time_errors(maker: ImageMaker, run: Run):
    maker.sending(
        "begin", maker.record("errorf", text(b"e")), maker.record("warnf", text(b"w\n")),
        maker.record("runtime_error", ("helper", "probe_read_user"), number(-14)),
        maker.record("runtime_error", ("map_full", "map_update_elem"), number(-7)),
        maker.record("runtime_error", ("divide_by_zero", ""), number(0)),
    )
    source = "begin { text }\n        ~~~~\n"
    ran = run(maker.image(), quiet=True)
    assert ran.status == 0
    assert ran.messages == (
        "stdin:1:9-20: ERROR: e\nstdin:1:9-20: WARNING: w\n"
        f"stdin:1:9-20: WARNING: Bad address\nAdditional Info - helper: probe_read_user, retcode: -14\n{source}"
        "stdin:1:9-20: WARNING: Map full; can't update element. Try increasing max_map_keys config or manually setting "
        "the max entries in a map declaration e.g. `let @a = hash(5000)`\n"
        f"Additional Info - helper: map_update_elem, retcode: -7\n{source}"
        "stdin:1:9-20: WARNING: Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used "
        f"as the result.\n{source}"
    )
    silent = run(maker.image(), quiet=True, warnings=False)
    assert silent.messages == "stdin:1:9-20: ERROR: e\n"
    coloured = run(maker.image(), quiet=True, colour=True).messages
    assert coloured.startswith("\x1b[31mstdin:1:9-20: ERROR: e\x1b[0m\n\x1b[33mstdin:1:9-20: WARNING: w\x1b[0m\n")
    events = [json.loads(line) for line in run(maker.image(), quiet=True, format="json").output.splitlines()]
    place = {"filename": "stdin", "line": 1, "col": 9}
    assert events[:4] == [
        {"type": "errorf", "msg": "e", **place},
        {"type": "warnf", "msg": "w\n", **place},
        {"type": "helper_error", "msg": "Bad address", "helper": "probe_read_user", "retcode": -14, **place},
        {"type": "helper_error", "msg": "Argument list too long", "helper": "map_update_elem", "retcode": -7, **place},
    ]
    assert events[4]["type"] == "runtime_error"


def test_lost_records_are_counted(maker: ImageMaker, run: Run):
    """The counters of both CPUs and all programs are added up."""
    maker.maps.append(MapImage("drops", "percpu_array", 4, 8, 2))
    assembler = Assembler()
    assembler.insn(0x62, 10, 0, -4, 1)  # key 1 at fp-4
    assembler.address(1, "drops")
    assembler.insn(0xBF, 2, 10)
    assembler.insn(0x07, 2, imm=-4)
    assembler.insn(0x85, imm=1)  # bpf_map_lookup_elem
    assembler.insn(0x15, 0, 0, 2, 0)
    assembler.insn(0xB7, 1, imm=17)
    assembler.insn(0x7B, 0, 1, 0)
    assembler.leave()
    maker.program(Target("begin", "begin"), assembler)
    ran = run(maker.image(), quiet=True)
    told = "WARNING: begin: 17 records were lost. The ring buffer was full: print less, or raise perf_rb_pages.\n"
    assert (ran.status, ran.messages) == (0, f"Lost 17 events\nWARNING: Total lost event count: 17\n{told}")
    ran = run(maker.image(), quiet=True, format="json")
    assert ran.output == '{"type": "lost_events", "count": 17, "data": {"events": 17}}\n'


# --- events -------------------------------------------------------------------------------------------------------


def test_all_events_are_counted_until_the_child_ends(maker: ImageMaker, run: Run, load):
    child = Child(f"{load} getppid 20000 2")
    ran = run(count_calls(maker, child.pid).image(), child=child, verbose=True)
    assert ran.output == "\n\n@calls: 40000\n"
    assert ran.messages == (
        "Trying to attach probe: tracepoint:syscalls:sys_enter_getppid\nAttached 1 probe\nChild exited with code: 0\n"
    )


def test_end_probes_see_no_more_events(maker: ImageMaker, run: Run, load):
    """What `end` clears stays cleared, though the traced process goes on."""
    busy = subprocess.Popen([load, "getppid", "1000000000", "2"])
    count_calls(maker, busy.pid)
    assembler = Assembler()
    assembler.send(maker.record("print_map", ("@calls", 0, 0)))
    assembler.send(maker.record("clear", ("@calls",)))
    assembler.leave()
    maker.program(Target("end", "end"), assembler)
    try:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        output = run(maker.image(), quiet=True).output
        assert int(output.split()[1]) > 1000
        assert len(output.split()) == 2
    finally:
        busy.kill()
        busy.wait()


@pytest.mark.parametrize("number_", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run(maker: ImageMaker, run: Run, number_: signal.Signals):
    before = signal.getsignal(number_)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), number_))
    timer.start()
    assert run(count_calls(maker, 1).image(), quiet=True).status == 0
    assert signal.getsignal(number_) is before


def test_records_from_before_the_signal_are_printed(maker: ImageMaker, run: Run):
    assembler = Assembler()
    assembler.only(os.getpid())
    assembler.send(maker.record("printf", text(b"hit\n")))
    assembler.leave()
    maker.program(GETPPID, assembler, "tracepoint")

    def call_and_stop() -> None:
        os.getppid()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.2, call_and_stop)
    timer.start()
    assert "hit\n" in run(maker.image(), quiet=True).output


def test_self_probes_run_at_each_signal(maker: ImageMaker, run: Run):
    maker.sending("self", maker.record("printf", text(b"usr1\n")), maker.record("exit", (), number(0)))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    ran = run(maker.image())
    assert (ran.output, ran.messages) == ("usr1\n\n\n", "Attached 1 probe\n")


def test_the_run_ends_with_the_traced_process(maker: ImageMaker, run: Run):
    sleeper = subprocess.Popen(["sleep", "0.3"])
    process = Process(sleeper.pid)
    reaper = threading.Thread(target=sleeper.wait)
    reaper.start()
    started = time.monotonic()
    assert run(count_calls(maker, 1).image(), process=process, quiet=True).status == 0
    assert time.monotonic() - started < 2
    process.close()
    reaper.join()


def test_exit_ends_the_child(maker: ImageMaker, run: Run):
    maker.sending("begin", maker.record("exit", (), number(0)))
    child = Child("/bin/sleep 60")
    run(maker.image(), child=child, quiet=True)
    assert os.WTERMSIG(child.status or 0) in (signal.SIGTERM, signal.SIGKILL)


# --- what cannot be done -------------------------------------------------------------------------------------------


def test_a_program_that_is_refused(maker: ImageMaker, run: Run):
    assembler = Assembler()
    assembler.insn(0x95)  # exit without a result
    maker.program(Target("begin", "begin"), assembler)
    with pytest.raises(RunError) as caught:
        run(maker.image())
    assert caught.value.status == 255
    assert caught.value.messages == (
        "Error loading BPF program for begin_1. Error code: -13 (Permission denied). "
        "Use -v for full kernel error log.",
    )
    assert "R0 !read_ok" in caught.value.log
    with pytest.raises(RunError) as caught:
        run(maker.image(), verbose=True)
    assert "Kernel error log: \n" in caught.value.log


def nothing() -> Assembler:
    assembler = Assembler()
    assembler.leave()
    return assembler


NO_EVENT = Target("tracepoint", "tracepoint:no:event", (("category", "no"), ("event", "event")))


def test_a_probe_that_cannot_be_attached(maker: ImageMaker, run: Run):
    maker.program(NO_EVENT, nothing(), "tracepoint")
    with pytest.raises(RunError) as caught:
        run(maker.image())
    assert caught.value.messages[-1] == (
        "Unable to attach probe: tracepoint:no:event. If this is expected, set the 'missing_probes' config variable to "
        "'warn'."
    )


def test_missing_probes_may_be_skipped(run: Run):
    maker = ImageMaker(Config(missing_probes="warn"))
    maker.program(NO_EVENT, nothing(), "tracepoint")
    with pytest.raises(RunError, match=r"Attachment failed for all probes\."):
        run(maker.image())
    maker.sending("begin", maker.record("exit", (), number(0)))
    ran = run(maker.image())
    assert ran.messages == "WARNING: Unable to attach probe: tracepoint:no:event. Skipping.\nAttached 1 probe\n"


def test_a_closed_output_ends_the_run(maker: ImageMaker):
    maker.sending("begin", maker.record("printf", text(b"text\n")))
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        Session(maker.image(), SessionOptions(quiet=True), Output(writer)).run()
    os.close(writer)


def test_a_full_disk_ends_the_run(maker: ImageMaker):
    maker.sending("begin", maker.record("printf", text(b"text\n")))
    with pytest.raises(RunError) as caught:
        Session(maker.image(), SessionOptions(quiet=True), Output.to_file("/dev/full")).run()
    assert (caught.value.status, caught.value.messages) == (1, ("Failed to write output: No space left on device",))


# --- --test and --bench --------------------------------------------------------------------------------------------


def test_tests(maker: ImageMaker, run: Run):
    maker.sending("begin", maker.record("printf", text(b"begin\n")))
    maker.sending("test", maker.record("printf", text(b"hidden\n")), name="good")
    maker.sending("test", maker.record("printf", text(b"shown\n")), name="bad", result=1)
    maker.sending("test", maker.record("errorf", text(b"oops")), name="error")
    maker.sending("test", maker.record("exit", (), number(2)), name="exit")
    maker.sending("test", maker.record("exit", (), number(0)), name="fine")
    maker.sending("end", maker.record("printf", text(b"end\n")))
    ran = run(maker.image(), mode="test")
    assert ran.status == 1
    green, red, plain = "\x1b[32m", "\x1b[31m", "\x1b[0m"
    lines = [line.rpartition(" (")[0] or line for line in ran.output.split("\n")]
    assert lines == [
        f"{green}[==========]{plain} Running 5 tests.",
        f"{green}[ RUN      ]{plain} good", f"{green}[       OK ]{plain} good",
        f"{green}[ RUN      ]{plain} bad", "shown", f"{red}[  FAILED  ]{plain} bad",
        f"{green}[ RUN      ]{plain} error", "stdin:1:9-20: ERROR: oops", f"{red}[  FAILED  ]{plain} error",
        f"{green}[ RUN      ]{plain} exit", f"{red}[  FAILED  ]{plain} exit",
        f"{green}[ RUN      ]{plain} fine", f"{green}[       OK ]{plain} fine",
        f"{green}[==========]{plain} 5 tests ran.",
        f"{green}[  PASSED  ]{plain} 2 tests.",
        f"{red}[  FAILED  ]{plain} 3 tests, listed below:",
        *[f"{red}[  FAILED  ]{plain} {name}" for name in ("bad", "error", "exit")],
        "end", "", "", "",
    ]  # fmt: skip
    events = [json.loads(line)["data"] for line in run(maker.image(), mode="test", format="json").output.splitlines()]
    assert events[0]["good"]["passed"] is True
    assert events[0]["good"]["output"] == "begin\nhidden\n"
    assert events[1]["bad"]["passed"] is False
    assert events[5] == "end\n"


def test_no_tests(maker: ImageMaker, run: Run):
    assert run(maker.image(), mode="test") == Ran(0, "\n\n", "")


def test_benches(maker: ImageMaker, run: Run):
    maker.sending("bench", maker.record("printf", text(b"text\n")), name="b1")
    maker.sending("bench", name="skipped", result=1)
    maker.sending("bench", maker.record("errorf", text(b"oops")), name="broken")
    maker.sending("end", maker.record("printf", text(b"end\n")))
    ran = run(maker.image(), mode="bench")
    heading, rule, row, *rest = ran.output.split("\n")
    assert heading == f"{'Benchmark':<41}{'Time(ns)':<15}Iterations"
    assert rule == "-" * len(heading)
    name, average, runs = row.split()
    assert name == "b1"
    assert int(average) * int(runs) >= 1_000_000
    assert rest == ["end", "", "", ""]
    assert (ran.status, ran.messages) == (1, "ERROR: Benchmark 'broken' failed.\n")


def test_test_probes_without_the_option(maker: ImageMaker, run: Run):
    maker.sending("test", name="t")
    with pytest.raises(RunError, match=r"No probes attached; use --test to run test probes\."):
        run(maker.image())
