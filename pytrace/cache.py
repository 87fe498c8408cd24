"""The image cache: compiled scripts as plain data, private to their owner.

An entry is found by a digest of everything a compilation depends on: the script, its parameters and configuration,
this package's own files, the kernel (build id and boot, since addresses change with each boot) and its loaded modules.
What is only known after compiling, such as the traced binaries and imported scripts, is written into the entry and
compared when it is read.

The folder must belong to the user and be writable by nobody else, and so must each entry; anything else is ignored.
It can be deleted at any time.
"""

from __future__ import annotations

import marshal
import os
import stat
from _imp import source_hash  # SipHash, by which Python itself knows compiled files

import pytrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Cache", "Dependency", "depend_on"]

LIMIT_BYTES = 64 << 20
_MAGIC = b"pytrace-image-2\n"
_DIGEST = 16

Dependency = tuple[str, int, int, int]


def _digest(data: bytes | memoryview) -> bytes:
    """16 bytes that tell data apart and show damage. Nobody gains by making two that are alike: whoever can give us one
    of them gets it run anyway."""
    first: bytes = source_hash(1, data)
    second: bytes = source_hash(2, data)
    return first + second


def depend_on(path: str) -> Dependency:
    """A file as it is now: path, inode, size, time of change in nanoseconds (zeros where there is none)."""
    try:
        status = os.stat(path)
    except OSError:
        return path, 0, 0, 0
    return path, status.st_ino, status.st_size, status.st_mtime_ns


_own: list[bytes] = []


def _own_files() -> bytes:
    """A digest of this package's files, as they were when it was first asked for: a changed compiler makes another
    image.

    Where it was installed the folders will do, which installing changes: there are ten times as many files.
    """
    if not _own:
        _own.append(_digest_of_own_files())
    return _own[0]


def _digest_of_own_files() -> bytes:
    root = os.path.dirname(os.path.abspath(pytrace.__file__))
    lines = [f"{root} {pytrace.__version__}\n"]
    if os.path.basename(os.path.dirname(root)) in ("site-packages", "dist-packages"):
        with os.scandir(root) as entries:
            inner = sorted(entry.path for entry in entries if entry.is_dir() and entry.name != "__pycache__")
        for path in (root, *inner):
            status = os.stat(path)
            lines.append(f"{path} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}\n")
        return _digest("".join(lines).encode("utf-8", "surrogateescape"))
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.is_dir():
                    if entry.name != "__pycache__":
                        folders.append(entry.path)
                elif entry.name.endswith((".py", ".lark", ".bt")):
                    status = entry.stat()
                    lines.append(f"{entry.name} {status.st_size} {status.st_mtime_ns}\n")
    return _digest("".join(lines).encode("utf-8", "surrogateescape"))


def _remove(path: str) -> None:
    try:  # noqa: SIM105  # contextlib takes a millisecond to import
        os.unlink(path)
    except OSError:
        pass


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


class Cache:
    """The images of one user. `folder` is created when something is first stored."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is None:
            base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
            folder = os.path.join(base, "pytrace")
        self.folder = os.fspath(folder)

    def key(self, parts: Iterable[str | bytes]) -> str:
        """The name of the entry for a compilation that depends on `parts` and on this machine."""
        machine = (
            _own_files(),
            _read("/sys/kernel/notes"),
            _read("/proc/sys/kernel/random/boot_id"),
            _read("/proc/modules"),
        )
        pieces = []
        for part in (*machine, *parts):
            data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            pieces += [len(data).to_bytes(8, "little"), data]
        return _digest(b"".join(pieces)).hex()

    def is_current(self) -> bool:
        """Whether this package's files are still those that keys are made of: it may be upgraded during a run."""
        return _digest_of_own_files() == _own_files()

    def own_key(self, parts: Iterable[object]) -> str:
        """The name of the entry for something that depends on `parts`, on where this package is, and on its files."""
        return _digest(_own_files() + repr((pytrace.__file__, *parts)).encode()).hex()

    def load(self, key: str) -> object | None:
        """The plain data stored under the key, or None."""
        try:
            if not self._private(os.stat(self.folder, follow_symlinks=False), stat.S_ISDIR):
                return None
            fd = os.open(os.path.join(self.folder, key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with open(fd, "rb") as file:
            if not self._private(os.fstat(fd), stat.S_ISREG):
                return None
            data = memoryview(file.read())
        head = len(_MAGIC) + _DIGEST
        body = data[head:]
        if data[: len(_MAGIC)] != _MAGIC or _digest(body) != data[len(_MAGIC) : head]:
            return None
        try:
            dependencies, image = marshal.loads(body)
        except (ValueError, EOFError, TypeError):
            return None
        if any(depend_on(entry[0]) != entry for entry in dependencies):
            return None
        return image  # type: ignore[no-any-return]  # plain data of any shape

    def store(self, key: str, image: object, dependencies: Iterable[Dependency] = ()) -> None:
        """Keep plain data under the key. A full disk or a read-only home is no reason to fail: nothing is kept then."""
        body = marshal.dumps((tuple(dependencies), image))  # type: ignore[arg-type]  # plain data of any shape
        data = _MAGIC + _digest(body) + body
        temporary = os.path.join(self.folder, f".{key}.{os.getpid()}")
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if not self._private(os.stat(self.folder, follow_symlinks=False), stat.S_ISDIR):
                return
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(data)
            os.replace(temporary, os.path.join(self.folder, key))
            self._trim()
        except OSError:
            _remove(temporary)

    @staticmethod
    def _private(status: os.stat_result, kind: object) -> bool:
        right_kind = kind(status.st_mode) if callable(kind) else False
        return bool(right_kind) and status.st_uid == os.geteuid() and not status.st_mode & 0o022

    def _trim(self) -> None:
        """Remove the entries that were not made for longest, down to half the limit, once it is passed."""
        entries = []
        with os.scandir(self.folder) as found:
            for entry in found:
                status = entry.stat(follow_symlinks=False)
                entries.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in entries)
        if total <= LIMIT_BYTES:
            return
        for _, size, path in sorted(entries):
            os.unlink(path)
            total -= size
            if total <= LIMIT_BYTES // 2:
                return
