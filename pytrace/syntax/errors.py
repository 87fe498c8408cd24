"""What to say about a token that does not fit.

A message comes from an example of the same mistake, where there is one: `EXAMPLES` holds texts that end in the mistake,
and `generate` has noted the state that the automaton is in there. Everywhere else it names what could have come
instead; of several possibilities the one that is needed, not those that could go on.
"""

from __future__ import annotations

from pytrace.syntax.automaton import Unexpected, fits
from pytrace.syntax.fault import Fault
from pytrace.syntax.tables import Tables

__all__ = ["EXAMPLES", "explain"]

_NOT_A_MAP_DECLARATION = "root-level let statements need to be map declarations, e.g. let @a = hash(2);"
_ADDRESS_OF = "address-of operator (&) can only be used on a map or variable"

EXAMPLES: dict[str, dict[str, tuple[str, ...]]] = {
    "pytrace": {
        "expected attach point": ("{}", "begin {} {}", "begin, ,"),
        "expected config key": ("config = { 1", "config = { a = 1; 1"),
        "expected string, int, boolean, or ident": ("config = { a = -",),
        "expected string after 'import'": ("import 0", "begin { import 0"),
        "expected ';' after import": ('import "x" begin', 'begin { import "x" }'),
        "expected macro name": ("macro 1",),
        "expected macro argument ($var, @map, or identifier)": ("macro f(1", "macro f(a, 1"),
        "expected function name": ("fn 1",),
        "expected variable in function argument": ("fn f(1", "fn f($a: x, 1"),
        _NOT_A_MAP_DECLARATION: ("let $x",),
        "expected map type name": ("let @a = 1",),
        "expected positive integer for map declaration max entries": ("let @a = hash(-",),
        "expected variable after 'let'": ("begin { let 1",),
        "expected variable in for loop": ("begin { for 1", "begin { for (1"),
        "expected type name": ("begin { let $x: 1", "fn f($x: 1"),
        "expected '{' or 'if' after 'else'": ("begin { if 1 {} else 1",),
        "expected field name after '.'": ("begin { 1.:", "begin { $x.:"),
        "expected field name after '->'": ("begin { 1->:", "begin { $x->:"),
        _ADDRESS_OF: ("begin { &1",),
        "expected ']'": ("begin { let $x: y[:",),
    },
    "cdefs": {},
}
"""By grammar: message to texts whose last token is the mistake."""

_NEEDED = {
    "PARAM": "expected expression",
    "NUMBER": "expected expression",
    "TYPE_NAME": "expected type name",
    "_PRED_END": "expected '/' to close predicate",
    "_SEMICOLON": "expected ';'",
    "_RPAR": "expected ')'",
    "_RBRACKET": "expected ']'",
    "_COLON": "expected ':'",
    "_LBRACE": "expected '{'",
    "_RBRACE": "expected '}'",
    "_ASSIGN": "expected '='",
    "_COMMA": "expected ','",
    "_LPAR": "expected '('",
    "IDENT": "expected identifier",
}
# In this order. PARAM, and NUMBER in C, stand for all that an expression can start with: they are in no other place.


def explain(tables: Tables, error: Unexpected, text: str) -> Fault:
    """The fault that a token of `text` which does not fit amounts to."""
    candidates, token, start, end = error.token
    at_end = candidates == (tables.end,)

    def possible(name: str) -> bool:
        return name in tables.terminals and fits(tables, error.states, tables.terminals[name])

    if error.message:
        return Fault(error.message, start, end)
    message = tables.explanations.get(error.states[-1])
    if message == _NOT_A_MAP_DECLARATION:
        return Fault(message, *error.previous)
    if token == "&&" and possible("PARAM"):
        return Fault(_ADDRESS_OF, start + 1, end)
    if message is None and at_end:
        # Behind a block, as before any statement, only the end of the block around is missing.
        after_block = text.rstrip().endswith("}") and possible("_END_STMT")
        message = "expected '}'" if after_block or possible("STMT_VAR") else None
    if message is None:
        message = next((message for name, message in _NEEDED.items() if possible(name)), f"unexpected '{token}'")
    return Fault(message, start, end)
