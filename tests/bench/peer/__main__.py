"""pytrace against bpftrace: `python -m tests.bench.peer [--peer COMMAND] [GROUP …]`.

Groups: warm, cold, bulk, streams, dumps. Both tools run in turn, round by round, on the same machine; the tables give
medians: the lower the ratio, the better for pytrace. What events cost is measured by `tests.bench.event_cost`. It takes
root, gcc, and some minutes for each group.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from tests.bench.peer.outputs import dumps, streams
from tests.bench.peer.starts import bulk, starts
from tests.bench.peer.tools import installed, launcher, ours, theirs
from tests.conftest import PROGRAMS

GROUPS = ("warm", "cold", "bulk", "streams", "dumps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="which tables to make (all)")
    parser.add_argument("--peer", default="bpftrace", help="the command of bpftrace")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    if unknown := set(args.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = folder / "load"
        subprocess.run(["gcc", "-O2", "-pthread", "-o", load, PROGRAMS / "load.c"], check=True)
        launcher(folder)
        packages = installed(folder)
        cached, peer = ours(folder, packages), theirs(folder, args.peer)
        for group in args.groups or GROUPS:
            if group == "warm":
                starts("Warm starts: the script was run before", (cached, peer), args.rounds)
            elif group == "cold":
                starts("Cold starts: nothing cached", (ours(folder, packages, "--no-cache"), peer), args.rounds)
            elif group == "bulk":
                bulk((cached, peer), args.rounds, folder)
            elif group == "streams":
                streams((cached, peer), args.rounds, folder, load)
            else:
                dumps((cached, peer), args.rounds, folder, load)


main()
