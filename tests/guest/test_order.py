"""Programs at the same event run in the order of the script, whatever the way the kernel keeps them (PROBES 4); their
stacks begin where they were attached."""

from __future__ import annotations

import pytest

from tests.guest.conftest import READS

pytestmark = pytest.mark.guest

RETURNS = '/comm == "load" && retval == 512/'
SPECS = {
    "kprobe:vfs_read": READS,
    "kprobe:vmlinux:vfs_read": READS,
    "kprobe:vfs_rea*": READS,
    "kretprobe:vfs_read": RETURNS,
    "kretprobe:vfs_rea*": RETURNS,
    "fentry:vfs_read": '/comm == "load" && args.count == 512/',
    "fexit:vfs_read": RETURNS,
}


@pytest.mark.parametrize("spec", SPECS)
def test_order_of_the_script(start, load, spec):
    probes = [f'{spec} {SPECS[spec]} {{ printf("{name}\\n"); }}' for name in "abc"]
    done = start("-q", "-e", " ".join(probes), "-c", f"{load} read 3 1").wait()
    assert done.lines == list("abc") * 3, done.errors


def test_entries_before_returns(start, load):
    """Also where two of them are one program."""
    script = f'kretprobe:vfs_read {RETURNS} {{ printf("out\\n"); }} kprobe:vfs_read {READS} {{ printf("in\\n"); }}'
    assert start("-q", "-e", script, "-c", f"{load} read 3 1").wait().lines == ["in", "out"] * 3


@pytest.mark.parametrize("spec", SPECS)
def test_a_stack_begins_at_the_event(start, load, spec):
    """At the traced function, or where it returns to. Trampolines and programs stand on the stack themselves."""
    done = start("-q", "-e", f"{spec} {SPECS[spec]} {{ print(kstack); }}", "-c", f"{load} read 1 1").wait()
    functions = [line.strip().partition("+")[0] for line in done.lines]
    first = next(name for name in functions if not name.startswith(("bpf_prog_", "bpf_trampoline_")))
    assert first == ("ksys_read" if spec.startswith(("kretprobe", "fexit")) else "vfs_read")
