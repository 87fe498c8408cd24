"""`kprobe` and `kretprobe`: every call is counted, on kernels that have them (elsewhere run by the guest tests)."""

from __future__ import annotations

import os

import pytest

from pytrace.kernel import features, perf
from pytrace.probes.provider import AttachError
from pytrace.semantics.configuration import Config
from tests.probes.support import compile_headers, hits, targets_of

pytestmark = [pytest.mark.live, pytest.mark.guest]

READS = 50


def read_own_status() -> None:
    """Reads a file `READS` times, through vfs_read."""
    fd = os.open("/proc/self/comm", os.O_RDONLY)
    for _ in range(READS):
        os.pread(fd, 1, 0)
    os.close(fd)


@pytest.fixture
def kprobes() -> None:
    if perf.pmu_type("kprobe") is None:
        pytest.skip("this kernel has no kprobes")


def test_a_module_that_is_not_loaded_is_said_once() -> None:
    for policy in ("error", "warn"):
        _, diagnostics = compile_headers("k:nosuchmod:f", config=Config(missing_probes=policy))
        assert [each.message for each in diagnostics.errors] == [
            "specified module nosuchmod in probe kprobe:nosuchmod:f is not loaded."
        ]
        assert not diagnostics.warnings


@pytest.mark.usefixtures("kprobes")
@pytest.mark.parametrize("header", ["k:vfs_read", "kr:vfs_read", "k:vmlinux:vfs_read"])
def test_a_kprobe_counts_every_call(header: str) -> None:
    places, count = hits(header, read_own_status)
    assert places == 1
    assert count >= READS


@pytest.mark.usefixtures("kprobes")
@pytest.mark.parametrize("without", [frozenset(), frozenset({"kprobe_multi"})], ids=["multi", "single"])
def test_kprobes_of_many_functions(without: frozenset[str]) -> None:
    places, count = hits("k:vfs_rea*", read_own_status, no_features=without)
    assert places == len(targets_of("k:vfs_rea*")) > 1
    assert count >= READS


@pytest.mark.usefixtures("kprobes")
def test_many_functions_share_a_link_where_the_kernel_can() -> None:
    multi = {target.number("multi") for target in targets_of("k:vfs_rea*")}
    assert multi == {int(features.kprobe_multi())}
    without = targets_of("k:vfs_rea*", no_features=frozenset({"kprobe_multi"}))
    assert {target.number("multi") for target in without} == {0}


@pytest.mark.usefixtures("kprobes")
def test_the_middle_of_an_instruction_is_refused_by_the_kernel() -> None:
    refused = []
    for offset in range(1, 12):
        try:
            hits(f"k:vfs_read+{offset}", read_own_status)
        except AttachError as error:
            refused.append((f"vfs_read+{offset}", error.reason))
    assert refused
    assert all(place in reason for place, reason in refused)


def test_without_kprobes_the_reason_is_given() -> None:
    if perf.pmu_type("kprobe") is not None:
        pytest.skip("this kernel has kprobes")
    with pytest.raises(AttachError) as caught:
        hits("k:vfs_read", read_own_status)
    assert "this kernel has no kprobes" in caught.value.reason
