"""Capture files that `skboutput` writes."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.live

ETHERNET = 14
"""Bytes before the IP header, where a packet is queued."""
PAYLOAD = bytes(range(256)) * 80


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        with socket.create_connection(server.getsockname()) as near:
            far, _ = server.accept()
            with far:
                yield near, far


def capture(body: str, near: socket.socket, far: socket.socket) -> tuple[str, str]:
    """The output and messages of a script that sees PAYLOAD sent."""
    command = [sys.executable, "-m", "pytrace", "-e", f"rawtracepoint:net_dev_queue {{ {body} }}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = line = process.stderr.readline()
        while line and "Attached" not in line:
            said += (line := process.stderr.readline())
        near.sendall(PAYLOAD)
        left = len(PAYLOAD)
        while left:
            left -= len(far.recv(left))
        process.send_signal(signal.SIGINT)
        return process.stdout.read(), said + process.stderr.read()


def packets(file: Path) -> Iterator[tuple[int, bytes]]:
    """The length and the bytes of each."""
    data = file.read_bytes()
    assert data[:24] == struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    at = 24
    while at < len(data):
        _, _, taken, length = struct.unpack_from("<IIII", data, at)
        yield length, data[at + 16 : at + 16 + taken]
        at += 16 + taken
    assert at == len(data)


def stream(packet: bytes, port: int) -> bytes:
    """What a packet carries to a port."""
    if packet[0] != 0x45 or packet[9] != socket.IPPROTO_TCP or struct.unpack_from(">H", packet, 22) != (port,):
        return b""
    return packet[20 + (packet[32] >> 4) * 4 :]


def test_packets_whose_data_is_in_pages(tmp_path):
    """What a socket sends is not in the packet's own memory but in pages."""
    file = tmp_path / "all.pcap"
    with connected() as (near, far):
        printed, _ = capture(f'@[(int32)skboutput("{file}", args.skb, 65535, {ETHERNET})] = count();', near, far)
        port = far.getsockname()[1]
    assert [line.split("]")[0] for line in printed.split("\n") if line] == ["@[0"]
    assert b"".join(stream(packet, port) for _, packet in packets(file)) == PAYLOAD


def test_only_the_start_of_packets(tmp_path):
    """As many bytes as are asked for, and the length of the whole."""
    file = tmp_path / "heads.pcap"
    with connected() as (near, far):
        capture(f'_ = skboutput("{file}", args.skb, 20, {ETHERNET});', near, far)
    found = list(packets(file))
    assert found
    assert {len(packet) for _, packet in found} == {20}
    assert {struct.unpack_from(">H", packet, 2)[0] for _, packet in found if packet[0] == 0x45} <= {
        length for length, _ in found
    }


def test_a_file_that_cannot_be_written(tmp_path):
    with connected() as (near, far):
        _, said = capture(f'_ = skboutput("{tmp_path}/no/file", args.skb, 20, 0); exit();', near, far)
    assert f"failed to write packets to '{tmp_path}/no/file' (No such file or directory)" in said


def test_a_packet_from_anywhere(pytrace):
    """The kernel copies only packets that it handed over itself."""
    program = 'rawtracepoint:net_dev_queue { $p = (struct sk_buff *)1; _ = skboutput("f", $p, 1, 0); }'
    said = pytrace("-e", program, status=1).stderr
    assert "skboutput() needs a packet that the kernel passes to the probe (a field of args)" in said
