"""What the checks accept compiles, and the kernel takes it.

In a short run the scripts are Hypothesis's, which makes a failure small; `PYTRACE_GENERATE=SECONDS` goes on with
scripts from numbers for so long, from `PYTRACE_GENERATE_START`. A failure of those names the number:
`generate_script(random.Random(number))` is the script.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.generate.arithmetic import Calculation, calculate
from tests.generate.engine import Outcome, apart
from tests.generate.scripts import KERNELS, Generated, generate_script

pytestmark = pytest.mark.live

SECONDS = float(os.environ.get("PYTRACE_GENERATE", "0"))
START = int(os.environ.get("PYTRACE_GENERATE_START", "0"))
BATCH = 40
CHECKED = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=True,
)

randoms = st.randoms(use_true_random=False)
scripts = st.builds(generate_script, randoms)
calculations = st.builds(calculate, randoms, st.integers(1, 12))


def good(script: Generated, outcome: Outcome) -> None:
    """A script was rejected by the checks, or else taken by all that comes after them."""
    assert outcome.stage in ("done", "rejected"), f"{script}\n{script.text}\n{outcome.what}"


def printed(output: str) -> list[str]:
    """The lines on stdout: warnings take the lines up to their marker."""
    lines: list[str] = []
    rest = iter(output.splitlines())
    for line in rest:
        if ": WARNING: " in line:
            while set(next(rest).strip()) != {"~"}:
                pass
        elif line:
            lines.append(line)
    return lines


def right(calculation: Calculation, outcome: Outcome) -> None:
    assert outcome.stage == "done", f"{calculation.text}\n{outcome.what}"
    assert printed(outcome.output) == calculation.lines, calculation.text


@pytest.mark.timeout(600)
@CHECKED
@given(scripts)
def test_what_is_accepted_works(script: Generated):
    [outcome] = apart([script])
    good(script, outcome)


@pytest.mark.timeout(600)
def test_most_scripts_are_accepted():
    """The law that makes the other one mean something."""
    made = [generate_script(random.Random(number)) for number in range(1000, 1000 + BATCH)]
    ends = [outcome.stage for outcome in apart(made)]
    assert ends.count("done") > BATCH * 3 // 5


@pytest.mark.timeout(600)
@CHECKED
@given(calculations, st.sampled_from(sorted(KERNELS)))
def test_integers(calculation: Calculation, kernel: str):
    """A script prints what its expressions mean."""
    [outcome] = apart([Generated(calculation.text, (), True, kernel)])
    right(calculation, outcome)


@pytest.mark.skipif(not SECONDS, reason="PYTRACE_GENERATE says for how many seconds")
@pytest.mark.timeout(int(SECONDS) + 600)
def test_for_long():
    end, number = time.monotonic() + SECONDS, START
    while time.monotonic() < end:
        numbers = range(number, number + BATCH)
        made = [generate_script(random.Random(each)) for each in numbers]
        for each, script, outcome in zip(numbers, made, apart(made), strict=True):
            assert outcome.stage in ("done", "rejected"), f"script {each}:\n{script.text}\n{outcome.what}"
        sums = [calculate(random.Random(each)) for each in numbers]
        kernels = [random.Random(each).choice(sorted(KERNELS)) for each in numbers]
        ends = apart([Generated(c.text, (), True, kernel) for c, kernel in zip(sums, kernels, strict=True)])
        for each, calculation, outcome in zip(numbers, sums, ends, strict=True):
            assert outcome.stage == "done", f"calculation {each}:\n{calculation.text}\n{outcome.what}"
            assert printed(outcome.output) == calculation.lines, f"calculation {each}:\n{calculation.text}"
        number += BATCH


WORKS = (
    # An object that the verifier knows is a number where it is not loaded through.
    "begin { print(curtask + nsecs); print((uint64)curtask * 3); print((int64)curtask >> 3); }",
    "begin { @ = hist((uint64)curtask); print(-(int64)curtask); print((int32)(uint64)curtask); }",
    "begin { $p = curtask; print($p + nsecs); print($p->pid); print(buf((int8*)0, (uint64)curtask)); }",
    "begin { $x = (1, 2, curtask); print($x.2 + nsecs); print((uint64)curtask % 7); }",
    "rawtracepoint:sched_switch { print(arg1 & 3); @ = hist(arg1); print(args.prev->pid); print(args.prev + nsecs); }",
    "iter:task_file { print(path(ctx->file->f_path)); print((uint64)ctx->task & 3); print(ctx->task->pid); }",
    # Memory next to an object is not the object's.
    "begin { print(curtask[1].pid); print((curtask + 1)->pid); print(curtask[cpu].pid); }",
    # Two loads from the context are not one load with an offset that depends.
    'profile:hz:99 { print((pid ? reg("ip") : reg("sp"))); if (pid) { @ = reg("ip") } else { @ = reg("sp") } }',
    # A length that only the program knows, at the end of the memory that it is for.
    "begin { @[buf(probetype, (pid & 7))] = 1; @a[buf(comm, (nsecs & 15))] = 1; }",
    # Keys without an order of their own.
    "begin { @[kstack(3), 1] = 1; @[kstack(3), 2] = 1; }",
)


@pytest.mark.parametrize("text", WORKS)
def test_what_once_failed(text: str):
    [outcome] = apart([Generated(text, (), text.startswith("begin"))])
    assert outcome.stage == "done", outcome.what
