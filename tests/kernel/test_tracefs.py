"""Tracepoint formats and the list of tracepoints."""

from __future__ import annotations

import os

import pytest

from pytrace.kernel import tracefs
from pytrace.kernel.tracefs import FormatField, parse_format

OPENAT = """name: sys_enter_openat
ID: 695
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;
\tfield:umode_t mode;\toffset:40;\tsize:8;\tsigned:0;

print fmt: "dfd: 0x%08lx", ((unsigned long)(REC->dfd))
"""


def field(line: str) -> FormatField:
    text = f"name: x\nID: 1\nformat:\n\tfield:int first;\toffset:0;\tsize:4;\tsigned:1;\n\n\tfield:{line}\n"
    return parse_format(text).fields[1]


def test_a_format():
    parsed = parse_format(OPENAT)
    assert (parsed.name, parsed.id) == ("sys_enter_openat", 695)
    assert [(f.name, f.type, f.offset, f.size, f.signed, f.common) for f in parsed.fields] == [
        ("common_type", "unsigned short", 0, 2, False, True), ("common_pid", "int", 4, 4, True, True),
        ("__syscall_nr", "int", 8, 4, True, False), ("filename", "const char *", 24, 8, False, False),
        ("mode", "umode_t", 40, 8, False, False),
    ]
    assert parsed.field("mode") == parsed.fields[4]
    assert parsed.field("nosuch") is None
    assert parsed.fields[3].text == "const char * filename"


@pytest.mark.parametrize(
    ("line", "name", "type", "count", "located"),
    [
        ("char comm[16];\toffset:8;\tsize:16;\tsigned:0;", "comm", "char", 16, ""),
        ("unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;", "args", "unsigned long", 6, ""),
        ("char buf[];\toffset:16;\tsize:0;\tsigned:0;", "buf", "char", 0, ""),
        ("char comm[TASK_COMM_LEN];\toffset:8;\tsize:16;\tsigned:1;", "comm", "char", 16, ""),
        ("__data_loc char[] name;\toffset:8;\tsize:4;\tsigned:0;", "name", "__data_loc char[]", None, "data"),
        ("__data_loc cpumask_t mask;\toffset:8;\tsize:4;\tsigned:0;", "mask", "__data_loc cpumask_t", None, "data"),
        ("__rel_loc u8[] data;\toffset:8;\tsize:4;\tsigned:0;", "data", "__rel_loc u8[]", None, "rel"),
        ("struct sock *sk;\toffset:8;\tsize:8;\tsigned:0;", "sk", "struct sock *", None, ""),
        ("const void ** place;\toffset:8;\tsize:8;\tsigned:0;", "place", "const void **", None, ""),
        ("s;\toffset:8;\tsize:8;\tsigned:0;", "s", "", None, ""),
    ],
)
def test_a_field(line: str, name: str, type: str, count: int | None, located: str):
    parsed = field(line)
    assert (parsed.name, parsed.type, parsed.count) == (name, type, count)
    assert (parsed.data_loc, parsed.rel_loc) == (located == "data", located == "rel")
    assert not parsed.common


@pytest.mark.parametrize("text", ["", "no format at all", "name: x\nformat:\n"])
def test_what_is_no_format(text: str):
    with pytest.raises(ValueError, match="not the format"):
        parse_format(text)


@pytest.mark.live
def test_the_list_of_tracepoints():
    fs = tracefs.find()
    events = fs.events()
    assert events == sorted(events)
    assert ("syscalls", "sys_enter_openat") in events
    assert "ftrace" not in fs.categories()
    assert fs.events("sched") == [event for event in events if event[0] == "sched"]
    assert fs.events("nosuch") == []


@pytest.mark.live
def test_every_format_can_be_read():
    fs = tracefs.find()
    for category, name in fs.events()[::20]:
        parsed = fs.format(category, name)
        assert parsed.name == name
        assert parsed.id == fs.event_id(category, name)
        ends = [f.offset + f.size for f in parsed.fields]
        assert all(a <= b.offset for a, b in zip(ends, parsed.fields[1:], strict=False))
        assert all(f.name and f.type and f.size % (f.count or 1) == 0 for f in parsed.fields)


@pytest.mark.live
@pytest.mark.parametrize(("category", "name"), [("sched", "nosuch"), ("", ""), ("..", "sched"), ("sched/..", "sched")])
def test_what_is_no_tracepoint(category: str, name: str):
    assert tracefs.find().event_id(category, name) is None
    assert not tracefs.find().exists(category, name)


@pytest.mark.live
def test_a_detached_mount_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    with open("/proc/self/mounts", encoding="utf-8") as file:
        before = file.read()
    monkeypatch.setattr(tracefs, "_MOUNT_POINTS", ("/nosuch",))
    tracefs.find.cache_clear()
    try:
        fs = tracefs.find()
        assert fs.path == ""
        assert fs.event_id("sched", "sched_switch")
        with open("/proc/self/mounts", encoding="utf-8") as file:
            assert file.read() == before
        with pytest.raises(OSError, match=r"Read-only|not permitted"):
            os.open("tracing_on", os.O_WRONLY, dir_fd=fs.fd)
    finally:
        tracefs.find.cache_clear()
