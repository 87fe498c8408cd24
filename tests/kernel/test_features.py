"""What the kernel can do, and what this machine lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytrace.kernel import features, host, maps, syscall
from pytrace.kernel.bpf import BpfError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.live
def test_answers_are_what_using_the_feature_shows():
    assert features.ringbuf() is True
    assert features.batches() is True
    assert features.instruction_limit() == 1000000
    assert features.instruction_set() in ("v3", "v4")
    assert features.btf() == os.path.exists("/sys/kernel/btf/vmlinux")
    assert features.available_memory() > 1 << 20
    assert not features.map_type("nosuch")


@pytest.mark.live
def test_helpers():
    assert features.helper("ktime_get_boot_ns")
    assert features.helper("ktime_get_boot_ns", "xdp")
    # Only programs about user memory or the current task may read it.
    assert not features.helper("get_attach_cookie", "xdp")
    assert not features.helper("d_path", "kprobe")


@pytest.mark.live
def test_functions_of_the_kernel():
    if not features.btf():
        pytest.skip("this kernel offers no BTF")
    assert not features.kfunc("no_such_function")
    assert not features.kfunc_allowed("no_such_function", "tracing")
    assert features.kfunc("vfs_read")
    for type in ("tracing", "tracepoint", "kprobe", "raw_tracepoint", "xdp"):
        assert not features.kfunc_allowed("vfs_read", type)
    if features.kfunc("bpf_iter_num_new"):
        assert features.kfunc_allowed("bpf_iter_num_new", "tracepoint")
        assert features.number_iterator()


@pytest.mark.live
def test_iterators():
    if not features.btf():
        pytest.skip("this kernel offers no BTF")
    kinds = features.iter_kinds()
    assert "task" in kinds
    assert list(kinds) == sorted(kinds)
    assert all("__" not in kind for kind in kinds)


@pytest.mark.live
def test_the_report_can_leave_features_out():
    full, less = features.info(), features.info(["uprobe_multi", "kprobe_multi"])
    assert less["Probe types"]["uprobe_multi"] is False
    assert less["Probe types"]["iter"] == full["Probe types"]["iter"]
    assert less["Kernel helpers"] == full["Kernel helpers"]
    assert list(full) == ["Kernel helpers", "Kernel features", "Probe types"]


@pytest.mark.live
def test_trying_leaves_nothing_open():
    before = os.listdir("/proc/self/fd")
    for name in ("helper", "kfunc_allowed", "number_iterator", "lazy_maps", "batches", "map_type", "uprobe_multi"):
        getattr(features, name).cache_clear()
    features.info()
    features.lazy_maps()
    features.number_iterator()
    features.helper("loop")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.live
def test_nothing_is_missing_here():
    assert host.missing() is None
    assert host.diagnose() == []


@pytest.mark.live
@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        ("-all", "Missing CAP_DAC_READ_SEARCH capability, please run pytrace as the root user."),
        ("-all,+dac_read_search", "Missing CAP_DAC_OVERRIDE capability, please run pytrace as the root user."),
        ("-all,+dac_read_search,+dac_override", "Missing CAP_BPF capability, please run pytrace as the root user."),
        (
            "-all,+dac_read_search,+dac_override,+bpf",
            "Missing CAP_PERFMON capability, please run pytrace as the root user.",
        ),
        ("-all,+dac_read_search,+dac_override,+bpf,+perfmon", "None"),
        ("-all,+dac_read_search,+dac_override,+sys_admin", "None"),
    ],
)
def test_each_capability_is_asked_for(keep: str, reason: str):
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    done = subprocess.run(
        [
            "setpriv", "--bounding-set", keep, "--inh-caps", keep, sys.executable, "-c",
            "from pytrace.kernel.host import missing; print(missing())",
        ],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )
    assert done.stdout.strip() == reason


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (1, "This system forbids BPF"), (38, "built without BPF"), (22, "Linux 5.8 or later"),
        (12, "does not work here"),
    ],
)
def test_a_kernel_without_bpf(monkeypatch: pytest.MonkeyPatch, number: int, reason: str):
    def refuse(*_: object, **__: object) -> int:
        raise BpfError(number, "cannot create map")

    monkeypatch.setattr(maps, "map_create", refuse)
    monkeypatch.setattr(host, "missing_capability", lambda: None)
    monkeypatch.setattr(host, "lockdown", lambda: "")
    found = host.missing()
    assert found is not None
    assert reason in found
    assert "\n" not in found


def test_lockdown_and_bcc(monkeypatch: pytest.MonkeyPatch):
    from pytrace.kernel import bcc

    monkeypatch.setattr(host, "missing_capability", lambda: None)
    monkeypatch.setattr(host, "lockdown", lambda: "confidentiality")
    assert "lockdown" in (host.missing() or "")
    monkeypatch.setattr(host, "lockdown", lambda: "integrity")
    monkeypatch.setattr(host, "_no_bpf", lambda: None)
    monkeypatch.setattr(host, "_listed", lambda library: False)
    monkeypatch.setattr(bcc, "available", lambda: False)
    assert "libbpfcc" in (host.missing() or "")


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    from pytrace.kernel import bcc

    monkeypatch.setattr(bcc, "SONAME", "libno_such_library.so.0")
    bcc.library.cache_clear()
    bcc.available.cache_clear()
    try:
        assert not bcc.available()
        with pytest.raises(bcc.BccMissing, match="libbpfcc"):
            bcc.library()
    finally:
        bcc.library.cache_clear()
        bcc.available.cache_clear()


def test_other_systems(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert host.missing() == "Only Linux can be traced, this is freebsd14."


def test_an_error_number_that_only_the_kernel_knows():
    error = BpfError(syscall.ENOTSUPP, "cannot run a BPF program")
    assert str(error) == "cannot run a BPF program: Operation not supported"
