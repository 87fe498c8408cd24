"""tracefs: the kernel's list of tracepoints, their formats, and which functions can be traced.

Where it is not mounted it is opened by a detached mount, which belongs to this process alone and changes nothing for
others. Everything goes through a directory's file descriptor, so both cases read alike.
"""

from __future__ import annotations

import os

from pytrace.frozen import frozen
from pytrace.kernel.abi import syscall_number
from pytrace.kernel.clib import c_char_p, c_uint, c_void_p
from pytrace.kernel.syscall import BpfError, call
from pytrace.once import cache, cached_property

__all__ = ["FormatField", "Tracefs", "TracepointFormat", "find", "parse_format"]

_MOUNT_POINTS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_FSOPEN_CLOEXEC, _FSMOUNT_CLOEXEC = 1, 1
_FSCONFIG_CMD_CREATE = 6
_BYTES = ("char", "unsigned char", "u8", "__u8", "s8", "__s8")
_READ_ONLY_MOUNT = 1 | 2 | 4 | 8  # MOUNT_ATTR_RDONLY, NOSUID, NODEV, NOEXEC


@frozen
class FormatField:
    """A field of a tracepoint's record. `type` is the C spelling without name and brackets (`const char *`,
    `__data_loc char[]`), `offset` and `size` are bytes; `count` is the number of elements of
    an array, None for a scalar.

    `common` fields come before the empty line of the format file. A `data_loc` field is a u32: offset of the data from
    the start of the record in its low half, length in the high one; `rel_loc` counts from behind the field.
    """

    name: str
    type: str
    offset: int
    size: int
    signed: bool
    count: int | None
    common: bool
    text: str

    @property
    def data_loc(self) -> bool:
        return self.type.startswith("__data_loc")

    @property
    def rel_loc(self) -> bool:
        return self.type.startswith("__rel_loc")


@frozen
class TracepointFormat:
    """A parsed format file."""

    name: str
    id: int
    fields: tuple[FormatField, ...]

    def field(self, name: str) -> FormatField | None:
        return next((f for f in self.fields if f.name == name), None)


def parse_format(text: str) -> TracepointFormat:
    """Read the text of a tracepoint's `format` file. Raises `ValueError` if it is not one."""
    name, number, common = "", -1, True
    fields: list[FormatField] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("name:"):
            name = stripped[5:].strip()
        elif stripped.startswith("ID:"):
            number = int(stripped[3:])
        elif stripped.startswith("print fmt:"):
            break
        elif not stripped and fields:
            common = False
        elif stripped.startswith("field:"):
            fields.append(_parse_field(stripped, common))
    if number < 0:
        raise ValueError("not the format of a tracepoint")
    return TracepointFormat(name, number, tuple(fields))


def _parse_field(line: str, common: bool) -> FormatField:
    values: dict[str, str] = {}
    for part in line.split(";"):
        key, colon, value = part.strip().partition(":")
        if colon:
            values[key] = value
    text = values["field"].strip()
    head, bracket, rest = text.partition("[")
    array: int | None = None
    if head.startswith(("__data_loc", "__rel_loc")) and bracket:
        # `__data_loc char[] name`: the brackets belong to the type.
        inside, _, name = rest.partition("]")
        type_, name = f"{head.strip()}[{inside}]", name.strip()
    else:
        # The name is the last word, and stars belong to the type.
        name = head.split()[-1].lstrip("*")
        type_ = head[: head.rindex(name)].strip()
        if bracket:
            length = rest.partition("]")[0].strip()
            if length.isdigit() or not length:
                array = int(length or 0)
            else:  # a name of the kernel's source, such as TASK_COMM_LEN (before Linux 5.17): for bytes the size tells
                array = int(values["size"]) if type_ in _BYTES else 0
    return FormatField(
        name, type_, int(values["offset"]), int(values["size"]), values.get("signed", "0").strip() == "1", array,
        common, text,
    )


class Tracefs:
    """An open tracefs. `path` is where it is mounted, empty for a detached mount."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path

    def read(self, name: str) -> bytes:
        """The contents of a file below the root. Raises `OSError`."""
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd)
        with open(fd, "rb") as file:
            return file.read()

    @cached_property
    def _available(self) -> dict[str, list[str]]:
        lines = self.read("available_events").decode("utf-8", "replace").split()
        groups: dict[str, list[str]] = {}
        for category, _, name in (line.partition(":") for line in lines):
            groups.setdefault(category, []).append(name)
        return {category: sorted(groups[category]) for category in sorted(groups)}

    def categories(self) -> list[str]:
        """Names of the categories of tracepoints, sorted. Raises `OSError`."""
        return list(self._available)

    def events(self, category: str | None = None) -> list[tuple[str, str]]:
        """All (category, name), sorted, or those of one category (none if it does not exist). Not ftrace's own events,
        which take no programs. Raises `OSError`."""
        groups = self._available if category is None else {category: self._available.get(category, [])}
        return [(group, name) for group, names in groups.items() for name in names]

    def exists(self, category: str, name: str) -> bool:
        return self.event_id(category, name) is not None

    def event_id(self, category: str, name: str) -> int | None:
        """The number to open the tracepoint with; None if there is no such tracepoint."""
        if not category or not name or "/" in category + name or ".." in (category, name) or category == "ftrace":
            return None
        try:
            return int(self.read(f"events/{category}/{name}/id"))
        except (OSError, ValueError):
            return None

    def format(self, category: str, name: str) -> TracepointFormat:
        """The fields of a tracepoint. Raises `OSError` if there is none."""
        return parse_format(self.read(f"events/{category}/{name}/format").decode("utf-8", "replace"))


def _detached() -> int:
    """A descriptor of the root of a new mount of tracefs, attached nowhere."""
    cloexec = c_uint(_FSOPEN_CLOEXEC)
    context = call(syscall_number("fsopen"), c_char_p(b"tracefs"), cloexec)
    if context < 0:
        raise BpfError(-context, "cannot open tracefs")
    try:
        none = c_void_p(None)
        result = call(syscall_number("fsconfig"), context, c_uint(_FSCONFIG_CMD_CREATE), none, none, 0)
        if result < 0:
            raise BpfError(-result, "cannot open tracefs")
        mount = call(
            syscall_number("fsmount"), context, c_uint(_FSMOUNT_CLOEXEC), c_uint(_READ_ONLY_MOUNT)
        )
        if mount < 0:
            raise BpfError(-mount, "cannot open tracefs")
        return mount
    finally:
        os.close(context)


@cache
def find() -> Tracefs:
    """The tracefs of this machine, opened once. Raises `OSError` if there is none to be had."""
    for path in _MOUNT_POINTS:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.stat("events", dir_fd=fd)
        except OSError:  # the mount point exists and nothing is mounted
            os.close(fd)
            continue
        return Tracefs(fd, path)
    return Tracefs(_detached(), "")
