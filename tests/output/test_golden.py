"""Whole outputs, as files: histograms, charts, stacks, and every event of a run as text and as JSON.

    PYTRACE_UPDATE_GOLDEN=1 pytest tests/output/test_golden.py

writes the files anew; read the difference before you keep it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytrace.codegen.image import Image, Place
from pytrace.output.contents import Contents
from pytrace.output.json_printer import JsonPrinter
from pytrace.output.meaning import Meaning
from pytrace.output.printer import Printer, Style
from pytrace.output.streams import Messages, Output
from pytrace.output.text_printer import TextPrinter
from pytrace.output.values import CapturedStack
from pytrace.runtime.resolve import MachineResolver
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import I64, U64, Aggregate, Buffer, Record, Stack, Str, Tuple
from tests.output.common import COLOUR, text_values

GOLDEN = Path(__file__).resolve().parent / "golden"
SECOND = 1_000_000_000
START = 1_700_000_000


class PaperMachine(MachineResolver):
    """A machine with a few symbols: names for addresses are made up here, the layout is the real one."""

    def __init__(self) -> None:
        super().__init__(Image((), (), (), (), Config()), boot_offset=0, tai_offset=0, error=lambda text: None)
        self.__dict__["_user_symbols"] = SimpleNamespace(resolve=self._user)

    def _kernel_symbol(self, address: int) -> Any:
        names = {0xFFFFFFFF81000010: ("vfs_read", 16), 0xFFFFFFFF81000200: ("ksys_read", 0)}
        name, offset = names.get(address, (None, 0))
        return SimpleNamespace(name=name, offset=offset, module="kernel")

    @staticmethod
    def _user(pid: int, address: int) -> Any:
        if address == 0x7F0000001234:
            return SimpleNamespace(name="std::map<int, int>::find(int)", offset=20, module="/usr/lib/libdemo.so")
        if address == 0x55AA00000100:
            return SimpleNamespace(name="main", offset=0, module="/opt/demo/app")
        return SimpleNamespace(name=None, offset=0, module="")


def _key(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _hist(*counted: tuple[int, int]) -> list[int]:
    counts = [0] * 65
    for bucket, count in counted:
        counts[bucket] = count
    return counts


def _maps(*contents: Contents) -> Callable[[Printer], None]:
    return lambda printer: [printer.map(each) for each in contents] and None


def _series(interval: int, values: dict[int, int]) -> Contents:
    type_ = Aggregate("tseries", True, (interval, 20))
    first = START * SECOND // interval
    series = {first + n: (value, (first + n) * interval) for n, value in values.items()}
    return Contents("@t", None, type_, [(b"", series)])


def _stacks(printer: Printer) -> None:
    kernel = CapturedStack(0, 0, (0xFFFFFFFF81000010, 0xFFFFFFFF81000200, 0xFFFFFFFFC0000000, 0))
    user = CapturedStack(7, 7, (0x7F0000001234, 0x55AA00000100, 0x12345))
    for mode in ("bpftrace", "perf", "raw"):
        printer.value(Stack("kstack", mode, 8))(kernel)
        printer.value(Stack("ustack", mode, 8))(user)
        printer.value(Tuple((I64, Stack("ustack", mode, 8), Str(8))))((1, user, b"end"))
    status = (1).to_bytes(4, "little")
    frames = (
        status + bytes(range(20)) + (0x1A1).to_bytes(8, "little"),
        (2).to_bytes(4, "little") + bytes(20) + (0x7F0000001234).to_bytes(8, "little"),
    )
    printer.value(Stack("ustack", "build_id", 8))(CapturedStack(7, 7, frames))


def _events(printer: Printer) -> None:
    place = Place("script.bt", 3, 9, (("script.bt:3:9-20", "begin { x }\n        ~\n"),))
    inside = Place("script.bt", 1, 2, (*place.blocks, ("script.bt:7:1-4", "m();\n~~~\n")))
    printer.attached(1)
    printer.attached(12)
    for kind, text in (
        ("printf", b"a \"quoted\" \\ line\n"), ("time", b"12:00:00\n"), ("cat", b"contents\n"), ("join", b"a b"),
        ("system", b"out\n"), ("printf", b"\xff\x01\t\r\x7f \xce\xbc\n"),
    ):  # fmt: skip
        printer.piece(kind)(text)
    printer.value(I64)(-5)
    printer.value(U64)((1 << 64) - 1)
    printer.value(COLOUR)(7)
    printer.value(Buffer(4))(b"ab\x80\n")
    printer.value(Record((("a", I64), ("b", Tuple((Str(4), I64))))))((1, (b"two", 3)))
    printer.lost(17)
    printer.remark("errorf", place, b"bad 3\n")
    printer.remark("warnf", inside, b"careful")
    printer.runtime_error(place, "Bad address", helper="probe_read_user", retcode=-14, errno="Bad address")
    printer.runtime_error(inside, "Divide or modulo by 0 detected.")
    printer.error("failed to open file 'x' (No such file or directory)")
    printer.warning("something worked only in part")
    printer.finish()


_HISTOGRAMS = _maps(
    Contents("@", None, Aggregate("hist", params=(0,)), [(b"", _hist((0, 1), (1, 2), (2, 3), (11, 40), (12, 7)))]),
    Contents("@k", I64, Aggregate("hist", params=(0,)), [
        (_key(2), _hist((31, 1))), (_key(1), _hist((51, 12345678901), (53, 1))),
    ]),
    Contents("@l", None, Aggregate("lhist", params=(0, 10240, 1024)), [(b"", [1, *range(10), 5])]),
    Contents("@empty", None, Aggregate("hist", params=(0,)), [(b"", _hist())]),
)  # fmt: skip
_SERIES = _maps(
    _series(SECOND, {0: 0, 1: 2, 3: 5}),
    _series(SECOND // 10, {n: n - 3 for n in range(9)}),
    _series(1000, {0: 7, 1: 7}),
    _series(1, {0: -1, 2: 1}),
    _series(SECOND, {4: 9}),
)
_STACK_MAPS = _maps(
    Contents("@s", Stack("kstack", "bpftrace", 2), Aggregate("count"), [
        ((2).to_bytes(8, "little") + _key(0xFFFFFFFF81000010) + _key(0xFFFFFFFF81000200), 3),
    ]),
    Contents("@last", None, Stack("kstack", "bpftrace", 2), [(b"", CapturedStack(0, 0, (0xFFFFFFFF81000200,)))]),
)  # fmt: skip

OUTPUTS: dict[str, Callable[[Printer], None]] = {
    "histograms": _HISTOGRAMS, "series": _SERIES, "stacks": _stacks, "stack-maps": _STACK_MAPS, "events": _events,
}  # fmt: skip


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("form", ["text", "coloured", "json"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_golden(name: str, form: str, tmp_path: Path):
    if form == "coloured" and name != "events":
        pytest.skip("only messages have colours")
    results, messages = tmp_path / "results", tmp_path / "messages"
    output = Output.to_file(str(results), "none")
    said = os.open(messages, os.O_WRONLY | os.O_CREAT, 0o600)
    meaning = Meaning({}, text_values().meaning.enums, b"..", PaperMachine())
    kind = JsonPrinter if form == "json" else TextPrinter
    printer = kind(output, Messages(output, said), meaning, 0, Style(colour=form == "coloured"))
    OUTPUTS[name](printer)
    output.close()
    os.close(said)
    written = results.read_bytes()
    if errors := messages.read_bytes():
        written += b"--- stderr ---\n" + errors
    golden = GOLDEN / f"{name}.{ {'text': 'txt', 'coloured': 'ansi', 'json': 'json'}[form]}"
    if os.environ.get("PYTRACE_UPDATE_GOLDEN"):
        golden.write_bytes(written)
    assert written == golden.read_bytes()
