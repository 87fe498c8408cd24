"""The files of `recorded/`: what the other tracer printed, one file for each family of cases, one entry for each case."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.differential.case import Case, Result

FOLDER = Path(__file__).resolve().parent / "recorded"


@dataclass(frozen=True)
class Entry:
    """A case, what the other tracer made of it, and what pytrace does instead if it means to differ."""

    case: Case
    peer: Result
    ours: Result | None = None

    @property
    def expected(self) -> Result:
        return self.ours or self.peer


def load(path: Path) -> list[Entry]:
    """The entries of a file."""
    return [_from_plain(plain) for plain in json.loads(path.read_text())]


def save(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries of a family, so that a difference of a version can be read line by line."""
    path.write_text(json.dumps([_to_plain(entry) for entry in entries], indent=1) + "\n")


def _to_plain(entry: Entry) -> dict[str, Any]:
    case = {key: value for key, value in asdict(entry.case).items() if value}
    plain = {**case, "peer": _result_to_plain(entry.peer)}
    if entry.ours is not None:
        plain["ours"] = _result_to_plain(entry.ours)
    return plain


def _from_plain(plain: dict[str, Any]) -> Entry:
    given = dict(plain)
    peer, ours = given.pop("peer"), given.pop("ours", None)
    for name in ("options", "arguments"):
        given[name] = tuple(given.get(name, ()))
    return Entry(Case(**given), _result_from_plain(peer), None if ours is None else _result_from_plain(ours))


def _result_to_plain(result: Result) -> dict[str, Any]:
    plain: dict[str, Any] = {"status": result.status}
    for name in ("stdout", "stderr"):
        if text := getattr(result, name):
            plain[name] = text.splitlines(keepends=True) if text.count("\n") > 1 else text
    return plain


def _result_from_plain(plain: dict[str, Any]) -> Result:
    return Result(plain["status"], "".join(plain.get("stdout", "")), "".join(plain.get("stderr", "")))
