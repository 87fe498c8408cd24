"""Maps with so many entries that machine code writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

Run = Callable[..., Done]

pytestmark = pytest.mark.live

KEYS = 40_000
CALL = "tracepoint:raw_syscalls:sys_enter /pid == cpid && args.id == 110/"
OPEN = "tracepoint:syscalls:sys_enter_openat /pid == cpid && args.flags == 0/"


@pytest.mark.parametrize(
    ("probe", "body", "line"),
    [
        (CALL, "@[args.args[0]] = count();", "@[{n}]: 1"),
        (CALL, "@[args.args[0]] = sum((int64)-3);", "@[{n}]: -3"),
        (CALL, "@[args.args[0]] = args.args[0];", "@[{n}]: {n}"),
        (CALL, "@[args.args[0], args.args[1]] = count();", "@[{n}, 0]: 1"),
        (OPEN, '@[str(args.filename), "x"] = count();', "@[/nonexistent/file-{n}, x]: 1"),
        (OPEN, "@[str(args.filename)] = count();", "@[/nonexistent/file-{n}]: 1"),
    ],
)
def test_every_entry_is_printed_once(pytrace: Run, load: Path, tmp_path: Path, probe: str, body: str, line: str):
    program = f"config = {{ max_map_keys = 100000; max_strlen = 128 }} {probe} {{ {body} }}"
    run = ("-v", "-e", program, "-c", f"{load} {'names' if probe == OPEN else 'getppid'} {KEYS} 1")
    for native in ("1", "1", "0"):  # compiled, from the cache, without
        done = pytrace(*run, env={"PATH": "/usr/bin", "XDG_CACHE_HOME": str(tmp_path), "PYTRACE_NATIVE": native})
        assert "formatted in Python" not in done.stderr
        lines = [found for found in done.stdout.split("\n") if "/etc/" not in found and "/lib/" not in found]
        assert sorted(lines) == sorted(["", "", "", *(line.format(n=n) for n in range(KEYS))])


def test_the_last_entries_and_divided_ones(pytrace: Run, load: Path):
    config = "config = { max_map_keys = 100000; print_maps_on_exit = 0 }"
    program = f"{config} {CALL} {{ @[args.args[0]] = args.args[0] * 4; }} end {{ print(@, 2); print(@, 1, 4); }}"
    assert pytrace("-e", program, "-c", f"{load} getppid {KEYS} 1").stdout.split() == [
        f"@[{KEYS - 2}]:", str(4 * KEYS - 8), f"@[{KEYS - 1}]:", str(4 * KEYS - 4), f"@[{KEYS - 1}]:", str(KEYS - 1),
    ]  # fmt: skip


def test_histograms(pytrace: Run, load: Path, tmp_path: Path):
    updates = "@h[args.args[0] % 4000] = hist(args.args[0]); @l[args.args[0]] = lhist(args.args[0], 0, 9, 3);"
    program = f"config = {{ max_map_keys = 100000 }} {CALL} {{ {updates} }}"
    texts = []
    for native in ("1", "1", "0"):
        environment = {"PATH": "/usr/bin", "XDG_CACHE_HOME": str(tmp_path), "PYTRACE_NATIVE": native}
        done = pytrace("-v", "-e", program, "-c", f"{load} getppid {KEYS} 1", env=environment)
        assert "formatted in Python" not in done.stderr
        texts.append(done.stdout)
    assert texts[0].count("@h[") == 4000 and texts[0].count("@l[") == KEYS
    rows = [f"{label:16}{n:8} |{'@' * 13 * n:52}|" for label, n in (("[2K, 4K)", 1), ("[4K, 8K)", 1), ("[8K, 16K)", 2))]
    assert "\n".join(["@h[3999]:", *rows]) in texts[0]
    assert texts[0] == texts[1]
    # So many are in no particular order where Python writes them.
    assert sorted(texts[0].split("\n\n")) == sorted(texts[2].split("\n\n"))
