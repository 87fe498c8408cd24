"""Integer and string literals: their values, and what is wrong with them (LANGUAGE 2.4, 2.5)."""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING
from pytrace.lazy import DOTALL, pattern

if TYPE_CHECKING:
    import re

__all__ = ["LiteralError", "integer", "quote", "unescape"]

_MAXIMUM = 2**64 - 1
_NUMBER = pattern(r"([0-9][0-9_]*)(?:[eE]([0-9_]*))?")
_SUFFIX = pattern(r"ns|us|ms|[uU][lL]{0,2}|[lL]{1,2}|[smhd]")
_DURATIONS = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9,
}
_HEX = pattern("[0-9a-fA-F]+")
_LIMITS = {"u": 2**32 - 1, "l": 2**63 - 1, "ll": 2**63 - 1, "ul": _MAXIMUM, "ull": _MAXIMUM}


class LiteralError(Exception):
    """A malformed literal: the message, and the range of the text that it is about."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end


def integer(text: str) -> int:
    """The value of an integer literal as a script writes it. Raises `LiteralError`."""
    whole = 0, len(text)
    if text[:2] in ("0x", "0X"):
        _no_trailing_underscore(text, len(text))
        digits = text[2:].replace("_", "")
        if _HEX.fullmatch(digits) is None:
            raise LiteralError(f"invalid integer: {text}", *whole)
        return _limited(int(digits, 16) if len(digits) < 1000 else _MAXIMUM + 1, _MAXIMUM, text)
    number = _NUMBER.match(text)
    if number is None:
        raise LiteralError(f"invalid integer: {text}", *whole)
    mantissa, exponent = number[1], number[2]
    _no_trailing_underscore(text, number.end(1))
    if exponent:
        _no_trailing_underscore(text, number.end(2))
    suffix = _SUFFIX.match(text, number.end())
    end = suffix.end() if suffix else number.end()
    if end < len(text):
        raise LiteralError(f"invalid integer suffix '{text[end:]}'", end, len(text))
    unit = suffix[0] if suffix else ""
    if unit != unit.lower():
        raise LiteralError(f"invalid trailing bytes: {text}", *whole)
    digits = mantissa.replace("_", "")
    if exponent is not None:
        value = _scientific(digits, exponent.replace("_", ""), text)
    elif len(digits) > 1 and digits[0] == "0":
        if not set(digits) <= set("01234567"):
            raise LiteralError(f"invalid trailing bytes: {text}", *whole)
        value = int(digits, 8) if len(digits) < 1000 else _octal(digits)
    else:
        value = int(digits) if len(digits) < 1000 else _MAXIMUM + 1
    return _limited(value * _DURATIONS.get(unit, 1), _LIMITS.get(unit, _MAXIMUM), text)


def _octal(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0", 8) if len(significant) < 1000 else _MAXIMUM + 1


def _no_trailing_underscore(text: str, end: int) -> None:
    if text[end - 1] == "_":
        raise LiteralError("trailing underscore in integer literal", end - 1, end)


def _scientific(digits: str, exponent: str, text: str) -> int:
    if not exponent or exponent[0] == "0":
        raise LiteralError(f"invalid trailing bytes: {text}", 0, len(text))
    if len(digits) != 1 or digits == "0":
        raise LiteralError(f"coefficient part of scientific literal must be 1-9: {text}", 0, len(text))
    # 10^20 is out of range already: do not compute what a mistyped exponent asks for.
    power: int = 10 ** (int(exponent) if len(exponent) < 3 else 20)
    return int(digits) * power


def _limited(value: int, limit: int, text: str) -> int:
    if value > limit:
        raise LiteralError(f"overflow error, maximum value is {limit}: {text}", 0, len(text))
    return value


_ESCAPE = pattern(r'\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{0,2})|(.))', DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def unescape(text: str) -> bytes:
    """The bytes of a string literal, given with its quotes. Raises `LiteralError`."""
    body = text[1:-1]
    if "\\" not in body:
        return _encode(body)

    def replace(found: re.Match[str]) -> str:
        start, end = found.start() + 1, found.end() + 1
        octal, hexadecimal, other = found.groups()
        if octal is not None:
            if int(octal, 8) > 255:
                raise LiteralError(f"octal escape sequence out of range '{found[0]}'", start, end)
            return chr(int(octal, 8))
        if hexadecimal is not None:
            if not hexadecimal:
                raise LiteralError("invalid hex escape sequence", end, end + 1)
            return chr(int(hexadecimal, 16))
        if other not in _SIMPLE:
            raise LiteralError(f"invalid escape character '{found[0]}'", start + 1, end)
        return _SIMPLE[other]

    return _encode(_ESCAPE.sub(replace, body))


def _encode(text: str) -> bytes:
    """The bytes of a text that holds one character per byte; of a text from elsewhere, its UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


_QUOTED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quote(value: bytes) -> str:
    """A string literal for these bytes. Bytes that print, and those of UTF-8 text, stay as they are."""
    out = []
    for character in value.decode("latin-1"):
        if character in _QUOTED:
            out.append(_QUOTED[character])
        elif character < " " or character == "\x7f":
            out.append(f"\\{ord(character):03o}")
        else:
            out.append(character)
    return f'"{"".join(out)}"'
