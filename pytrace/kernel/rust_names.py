"""Names of Rust functions as their author wrote them, from the "v0" mangling (RFC 2603, and "Symbol Mangling" in the
rustc book). Crates are shown without their hash. The older mangling is C++'s.
"""

from __future__ import annotations

from pytrace.hints import Callable

__all__ = ["demangle_rust", "without_generics"]

_BASIC = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8", "i": "isize", "j": "usize",
    "l": "i32", "m": "u32", "n": "i128", "o": "u128", "p": "_", "s": "i16", "t": "u16", "u": "()", "v": "...",
    "x": "i64", "y": "u64", "z": "!",
}  # fmt: skip
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DEPTH_AT_MOST = 200
_LENGTH_AT_MOST = 1 << 16
"""Characters of a readable name: references back make short names stand for very long ones."""
_STEPS_AT_MOST = 1 << 16
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


class _Unreadable(Exception):
    """The name is not one of the grammar."""


class _Name:
    """A name being read. Each method reads one production of the grammar and gives its text."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.depth = self.steps = 0
        self.bound = 0
        """Lifetimes that the binders around this place have introduced."""

    # --- letters and numbers --------------------------------------------------------------------------------------

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        letter = self.peek()
        if not letter:
            raise _Unreadable
        self.at += 1
        return letter

    def skip(self, letter: str) -> bool:
        found = self.peek() == letter
        self.at += found
        return found

    def base62(self) -> int:
        """0 for `_`, else one more than the digits say."""
        value = 0
        if self.skip("_"):
            return 0
        while (letter := self.next()) != "_":
            digit = _DIGITS.find(letter)
            if digit < 0 or value >> 64:
                raise _Unreadable
            value = value * 62 + digit
        return value + 1

    def optional62(self, tag: str) -> int:
        return self.base62() + 1 if self.skip(tag) else 0

    def decimal(self) -> int:
        start = self.at
        if self.skip("0"):
            return 0
        while "0" <= self.peek() <= "9":
            self.at += 1
        digits = self.text[start : self.at]
        if not 0 < len(digits) < 10:
            raise _Unreadable
        return int(digits)

    def again(self, read: Callable[[], str]) -> str:
        """What a reference back leads to, which is read in its place."""
        here = self.at - 1
        target = self.base62()
        if target >= here:
            raise _Unreadable
        after, self.at = self.at, target
        text = read()
        self.at = after
        return text

    def nested(self, read: Callable[[], str]) -> str:
        self.depth += 1
        self.steps += 1
        if self.depth > _DEPTH_AT_MOST or self.steps > _STEPS_AT_MOST:
            raise _Unreadable
        text = read()
        self.depth -= 1
        if len(text) > _LENGTH_AT_MOST:
            raise _Unreadable
        return text

    def until_end(self, read: Callable[[], str]) -> list[str]:
        found: list[str] = []
        while not self.skip("E"):
            found.append(read())
            if sum(map(len, found[-1:])) + len(found) > _LENGTH_AT_MOST:
                raise _Unreadable
        return found

    # --- identifiers ----------------------------------------------------------------------------------------------

    def bare_identifier(self) -> str:
        coded = self.skip("u")
        length = self.decimal()
        self.skip("_")
        text = self.text[self.at : self.at + length]
        if len(text) < length:
            raise _Unreadable
        self.at += length
        if not coded:
            return text
        plain, _, extended = text.rpartition("_")
        try:
            return (f"{plain}-{extended}" if plain else extended).encode("ascii").decode("punycode")
        except (UnicodeError, ValueError, OverflowError) as error:
            raise _Unreadable from error

    # --- paths ----------------------------------------------------------------------------------------------------

    def path(self, in_value: bool) -> str:
        return self.nested(lambda: self._path(in_value))

    def _path(self, in_value: bool) -> str:
        match self.next():
            case "C":
                self.optional62("s")
                return self.bare_identifier()
            case "N":
                return self._within(in_value)
            case "M":
                self._impl_path()
                return f"<{self.type()}>"
            case "X":
                self._impl_path()
                return self._as_trait()
            case "Y":
                return self._as_trait()
            case "I":
                inner = self.path(in_value)
                arguments = ", ".join(self.until_end(self.generic_argument))
                return f"{inner}::<{arguments}>" if in_value else f"{inner}<{arguments}>"
            case "B":
                return self.again(lambda: self.path(in_value))
        raise _Unreadable

    def _within(self, in_value: bool) -> str:
        namespace = self.next()
        outer = self.path(in_value)
        number = self.optional62("s")
        name = self.bare_identifier()
        if namespace.islower():
            return f"{outer}::{name}" if name else outer
        if not namespace.isupper():
            raise _Unreadable
        kind = {"C": "closure", "S": "shim"}.get(namespace, namespace)
        return f"{outer}::{{{kind}{':' if name else ''}{name}#{number}}}"

    def _impl_path(self) -> None:
        """Where an implementation stands, which is not part of its name."""
        self.optional62("s")
        self.path(False)

    def _as_trait(self) -> str:
        type_ = self.type()
        return f"<{type_} as {self.path(False)}>"

    def generic_argument(self) -> str:
        if self.skip("L"):
            return self.lifetime(self.base62())
        if self.skip("K"):
            return self.const(False)
        return self.type()

    def lifetime(self, index: int) -> str:
        if index == 0:
            return "'_"
        if index > self.bound:
            raise _Unreadable
        depth = self.bound - index
        return f"'{chr(ord('a') + depth)}" if depth < 26 else f"'_{depth}"

    def bound_in(self, read: Callable[[], str]) -> str:
        """A production behind a binder, if there is one."""
        count = self.optional62("G")
        if self.bound + count > 1000:
            raise _Unreadable
        self.bound += count
        names = [self.lifetime(self.bound - n) for n in range(self.bound - count, self.bound)]
        text = read()
        self.bound -= count
        return f"for<{', '.join(names)}> {text}" if names else text

    # --- types ----------------------------------------------------------------------------------------------------

    def type(self) -> str:
        return self.nested(self._type)

    def _type(self) -> str:
        letter = self.next()
        if letter in _BASIC:
            return _BASIC[letter]
        match letter:
            case "A":
                element = self.type()
                return f"[{element}; {self.const(True)}]"
            case "S":
                return f"[{self.type()}]"
            case "T":
                items = self.until_end(self.type)
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
            case "R" | "Q":
                lifetime = self.base62() if self.skip("L") else 0
                named = f"{self.lifetime(lifetime)} " if lifetime else ""
                return f"&{named}{'mut ' if letter == 'Q' else ''}{self.type()}"
            case "P":
                return f"*const {self.type()}"
            case "O":
                return f"*mut {self.type()}"
            case "F":
                return self.bound_in(self._function)
            case "D":
                bounds = "dyn " + self.bound_in(lambda: " + ".join(self.until_end(self._dyn_trait)))
                if not self.skip("L"):
                    raise _Unreadable
                lifetime = self.base62()
                return f"{bounds} + {self.lifetime(lifetime)}" if lifetime else bounds
            case "B":
                return self.again(self.type)
        self.at -= 1
        return self.path(False)

    def _function(self) -> str:
        head = "unsafe " if self.skip("U") else ""
        if self.skip("K"):
            abi = "C" if self.skip("C") else self.bare_identifier().replace("_", "-")
            head += f'extern "{abi}" '
        parameters = ", ".join(self.until_end(self.type))
        result = self.type()
        return f"{head}fn({parameters})" + (f" -> {result}" if result != "()" else "")

    def _dyn_trait(self) -> str:
        trait = self.path(False)
        bindings = []
        while self.skip("p"):
            name = self.bare_identifier()
            bindings.append(f"{name} = {self.type()}")
        if not bindings:
            return trait
        inside = ", ".join(bindings)
        return f"{trait[:-1]}, {inside}>" if trait.endswith(">") and not trait.startswith("<") else f"{trait}<{inside}>"

    # --- constants ------------------------------------------------------------------------------------------------

    def const(self, in_value: bool) -> str:
        return self.nested(lambda: self._const(in_value))

    def _const(self, in_value: bool) -> str:
        letter = self.next()
        match letter:
            case "p":
                return "_"
            case "B":
                return self.again(lambda: self.const(in_value))
            case "b":
                return {"0": "false", "1": "true"}.get(self._hex(), "") or self._fail()
            case "c":
                return f"'{self._character(int(self._hex(), 16))}'"
        if letter in "aslxnihtmyoj":
            sign = "-" if letter in "aslxni" and self.skip("n") else ""
            digits = self._hex()
            return sign + (str(int(digits, 16)) if len(digits) <= 16 else f"0x{digits}")
        text = self._composite(letter)
        # A name with generic arguments stands for itself; what else is composed needs braces among them.
        return text if in_value or text.startswith('"') else f"{{{text}}}"

    def _composite(self, letter: str) -> str:
        match letter:
            case "e":
                return f"*{self._text()}"
            case "R" if self.skip("e"):
                return self._text()
            case "R" | "Q":
                return f"&{'mut ' if letter == 'Q' else ''}{self.const(True)}"
            case "A":
                return f"[{', '.join(self.until_end(lambda: self.const(True)))}]"
            case "T":
                items = self.until_end(lambda: self.const(True))
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
            case "V":
                path = self.path(True)
                match self.next():
                    case "U":
                        return path
                    case "T":
                        return f"{path}({', '.join(self.until_end(lambda: self.const(True)))})"
                    case "S":
                        return f"{path} {{ {', '.join(self.until_end(self._member))} }}"
        return self._fail()

    def _member(self) -> str:
        self.optional62("s")
        name = self.bare_identifier()
        return f"{name}: {self.const(True)}"

    def _text(self) -> str:
        digits = self._hex(padded=True)
        try:
            text = bytes.fromhex(digits).decode("utf-8")
        except ValueError:
            return self._fail()
        return '"' + "".join(c if c == "'" else _ESCAPES.get(c, c) for c in text) + '"'

    def _character(self, code: int) -> str:
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            self._fail()
        character = chr(code)
        escaped = character if character == '"' else _ESCAPES.get(character, character)
        return escaped if escaped.isprintable() else f"\\u{{{code:x}}}"

    def _hex(self, *, padded: bool = False) -> str:
        """Digits up to `_`; those of a number without zeros in front."""
        end = self.text.find("_", self.at)
        digits = self.text[self.at : end]
        if end < 0 or any(digit not in "0123456789abcdef" for digit in digits):
            raise _Unreadable
        self.at = end + 1
        return digits if padded else digits.lstrip("0") or "0"

    def _fail(self) -> str:
        raise _Unreadable


def demangle_rust(symbol: str) -> str:
    """The readable form of a name (`_RNvCs1234_7mycrate3foo` is `mycrate::foo`); empty if it is none.

    What the compiler added behind it (`.part.0`) stays, except for `.llvm.` and a number.
    """
    if not symbol.startswith("_R") or not symbol.isascii():
        return ""
    mangled, dot, suffix = symbol[2:].partition(".")
    name = _Name(mangled)
    try:
        if name.peek().isdigit():  # a later version of the mangling
            return ""
        text = name.path(True)
        if name.peek():
            name.path(False)  # the crate that made this copy of a generic function
    except (_Unreadable, RecursionError):
        return ""
    if name.peek():
        return ""
    return text if not dot or suffix.startswith("llvm.") else f"{text}.{suffix}"


def without_generics(text: str) -> str:
    """A readable name without the generic arguments at its end: `mycrate::foo::<u8>` is `mycrate::foo`."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        if text[at] == ">" and text[at - 1 : at] != "-":
            depth += 1
        elif text[at] == "<":
            depth -= 1
        if not depth:
            return text[: at - 2] if text[:at].endswith("::") and text[at] == "<" else text
    return text
