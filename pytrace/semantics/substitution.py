"""Macro parameters where they are not values: in types and in the field paths of `offsetof` (LANGUAGE 7.4)."""

from __future__ import annotations

from pytrace.frozen import replace
from pytrace.hints import Mapping
from pytrace.semantics.overloads import Argument
from pytrace.syntax import tree


def in_type(
    node: tree.TypeName, arg: Argument, written: Argument | None, *, declares: bool
) -> tree.TypeOrExpr | None:
    """What the type `node` becomes when the parameter it is made of stands for `arg`; None if it cannot become a type.

    `written` is the argument before macros in it were expanded. Where the type does not declare anything (`sizeof`),
    an expression is as good as its type.
    """
    if node.tag:
        word = _bare_word(arg) or _bare_word(written)
        return None if word is None else replace(node, name=word)
    if isinstance(arg, tree.Ident) and (declares or node.suffixes):
        return replace(node, name=arg.name)
    inner: tree.TypeOrExpr = arg
    while isinstance(inner, tree.Typeof):
        inner = inner.arg
    if node.suffixes:
        if not (isinstance(arg, tree.Typeof) and isinstance(inner, tree.TypeName)):
            return None
        return replace(inner, span=node.span, suffixes=(*inner.suffixes, *node.suffixes))
    if isinstance(arg, tree.Typeof) or not declares:
        return arg
    return None


def _bare_word(arg: Argument | None) -> str | None:
    """The name of `typeof(name)` or of a bare `name`."""
    match arg:
        case tree.Ident(name=name) | tree.Typeof(arg=tree.TypeName(tag="", name=name, suffixes=())):
            return name
    return None


def in_path(path: tuple[str, ...], written: Mapping[str, Argument]) -> tuple[str, ...]:
    """The field path with its parameters replaced by the words or dotted paths given for them."""
    found: list[str] = []
    for name in path:
        arg = written.get(name)
        found += (None if arg is None else _dotted(arg)) or [name]
    return tuple(found)


def _dotted(arg: Argument) -> list[str] | None:
    words: list[str] = []
    while isinstance(arg, tree.Member):
        words.append(arg.name)
        arg = arg.obj
    return [arg.name, *reversed(words)] if isinstance(arg, tree.Ident) else None


def spelling(node: tree.TypeName) -> str:
    """The type as it is written."""
    suffixes = "".join(
        "*" if suffix == "*" else "[]" if suffix is None else f"[{suffix}]" for suffix in node.suffixes
    )
    return f"{node.tag} {node.name}{suffixes}".lstrip()
