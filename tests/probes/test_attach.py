"""Providers on the running kernel: a known number of events is counted exactly."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.kernel import perf
from pytrace.kernel.maps import online_cpus
from pytrace.probes import PROVIDERS
from pytrace.probes.provider import AttachError, Attachment, Target
from pytrace.semantics.configuration import Config
from tests.probes.support import attach, counting_program, hits, names_of, targets_of

pytestmark = pytest.mark.live

_libc = ctypes.CDLL(None)
CALLS = 1000


def getppid() -> None:
    for _ in range(CALLS):
        _libc.getppid()


@pytest.fixture(scope="session")
def probed(build: Callable[..., Path]) -> str:
    return str(build("probed"))


def run(path: str, times: int) -> Callable[[], int]:
    """Runs `probed`; gives how often its guard was open."""
    return lambda: int(subprocess.run([path, str(times)], capture_output=True, check=True).stdout)


# --- kernel -------------------------------------------------------------------------------------------------------


def test_tracepoints_count_every_call() -> None:
    def rarely_called() -> None:
        for _ in range(CALLS):
            _libc.sched_get_priority_max(0)

    both = "t:syscalls:sys_enter_sched_get_priority_max,t:syscalls:sys_exit_sched_get_priority_max"
    places, count = hits(both, rarely_called)
    assert places == 2
    assert 2 * CALLS <= count < 2 * CALLS + 100


def test_a_raw_tracepoint_counts_every_call() -> None:
    places, count = hits("rt:sys_enter", getppid)
    assert places == 1
    assert count >= CALLS


def test_a_tracepoint_that_went_away_is_named() -> None:
    (target,) = targets_of("t:sched:sched_switch")
    _, program = counting_program([target])
    gone = Target("tracepoint", "tracepoint:sched:gone", (("category", "sched"), ("event", "gone")))
    with pytest.raises(AttachError) as caught:
        attach(program, [gone])
    os.close(program)
    assert caught.value.target == gone
    assert "sched:gone does not exist" in caught.value.reason


# --- timers and counters ------------------------------------------------------------------------------------------


def test_an_interval_fires_at_its_rate() -> None:
    started = time.monotonic()
    places, count = hits("i:ms:5", lambda: time.sleep(0.5))
    assert places == 1
    assert 50 <= count <= (time.monotonic() - started) * 200 + 2


def test_a_profile_fires_on_every_cpu() -> None:
    places, count = hits("p:ms:5", lambda: time.sleep(0.5))
    assert places == 1
    assert 50 * len(online_cpus()) <= count <= 140 * len(online_cpus())


def test_a_profile_of_a_process_fires_while_it_runs() -> None:
    def idle() -> None:
        time.sleep(0.3)

    def work() -> None:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass

    assert hits("p:ms:1", idle, pid=os.getpid())[1] < 40
    assert hits("p:ms:1", work, pid=os.getpid())[1] > 60


def test_a_software_event_counts_the_faults_of_a_process() -> None:
    pages = 1000

    def touch() -> None:
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
            for page in range(pages):
                memory[page * mmap.PAGESIZE] = 1

    assert pages <= hits("s:faults:1", touch, pid=os.getpid())[1] < pages + 100
    assert pages // 10 <= hits("s:page-faults:10", touch, pid=os.getpid())[1] < pages // 10 + 10


def test_a_machine_without_counters_says_so() -> None:
    try:
        os.close(perf.hardware_event("cpu-cycles", period=1000000, cpu=0))
    except OSError:
        with pytest.raises(AttachError):
            hits("h:cycles", lambda: None)
    else:
        assert hits("h:cycles:100000", getppid)[0] == 1


# --- breakpoints --------------------------------------------------------------------------------------------------


def _watch(header: str, pid: int | None) -> int:
    cell = ctypes.create_string_buffer(16)

    def write() -> None:
        for _ in range(CALLS):
            cell[0] = b"x"

    try:
        return hits(header.format(ctypes.addressof(cell)), write, pid=pid)[1]
    except AttachError as error:
        pytest.skip(f"no hardware breakpoints: {error.reason}")


def test_a_watchpoint_counts_every_write_of_a_process() -> None:
    assert _watch("w:{}:1:w", os.getpid()) == CALLS


def test_a_watchpoint_sees_all_processes() -> None:
    assert _watch("w:{}:4:rw", None) >= CALLS


def test_breakpoint_registers_run_out() -> None:
    targets = targets_of(*(f"w:{0x1000 * n}:8:w" for n in range(1, 12)))
    _, program = counting_program(targets[:1])
    attachments: list[Attachment] = []
    reasons: list[str] = []
    for target in targets:
        provider = PROVIDERS[target.provider]
        attachments += provider.attach(program, [(target, 0)], pid=None, failed=lambda e: reasons.append(e.reason))
    for attachment in attachments:
        for fd in attachment.fds:
            os.close(fd)
    os.close(program)
    if not attachments:
        pytest.skip("no hardware breakpoints")
    assert set(reasons) == {"No more HW registers left"}


# --- user space ---------------------------------------------------------------------------------------------------

SINGLE = frozenset({"uprobe_multi"})


@pytest.mark.parametrize("features", [frozenset(), SINGLE], ids=["multi", "single"])
@pytest.mark.parametrize(
    ("spec", "places", "each"),
    [("u:{}:add", 1, 1), ("ur:{}:add", 1, 1), ("u:{}:add,u:{}:look", 2, 2), ("u:{}:t*c*", 2, 2)],
)
def test_uprobes_count_every_call(
    probed: str, spec: str, places: int, each: int, features: frozenset[str]
) -> None:
    header = spec.replace("{}", probed)
    assert hits(header, run(probed, 7), no_features=features) == (places, 7 * each)


def test_functions_of_a_stripped_file_are_found_by_its_debug_file(probed: str, tmp_path: Path) -> None:
    bare, debug = str(tmp_path / "bare"), str(tmp_path / "bare.debug")
    subprocess.run(["objcopy", "--only-keep-debug", probed, debug], check=True)
    subprocess.run(["objcopy", "--strip-all", "--remove-section=.note.gnu.build-id", probed, bare], check=True)
    assert names_of(f"u:{bare}:ad*", config=Config(missing_probes="ignore")) == []
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", bare], check=True)
    assert names_of(f"u:{bare}:add") == [f"uprobe:{bare}:add"]
    assert hits(f"u:{bare}:ad*", run(bare, 10)) == hits(f"u:{probed}:ad*", run(probed, 10))


def test_a_uprobe_may_be_bound_to_a_process(probed: str) -> None:
    assert hits(f"u:{probed}:add", run(probed, 7), pid=os.getpid()) == (1, 0)
    assert hits("u:libc:getppid", getppid, pid=os.getpid()) == (1, CALLS)


def test_an_address_is_that_of_the_file(probed: str) -> None:
    symbols = subprocess.run(["nm", probed], capture_output=True, text=True, check=True).stdout
    address = next(line.split()[0] for line in symbols.splitlines() if line.endswith(" add"))
    assert [target.name for target in targets_of(f"u:{probed}:0x{address}")] == [f"uprobe:{probed}:{int(address, 16)}"]
    assert hits(f"u:{probed}:0x{address}", run(probed, 7)) == (1, 7)


def test_a_source_line_is_an_address(probed: str) -> None:
    source = (Path(__file__).parent.parent / "programs" / "probed.c").read_text().splitlines()
    line = next(n for n, text in enumerate(source, 1) if "return a + d + b" in text)
    assert hits(f"u:{probed}@probed.c:{line}", run(probed, 7)) == (1, 7)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("{}:add+100000", "Offset outside the function bounds ('add' size is "),
        ("{}:1", "Could not resolve address: {}:0x1"),
    ],
)
def test_unfit_places_fail_when_attaching(probed: str, spec: str, reason: str) -> None:
    with pytest.raises(AttachError) as caught:
        hits(f"u:{spec.format(probed)}", lambda: None)
    assert caught.value.reason.startswith(reason.format(probed))


def test_the_middle_of_an_instruction_needs_force(probed: str) -> None:
    """`seven` starts with an instruction of three bytes or more, whatever the compiler."""
    with pytest.raises(AttachError) as caught:
        hits(f"u:{probed}:seven+1", lambda: None)
    first, second = caught.value.reason.splitlines()
    assert first == f"Could not add uprobe into middle of instruction: {probed}:seven+1"
    assert "--unsafe" in second


def test_with_a_handler_the_other_targets_are_attached(probed: str) -> None:
    """A link for many places fails as a whole; the bad place is found and left out."""
    good = targets_of(f"u:{probed}:add,u:{probed}:look,u:{probed}:tick")
    data = dict(good[1].data) | {"place": 1 << 40}
    bad = Target("uprobe", "uprobe:bad", tuple(data.items()))
    _, program = counting_program(good)
    failures: list[AttachError] = []
    entries = [(target, 0) for target in (good[0], bad, good[2])]
    attachments = PROVIDERS["uprobe"].attach(program, entries, pid=None, failed=failures.append)
    for attachment in attachments:
        for fd in attachment.fds:
            os.close(fd)
    assert sum(attachment.count for attachment in attachments) == 2
    assert [failure.target for failure in failures] == [bad]
    with pytest.raises(AttachError):
        PROVIDERS["uprobe"].attach(program, entries, pid=None)
    os.close(program)


# --- static probes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "places", "count"),
    [("demo:tick", 1, 7), ("tick", 2, 14), ("*:t*", 2, 14), ("copies", 1, 7), ("other:copies", 1, 7)],
)
def test_static_probes_count_every_hit(probed: str, spec: str, places: int, count: int) -> None:
    assert hits(f"usdt:{probed}:{spec}", run(probed, 7)) == (places, count)


@pytest.mark.parametrize("features", [frozenset(), SINGLE], ids=["multi", "single"])
def test_the_semaphore_is_up_while_attached(probed: str, features: frozenset[str]) -> None:
    open_guards: list[int] = []
    work = run(probed, 7)
    assert hits(f"usdt:{probed}:guarded", lambda: open_guards.append(work()), no_features=features) == (1, 7)
    assert open_guards == [7]
    assert work() == 0
