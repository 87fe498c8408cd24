"""Loading and running programs."""

from __future__ import annotations

import os
import struct

import pytest

from pytrace.kernel import assemble, bpf
from pytrace.kernel.assemble import exit_, insn, mov
from pytrace.kernel.bpf import BpfError, VerifierError
from pytrace.kernel.btf import Kind
from tests.kernel.btf_writer import BtfWriter

pytestmark = pytest.mark.live


@pytest.fixture
def fds():
    opened: list[int] = []
    yield opened
    for fd in opened:
        os.close(fd)


def test_a_program_runs_on_demand(fds: list[int]):
    fds.append(bpf.prog_load("raw_tracepoint", exit_(42), name="answer"))
    assert bpf.prog_test_run(fds[0]).retval == 42
    info = bpf.prog_info(fds[0])
    assert (info.name, info.type, info.verified_insns) == ("answer", bpf.ProgType.RAW_TRACEPOINT, 2)


def test_arguments_of_a_raw_tracepoint_program(fds: list[int]):
    # r0 = arguments[1]
    fds.append(bpf.prog_load("raw_tracepoint", insn(0x79, 0, 1, 8) + insn(0x95)))
    assert bpf.prog_test_run(fds[0], ctx_in=struct.pack("<QQ", 1, 77)).retval == 77


def test_packets_and_repeats(fds: list[int]):
    fds.append(bpf.prog_load("xdp", exit_(2)))
    run = bpf.prog_test_run(fds[0], data_in=b"0123456789abcd", repeat=1000, data_out_size=64)
    assert (run.retval, run.data) == (2, b"0123456789abcd")


def test_what_cannot_be_run_says_so(fds: list[int]):
    fds.append(bpf.prog_load("tracepoint", exit_(0)))
    with pytest.raises(BpfError, match="Operation not supported"):
        bpf.prog_test_run(fds[0])


def test_a_refused_program_tells_why():
    with pytest.raises(VerifierError, match="cannot load BPF program bad: Permission denied") as caught:
        bpf.prog_load("raw_tracepoint", insn(0x95), name="bad")
    assert caught.value.reason == "R0 !read_ok"
    assert "0: (95) exit" in caught.value.log


def test_a_refused_program_of_an_unknown_type():
    with pytest.raises(ValueError, match="nosuch"):
        bpf.prog_load("nosuch", exit_(0))


def test_what_the_verifier_never_sees_has_no_log():
    with pytest.raises(VerifierError) as caught:
        bpf.prog_load("raw_tracepoint", b"")
    assert caught.value.log == ""
    assert caught.value.reason == caught.value.strerror == os.strerror(caught.value.errno or 0)


def test_a_log_that_is_asked_for(fds: list[int]):
    fd, log = bpf.prog_load_verbose("raw_tracepoint", exit_(0), log_level=1)
    fds.append(fd)
    assert "processed 2 insns" in log
    fd, log = bpf.prog_load_verbose("raw_tracepoint", exit_(0))
    fds.append(fd)
    assert log == ""


LONG = mov(0, 7) * 20000


def test_a_long_log_grows(fds: list[int]):
    fd, log = bpf.prog_load_verbose("raw_tracepoint", LONG + insn(0x95), log_level=2, log_size=1 << 24)
    fds.append(fd)
    assert len(log) > 1 << 20
    assert "processed 20001 insns" in log


def test_a_log_beyond_its_limit_does_not_refuse_the_program(fds: list[int]):
    fd, log = bpf.prog_load_verbose("raw_tracepoint", LONG + insn(0x95), log_level=2, log_size=1 << 17)
    fds.append(fd)
    assert 1 << 16 < len(log) <= 1 << 17
    assert bpf.prog_test_run(fd).retval == 7


def test_a_refusal_behind_a_long_log_keeps_its_reason():
    with pytest.raises(VerifierError) as caught:
        bpf.prog_load("raw_tracepoint", LONG + mov(0, 0) + assemble.call(9999) + insn(0x95))
    assert "9999" in caught.value.reason


def test_type_information_and_callbacks(fds: list[int]):
    """bpf_loop needs func_info: 10 rounds of a callback that does nothing."""
    w = BtfWriter()
    number = w.int("int", 4, 1)
    wide = w.int("long", 8, 1)
    main = w.add(Kind.FUNC, "main", w.prototype(number, [("ctx", w.pointer(0))]), vlen=1)
    callback = w.add(Kind.FUNC, "step", w.prototype(wide, [("n", wide), ("ctx", w.pointer(0))]), vlen=0)
    types = bpf.btf_load(w.data())
    fds.append(types)
    code = (
        mov(1, 10) + insn(0x18, 2, 4, imm=5) + insn(0) + mov(3, 0) + mov(4, 0) + assemble.call(181) + insn(0x95)
        + exit_(0)
    )
    info = struct.pack("<IIII", 0, main, 7, callback)
    fds.append(bpf.prog_load("raw_tracepoint", code, btf_fd=types, func_info=info))
    assert bpf.prog_test_run(fds[-1]).retval == 10
    loaded = bpf.prog_info(fds[-1])
    assert [kind for _, kind in loaded.func_info] == [main, callback]
    number_, name, kernel, data = bpf.btf_info(types)
    assert (number_, name, kernel, data) == (loaded.btf_id, "", False, w.data())


def test_wrong_type_information_is_refused():
    with pytest.raises(VerifierError) as caught:
        bpf.btf_load(b"nonsense")
    assert caught.value.log


def test_statistics_count_runs(fds: list[int]):
    fds.append(bpf.prog_load("xdp", exit_(0)))
    before = bpf.prog_info(fds[0]).run_count
    fds.append(bpf.enable_stats())
    bpf.prog_test_run(fds[0], data_in=bytes(14), repeat=500)
    assert bpf.prog_info(fds[0]).run_count - before == 500


def test_programs_are_listed_by_id(fds: list[int]):
    fds.append(bpf.prog_load("raw_tracepoint", exit_(0), name="listed"))
    id = bpf.prog_info(fds[0]).id
    assert id in list(bpf.ids("prog"))
    fds.append(bpf.fd_by_id("prog", id))
    assert bpf.prog_info(fds[1]).name == "listed"
    with pytest.raises(BpfError, match="cannot open BPF prog 4294967294"):
        bpf.fd_by_id("prog", 0xFFFFFFFE)
