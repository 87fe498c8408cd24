"""How long the search takes for each key, in milliseconds of CPU time: `python -m tests.bench.name_search [COUNT]`.

In the functions of this kernel, or in COUNT names made of them. Every query is typed letter by letter, several times;
the shortest time of each key counts. The aim: 30 ms for the first key, 15 ms for those that follow.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from pytrace.kernel.functions import traceable
from pytrace.repl.matcher import Names, pack

QUERIES = (
    "openat", "opnat", "vfsrd", "tcpsndmsg", "eeee", "zzz", "sys_enter", "kmalloc", "rcu_gp", "xyzzy", "skbcopy", "e",
    "dvfd", "bpfprog", "schedule", "ioqq",
)  # fmt: skip
ROUNDS = 7


def timed(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return 1000 * (time.process_time() - began)


def names(count: int) -> list[str]:
    """So many names: the functions, then the same with endings that compilers give to copies."""
    own = sorted(traceable().modules)
    found = own[:count] if count else own
    endings = ("cold", "isra.0", "constprop.0", "llvm.7")
    for ending in endings:
        found += [f"{name}.{ending}" for name in own[: max(count - len(found), 0)]]
    return found


def main() -> None:
    found = names(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"{len(found):,} names")
    print(f"prepared in {timed(lambda: pack(found)):.0f} ms (by the child), taken over in ", end="")
    packed = pack(found)
    print(f"{timed(lambda: Names(packed)):.1f} ms")
    searched = Names(packed)
    first: list[float] = []
    later: list[float] = []
    for query in QUERIES:
        best = [1e9] * len(query)
        for _ in range(ROUNDS):
            searched.search("\0")
            for end in range(1, len(query) + 1):
                best[end - 1] = min(best[end - 1], timed(lambda: searched.search(query[:end])))  # noqa: B023  # at once
        first.append(best[0])
        later += best[1:]
        print(f"{query:<12}", " ".join(f"{each:5.1f}" for each in best))
    middle = sorted(later)[len(later) // 2]
    print(f"first key: at most {max(first):.1f} ms; later: {middle:.1f} ms in the middle, at most {max(later):.1f} ms")


if __name__ == "__main__":
    main()
