"""Runs the cases with bpftrace and with pytrace, shows where they differ, and records what bpftrace printed.

    python -m tests.differential.record BPFTRACE [--only REGEX] [--compare]

As root, on a kernel that runs BPF programs. `--compare` only shows the differences. A case that differs without a
reason (`Case.deviates`) is not recorded, nor is one with a reason that does not differ: both end with status 1.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.differential import families
from tests.differential.case import Case, Result, run
from tests.differential.recorded import FOLDER, Entry, load, save

ROOT = Path(__file__).resolve().parents[2]
_ABOUT_THE_MACHINE = re.compile(r"(\x1b\[33m)?WARNING: [^\n]*couldn.t set RLIMIT_MEMLOCK[^\n]*\n")
"""What bpftrace says where that limit cannot be raised, whatever the script."""

_TOGETHER = 20
"""So many cases are run before what they gave is written down."""
_WIDTH, _LINES = 200, 24
"""Of a difference, what is shown at most."""


def peer(tracer: str, case: Case, folder: Path) -> Result:
    result = run([tracer], case, folder)
    return replace(result, stderr=_ABOUT_THE_MACHINE.sub("", result.stderr))


def ours(case: Case, folder: Path) -> Result:
    return run([sys.executable, "-m", "pytrace"], case, folder, {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder)})


def difference(entry: Entry) -> str:
    """The difference for people to read; empty if there is none."""
    assert entry.ours is not None
    if entry.peer == entry.ours:
        return ""
    lines = [f"=== {entry.case.name}", f"    {' '.join(entry.case.options)} -e '{entry.case.program}'"]
    if entry.peer.status != entry.ours.status:
        lines.append(f"  status: {entry.peer.status} there, {entry.ours.status} here")
    for name in ("stdout", "stderr"):
        there, here = getattr(entry.peer, name).split("\n"), getattr(entry.ours, name).split("\n")
        lines += difflib.unified_diff(there, here, f"{name} there", f"{name} here", lineterm="", n=0)
    shown = [line[:_WIDTH] for line in lines[:_LINES]] + ["…"] * (len(lines) > _LINES)
    return "\n".join(shown).encode("utf-8", "backslashreplace").decode()


def judge(entry: Entry) -> Entry | None:
    """The entry to record; None, and what is wrong, if the case must not be recorded like this."""
    differs = difference(entry)
    if differs and not entry.case.deviates:
        print(differs)
        return None
    if entry.case.deviates and not differs:
        print(f"=== {entry.case.name} does not differ: {entry.case.deviates}")
        return None
    return entry if differs else replace(entry, ours=None)


def keep(family: str, entries: list[Entry]) -> None:
    """Put entries into the file of their family, in the order of its cases."""
    path = FOLDER / f"{family}.json"
    known = {entry.case.name: entry for entry in (load(path) if path.exists() else [])}
    known.update({entry.case.name: entry for entry in entries})
    save(path, [known[case.name] for case in families.ALL[family] if case.name in known])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bpftrace")
    parser.add_argument("--only", default="", metavar="REGEX", help="the cases FAMILY/NAME in which this is found")
    parser.add_argument("--compare", action="store_true", help="record nothing")
    arguments = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(4) as pool:
        for family, cases in families.ALL.items():
            chosen = [case for case in cases if re.search(arguments.only, f"{family}/{case.name}")]
            for start in range(0, len(chosen), _TOGETHER):
                some = chosen[start : start + _TOGETHER]
                here = pool.map(lambda case: ours(case, Path(folder)), some)
                there = pool.map(lambda case: peer(arguments.bpftrace, case, Path(folder)), some)
                good = [entry for each in zip(some, there, here, strict=True) if (entry := judge(Entry(*each)))]
                bad += len(some) - len(good)
                if not arguments.compare:
                    keep(family, good)
                print(f"{family}: {start + len(some)} of {len(chosen)}, {bad} not as they should be", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
