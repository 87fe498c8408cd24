"""Records the session of the README: enters lines into a session, and prints them with their answers.

    sudo python docs/record_session.py [FILE]

FILE has an entry in each line that begins with a prompt, as a record has them; by default they are those of the README,
so that what stands there can be made anew. A load runs meanwhile, so that there is something to see.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
PROMPT = re.compile(r"pt\[\d+\]> (.*)|\.\.\.\.\.\. (.*)")
_MARK = 271828182845


def entries(text: str) -> list[str]:
    """The entries of a record, those of several lines with their newlines."""
    found: list[str] = []
    for line in text.splitlines():
        match = PROMPT.fullmatch(line)
        if match is None:
            continue
        if match[1] is not None:
            found.append(match[1])
        else:
            found[-1] += "\n" + match[2]
    return found


def recorded(readme: str) -> str:
    """The record in the README: the first block of code that has prompts."""
    return next(block for block in readme.split("```")[1::2] if "pt[1]> " in block)


def record(wanted: list[str]) -> Iterator[str]:
    """The lines of a session in which these are entered."""
    session = subprocess.Popen(
        [sys.executable, "-m", "pytrace", "--repl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert session.stdin is not None and session.stdout is not None
    time.sleep(3)  # as long as somebody takes to begin to type
    number = 1
    for entry in wanted:
        first, *more = entry.split("\n")
        yield f"pt[{number}]> {first}"
        yield from (f"...... {line}" for line in more)
        session.stdin.write(f"{entry}\n= {_MARK}\n")
        session.stdin.flush()
        for answer in session.stdout:
            if answer == f"{_MARK}\n":
                break
            yield answer.rstrip("\n")
            if announced := re.match(r"\[(\d+)\] [●○] (attached|ran) ", answer):
                number = max(number, int(announced[1]) + 1)
    session.stdin.close()
    yield from (line.rstrip("\n") for line in session.stdout)
    session.wait()


def _work(ended: threading.Event) -> None:
    """A load: reads of many sizes."""
    with open("/dev/zero", "rb", buffering=0) as zeros:
        while not ended.wait(0.001):
            for size in (1, 100, 1000, 4000, 4000, 16000):
                zeros.read(size)


def main() -> None:
    text = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else recorded(README.read_text())
    ended = threading.Event()
    threading.Thread(target=_work, args=(ended,), daemon=True).start()
    for line in record(entries(text)):
        print(line, flush=True)
    ended.set()


if __name__ == "__main__":
    main()
