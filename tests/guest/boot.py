"""Runs a command under another kernel of Debian's, in a virtual machine whose root is this machine's, read-only below a
file system in memory: what the command writes is lost. Its output is streamed, its status given back.

    python tests/guest/boot.py KERNEL -- COMMAND...

KERNEL is a release of Debian (`bookworm`, `trixie`, `sid`), for its latest kernel, or a package that this machine's apt
knows (`linux-image-amd64`). It is fetched once into the cache folder and not installed. Needs root, QEMU
(qemu-system-x86) and a busybox that is linked statically (busybox-static). Where there is no KVM the processor is
emulated, and everything takes ten times as long.

Status 125: the virtual machine did not come so far.
"""

from __future__ import annotations

import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""What the root needs of what kernels have as modules."""
ARCHIVE = os.environ.get("PYTRACE_GUEST_ARCHIVE", "http://deb.debian.org/debian")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROCESSORS = (("-accel", "kvm", "-cpu", "host"), ("-accel", "tcg", "-cpu", "max"))
"""The real one, and where that cannot be had, an emulated one."""
DONE = "--- the command ended with status "
KEPT = re.compile(r"^(PATH|HOME|LANG|COLUMNS|(PYTHON|PYTEST|PYTRACE)\w*)$")
"""The environment that the command gets."""
INIT = """#!/busybox sh
/busybox mkdir -p /proc /lower /memory /new
/busybox mount -t proc proc /proc
for module in /modules/*; do /busybox insmod $module; done
/busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose root /lower
/busybox mount -t tmpfs memory /memory
/busybox mkdir /memory/upper /memory/work
/busybox mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /new
/busybox cp /busybox /command /new
exec /busybox switch_root /new /busybox sh /command
"""
COMMAND = """export PATH={path}
for place in proc:proc sysfs:sys devtmpfs:dev tracefs:sys/kernel/tracing debugfs:sys/kernel/debug \
  bpf:sys/fs/bpf cgroup2:sys/fs/cgroup; do
  /busybox mount -t ${{place%%:*}} none /${{place#*:}} 2>/dev/null
done
/busybox ip link set lo up
cd {folder}
{command} </dev/null
echo "{done}$?"
/busybox poweroff -f
"""


class Trouble(Exception):
    """There is no virtual machine; the message says why."""


def main(words: list[str]) -> int:
    if len(words) < 3 or words[1] != "--":
        print(__doc__, file=sys.stderr)
        return 125
    try:
        for need in ("qemu-system-x86_64", "busybox", "apt-get", "dpkg-deb"):
            if shutil.which(need) is None:
                raise Trouble(f"{need} is missing")
        with tempfile.TemporaryDirectory() as folder:
            return run(kernel_of(words[0]), words[2:], Path(folder))
    except Trouble as trouble:
        print(f"boot: {trouble}", file=sys.stderr)
        return 125


# --- the kernel -------------------------------------------------------------------------------------------------------


def kernel_of(name: str) -> Path:
    """The folder in which a kernel's package is unpacked."""
    if not re.fullmatch(r"[a-z][a-z0-9.+-]*", name):
        raise Trouble(f"{name} is neither a release of Debian nor a package")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytrace-guest"
    cache.mkdir(parents=True, exist_ok=True)
    # As root apt drops its rights and could not write here.
    options = ["-o", "APT::Sandbox::User=root"]
    if not name.startswith("linux-image"):
        if (cache / name).exists():
            return cache / name
        options += release(name, cache / "apt" / name)
    package = name if name.startswith("linux-image") else "linux-image-amd64"
    # Packages without a version name the latest one.
    described = apt(["apt-cache", *options, "depends", package])
    real = re.search(r"Depends: (linux-image-\d\S*)", described)
    package = real[1] if real else package
    place = cache / (package if name.startswith("linux-image") else name)
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            # Newer packages have their files in two others.
            needed = apt(["apt-cache", *options, "depends", package])
            parts = re.findall(r"Depends: (linux-(?:binary|modules)-\S+)", needed)
            apt(["apt-get", *options, "download", "-q", package, *parts], folder)
            for file in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", file, f"{folder}/unpacked"], check=True)
            os.rename(f"{folder}/unpacked", place)
    return place


def apt(words: list[str], folder: str | None = None) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"{words[0]} {words[-2]} {words[-1]}: {done.stderr.strip()}")
    return done.stdout


def release(name: str, folder: Path) -> list[str]:
    """Options that make apt see a release of Debian instead of what this machine is set up for."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(f"deb [signed-by={KEYS}] {ARCHIVE} {name} main\n")
    options = []
    for option in (
        f"Dir::Etc::SourceList={folder}/sources.list", "Dir::Etc::SourceParts=/dev/null",
        f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache", "Acquire::Languages=none",
    ):  # fmt: skip
        options += ["-o", option]
    apt(["apt-get", "-o", "APT::Sandbox::User=root", *options, "-q", "update"])
    return options


def module_files(kernel: Path) -> Iterator[Path]:
    """The files of the modules that the root needs, each behind those that it depends on."""
    files = {path.name.partition(".")[0].replace("-", "_"): path for path in kernel.rglob("*.ko*")}
    given: set[str] = set()

    def with_needed(name: str) -> Iterator[Path]:
        # What is not there is built in.
        if name in given or name not in files:
            return
        given.add(name)
        needed = re.search(rb"\0depends=([^\0]*)\0", contents(files[name]))
        for each in (needed[1].decode() if needed else "").split(","):
            yield from with_needed(each.replace("-", "_"))
        yield files[name]

    for name in MODULES:
        yield from with_needed(name)


def contents(module: Path) -> bytes:
    return lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes()


# --- the machine ------------------------------------------------------------------------------------------------------


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """An archive in the format that the kernel unpacks at its start (Documentation/driver-api/early-userspace): names,
    modes and contents."""
    parts = []
    for number, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b"".join(parts)


def run(kernel: Path, command: list[str], folder: Path) -> int:
    (image,) = (path for path in kernel.rglob("vmlinuz*") if path.is_file())
    busybox = Path(shutil.which("busybox") or "")
    kept = [f"{name}={value}" for name, value in os.environ.items() if KEPT.match(name)]
    script = COMMAND.format(
        path=shlex.quote(os.environ["PATH"]), folder=shlex.quote(os.getcwd()), done=DONE,
        command=shlex.join(["env", *kept, *command]),
    )  # fmt: skip
    files = {"init": (0o100755, INIT.encode()), "busybox": (0o100755, busybox.read_bytes()), "modules": (0o40755, b"")}
    files["command"] = (0o100644, script.encode())
    for number, module in enumerate(module_files(kernel), 100):
        files[f"modules/{number}-{module.name.partition('.')[0]}.ko"] = (0o100644, contents(module))
    start = folder / "start"
    start.write_bytes(archive(files))
    machine = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35",
        "-m", "1536", "-smp", "1", "-serial", "stdio",
        "-kernel", str(image), "-initrd", str(start),
        "-append", "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off no_timer_check",
        "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
    ]  # fmt: skip
    for processor in PROCESSORS:
        status, silent = watched([*machine, *processor], complains=processor is PROCESSORS[-1])
        if status is not None:
            return status
        if not silent:
            break
    raise Trouble("the virtual machine ended before the command did")


def watched(machine: list[str], *, complains: bool) -> tuple[int | None, bool]:
    """The command's status, if it came to its end, and whether nothing was heard at all."""
    silent = True
    errors = None if complains else subprocess.DEVNULL
    with subprocess.Popen(machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            if text.startswith(DONE):
                process.wait()
                return int(text.removeprefix(DONE)), False
            silent = False
            print(text, flush=True)
    return None, silent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
