"""Every kind of node has a function that types it."""

from __future__ import annotations

import inspect

import pytest

from pytrace.hints import Any
from pytrace.semantics.typing.dispatch import EXPRESSIONS, STATEMENTS

TABLES: list[tuple[Any, type]] = [
    (table, kind) for table in (EXPRESSIONS, STATEMENTS) for kind in table.names  # type: ignore[attr-defined]
]


@pytest.mark.parametrize(("table", "kind"), TABLES)
def test_the_function_is_there_and_takes_such_nodes(table: Any, kind: type):
    parameters = list(inspect.signature(table[kind]).parameters.values())
    annotation = str(parameters[1].annotation)
    assert kind.__name__ in annotation or annotation in ("tree.Expr", "tree.Stmt", "tree.Node"), annotation
