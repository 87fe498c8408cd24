"""What the names of a script expand to, asked of the preprocessor itself.

A few lines behind the preamble turn each name that is a macro there into a string constant. A text that is an
expression of the script's language is that; of others, such as `5UL`, the compiler computes the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pytrace.clang.library import Kind
from pytrace.clang.parsed import Parsed
from pytrace.diagnostics import CompileError, Source, Span

__all__ = ["expansions"]

_TEXT, _VALUE, _STRING_VALUE = "__pytrace_text_", "__pytrace_value_", "__pytrace_string_"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_CLOSING = {"(": ")", "[": "]"}


def expansions(names: Iterable[str], parse: Callable[[str], Parsed]) -> tuple[Parsed, dict[str, str]]:
    """The text that each of the names expands to, of those that are macros, and the source as parsed.

    `parse` parses the preamble with more lines behind it.
    """
    ask = "".join(
        f"#ifdef {name}\nstatic const char *{_TEXT}{name} = __PYTRACE_TEXT({name});\n#endif\n" for name in names
    )
    head = "\n#define __PYTRACE_TEXT(...) __PYTRACE_QUOTE(__VA_ARGS__)\n#define __PYTRACE_QUOTE(...) #__VA_ARGS__\n"
    parsed = parse(head + ask if ask else "")
    # What expands to its own name is a function without its arguments, or stands for an enumerator.
    texts = {name: text for name, text in _answers(parsed, _TEXT).items() if isinstance(text, str) and text != name}
    foreign = [name for name, text in texts.items() if text.strip() and not _is_expression(name, text)]
    values = _values(foreign, texts, parse)
    return parsed, {name: values.get(name, text) for name, text in texts.items() if text.strip()}


def _values(names: list[str], texts: Mapping[str, str], parse: Callable[[str], Parsed]) -> dict[str, str]:
    """The values that the compiler computes, as the script's language spells them."""
    ask = "".join(
        f"static __auto_type {_VALUE}{name} = ({name});\nstatic const char *{_STRING_VALUE}{name} = {name};\n"
        for name in names
        if _is_contained(texts[name])
    )
    if not ask:
        return {}
    parsed = parse("\n" + ask)
    answers = _answers(parsed, _VALUE) | _answers(parsed, _STRING_VALUE)
    parsed.close()
    return {name: str(value) if isinstance(value, int) else _quoted(value) for name, value in answers.items()}


def _answers(parsed: Parsed, prefix: str) -> dict[str, int | str]:
    found = {}
    for cursor in parsed.declarations():
        if cursor.kind == Kind.VARIABLE and (name := parsed.name(cursor)).startswith(prefix):
            value = parsed.value(cursor)
            if value is not None:
                found[name.removeprefix(prefix)] = value
    return found


def _is_expression(name: str, text: str) -> bool:
    from pytrace.syntax.parser import parse_expression

    try:
        parse_expression(text, Span(Source(name, text), 0, len(text)))
    except CompileError:
        return False
    return True


def _is_contained(text: str) -> bool:
    """Whether the text can stand in parentheses without touching what is around them."""
    waiting: list[str] = []
    for character in _STRING.sub("", text):
        if character in _CLOSING:
            waiting.append(_CLOSING[character])
        elif (character in ")]" and (not waiting or waiting.pop() != character)) or character in "{};#":
            return False
    return not waiting


def _quoted(text: str) -> str:
    escaped = re.sub(r'[\\"]|[^ -~]', lambda found: _ESCAPES.get(found[0], f"\\x{ord(found[0]):02x}"), text)
    return f'"{escaped}"'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
