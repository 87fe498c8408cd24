"""Entry and return of the same functions as one program: each event runs the right block, whichever way it is done."""

from __future__ import annotations

import pytest

from pytrace.kernel import features
from pytrace.kernel.links import ids
from tests.guest.conftest import READS, SIZE

pytestmark = pytest.mark.guest

OFF = ("--no-feature", "kprobe_session")
WAYS = [(), OFF, ("--no-feature", "kprobe_multi,kprobe_session")]
NAMES = ["as the kernel can", "without sessions", "one by one"]

ways = pytest.mark.parametrize("flags", WAYS, ids=NAMES)
RETURNS = '/comm == "load" && retval == 512/'


@ways
@pytest.mark.parametrize("spec", ["vfs_read", "vfs_rea*"])
def test_each_runs_its_own_block(traced, flags, spec):
    """Predicates, context, results, names and variables of both, with two threads at once."""
    done = traced(
        f"kprobe:{spec} {READS} {{ $v = arg2; @entry[func, probe, probetype, $v, ctx.dx] = count(); @start[tid] = 1; }}"
        f" kretprobe:{spec} {RETURNS}"
        " { $v = @start[tid]; @return[func, probe, probetype, $v, retval] = count(); $gone = delete(@start, tid); }",
        *flags, threads=2,
    )
    done.counted(
        f"@entry[vfs_read, kprobe:vfs_read, kprobe, 512, 512]: {2 * SIZE}",
        f"@return[vfs_read, kretprobe:vfs_read, kretprobe, 1, 512]: {2 * SIZE}",
    )


@ways
def test_a_value_that_is_returned_changes_nothing(traced, flags):
    """The kernel would leave out the return of a call whose entry gives 1."""
    script = f"kprobe:vfs_read {READS} {{ @a = count(); return; }} kretprobe:vfs_read {RETURNS} {{ @b = count(); }}"
    traced(script, *flags).counted(f"@a: {SIZE}", f"@b: {SIZE}")


@ways
def test_loops_and_records_in_both(traced, flags):
    loop = "for ($i : 0..3) { @n[probe, $i] = count(); }"
    done = traced(
        f"kprobe:vfs_read {READS} {{ {loop} }} kretprobe:vfs_read {RETURNS} {{ {loop} }}"
        ' end { printf("end: 0\\n"); }', *flags,
    )
    done.counted(
        "end: 0", *(f"@n[{name}:vfs_read, {i}]: {SIZE}" for name in ("kprobe", "kretprobe") for i in range(3))
    )


@ways
def test_other_programs_at_the_same_function(traced, flags):
    """A session, an entry of another kind, and a return of its own: each is run for every call."""
    script = f"kprobe:vfs_read {READS} {{ @a = count(); }} kretprobe:vfs_read {RETURNS} {{ @b = count(); }}"
    script += f" kprobe:vmlinux:vfs_read {READS} {{ @c = count(); }}"
    traced(script, *flags).counted(f"@a: {SIZE}", f"@b: {SIZE}", f"@c: {SIZE}")


@pytest.mark.parametrize(
    ("flags", "script", "count"),
    [
        ((), "kprobe:vfs_read { @a = count(); } kretprobe:vfs_read { @b = count(); }", 1),
        (OFF, "kprobe:vfs_read { @a = count(); } kretprobe:vfs_read { @b = count(); }", 2),
        ((), "kprobe:vfs_read { @a = count(); } kretprobe:vfs_write { @b = count(); }", 2),
        ((), "kprobe:vmlinux:vfs_read { @a = count(); } kretprobe:vmlinux:vfs_read { @b = count(); }", 2),
        ((), "kprobe:vfs_read,kprobe:vfs_write { @a = count(); } kretprobe:vfs_read { @b = count(); }", 3),
        ((), "kprobe:vfs_read { @a = count(); } kretprobe:vfs_read { } kretprobe:vfs_read { @b = count(); }", 3),
    ],
)
def test_what_becomes_a_session(start, flags, script, count):
    if not features.kprobe_session():
        pytest.skip("this kernel has no sessions")
    before = set(ids("link"))
    running = start(*flags, "-e", script)
    running.until("Attached")
    new = set(ids("link")) - before
    assert running.errors == f"Attached {count} probe{'s' if count > 1 else ''}\n"
    running.interrupt()
    assert len(new) == count and not new & set(ids("link"))
