"""What goes into the virtual machine that boot.py starts."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from tests.guest import boot


def test_an_archive_holds_names_modes_and_contents():
    files = {"init": (0o100755, b"#!/busybox sh\n"), "modules": (0o40755, b""), "modules/1.ko": (0o100644, b"abcde")}
    data = boot.archive(files)
    found, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701" and at % 4 == 0
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        start = at + (110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
        found[name] = (fields[1], data[start : start + fields[6]])
        at = start + (fields[6] + 3) // 4 * 4
    assert found == files


def module(folder: Path, name: str, needs: str) -> None:
    data = b"\0license=GPL\0depends=" + needs.encode() + b"\0name=x\0"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.ko.xz").write_bytes(lzma.compress(data))


def test_modules_come_behind_what_they_need(tmp_path: Path):
    """Names are written with either dash; what is built in is nowhere."""
    module(tmp_path / "net", "9pnet_virtio", "9pnet,virtio_ring,virtio")
    module(tmp_path / "net", "9pnet", "")
    module(tmp_path / "fs", "9p", "9pnet,netfs")
    module(tmp_path / "drivers", "virtio-pci", "virtio")
    module(tmp_path / "drivers", "virtio", "")
    module(tmp_path / "drivers", "other", "")
    names = [path.name.partition(".")[0] for path in boot.module_files(tmp_path)]
    assert names == ["virtio", "virtio-pci", "9pnet", "9pnet_virtio", "9p"]


@pytest.mark.parametrize("kernel", ["../x", "-o", "", "A B"])
def test_names_that_are_none(kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(boot.Trouble, match="neither a release of Debian nor a package"):
        boot.kernel_of(kernel)
    assert not list(tmp_path.iterdir())
