"""What can stand inside a probe, a predicate, a macro or an expression."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, partial

from pytrace.frozen import fields
from pytrace.repl import scan as kinds
from pytrace.repl.completion import Choice, Completion, choose
from pytrace.repl.context import Context, MapInfo
from pytrace.repl.infer import Inference, expression_start
from pytrace.repl.machine import PromptHost
from pytrace.repl.scan import Scan
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import Type

__all__ = ["complete_body", "complete_setting", "complete_type", "signature"]

_WORDS = (kinds.NAME, kinds.KEYWORD)
_SCALARS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "string", "buffer", "void",
    "struct", "union", "enum",
)  # fmt: skip
_KEYWORDS = {
    "if": "if (condition) { … } else { … }", "for": "for $x : @map { … }, for $i : 0..10 { … }",
    "while": "while (condition) { … }", "unroll": "unroll (n) { … }", "let": "let $x: type = value",
    "return": "leave the probe", "break": "leave the loop", "continue": "go on with the next round",
    "else": "if (condition) { … } else { … }",
}  # fmt: skip
_OPERATORS = {
    "sizeof": "sizeof(type or expression)", "offsetof": "offsetof(type, field)", "typeof": "typeof(expression)",
    "typeinfo": "typeinfo(expression)", "comptime": "evaluate while compiling", "true": "", "false": "",
}  # fmt: skip
_SETTING_VALUES = {
    "stack_mode": ("bpftrace", "perf", "raw", "build_id"),
    "missing_probes": ("error", "warn", "ignore"),
    "cache_user_symbols": ("PER_PID", "PER_PROGRAM", "NONE"),
    "license": ('"GPL"', '"Dual MIT/GPL"', '"Dual BSD/GPL"', '"Dual MPL/GPL"', '"GPL v2"'),
}
_MAP_KINDS = {
    "hash": "a table", "lruhash": "a table that drops what was not used for longest",
    "percpuhash": "a table for each CPU",
    "percpulruhash": "a table for each CPU that drops what was not used for longest",
}  # fmt: skip


def complete_body(scan: Scan, context: Context, host: PromptHost, whole: str) -> list[Completion]:
    """At the end of a scanned text; `whole` is the text with what stands behind the cursor, for the names in it."""
    return _Body(scan, context, host, whole).complete()


class _Body:
    def __init__(self, scan: Scan, context: Context, host: PromptHost, whole: str) -> None:
        self.scan = scan
        self.context = context
        self.host = host
        self.whole = whole
        self.end = len(scan.text)
        self.probe = next((each for point in scan.attach_points if (each := host.context_of(point))), None)
        self.inference = Inference(scan, context, host, self.probe)

    def complete(self) -> list[Completion]:
        scan, pieces = self.scan, self.scan.pieces
        if not pieces:
            return []
        last = len(pieces) - 1
        piece, text = pieces[last], scan.of(pieces[last])
        if scan.in_string:
            return self._in_string(text[1:])
        if piece.kind == kinds.MEMBER:
            return self._members(last - 1, text)
        if piece.kind == kinds.OPERATOR and text in (".", "->"):
            return self._members(last, "")
        if piece.kind == kinds.VAR or text == "$":
            return choose(self._variables(last), text, piece.start)
        if piece.kind == kinds.MAP:
            return choose(self._maps(last), text, piece.start)
        if piece.kind in _WORDS:
            return self._names(last, text, piece.start)
        if piece.kind in (kinds.NUMBER, kinds.PARAM, kinds.STRING):
            return []
        return self._names(last + 1, "", self.end)

    # --- fields ---------------------------------------------------------------------------------------------------

    def _members(self, dot: int, typed: str) -> list[Completion]:
        """Behind the `.` or `->` at an index."""
        scan, start = self.scan, self.end - len(typed)
        if dot and scan.of(scan.pieces[dot - 1]) == "config":
            return choose(_settings(), typed, start)
        found = self.inference.fields(self.inference.operand(dot - 1))
        return choose((Choice(name, type_text(type_)) for name, type_ in found), typed, start)

    # --- variables and maps ---------------------------------------------------------------------------------------

    def _variables(self, last: int) -> Iterator[Choice]:
        scan = self.scan
        names = dict.fromkeys(scan.of(each) for each in scan.pieces[scan.item_start : last] if each.kind == kinds.VAR)
        for name in reversed(names):
            yield Choice(name, partial(self._type_of_variable, name, last))

    def _type_of_variable(self, name: str, before: int) -> str:
        found = self.inference.variable(name, before)
        return type_text(found) if found is not None else "variable"

    def _maps(self, last: int) -> Iterator[Choice]:
        known = dict.fromkeys(each.name for each in self.context.maps)
        from pytrace.repl.scan import scan as cut

        everywhere = cut(self.whole, prompt=True)
        own = (everywhere.of(each) for each in everywhere.pieces if each.kind == kinds.MAP and each.end != self.end)
        for name in known | dict.fromkeys(own):
            yield Choice(name, partial(self._type_of_map, name))

    def _type_of_map(self, name: str) -> str:
        known = self.context.map(name)
        if known is not None and known.value is not None:
            return str(known)
        key, value = self.inference.map(name)
        return "map" if value is None else str(MapInfo(name, key, value))

    # --- names ----------------------------------------------------------------------------------------------------

    def _names(self, index: int, typed: str, start: int) -> list[Completion]:
        """Where the piece with that index is a name, or would be one."""
        scan = self.scan
        before = scan.last(index)
        previous = scan.of(before) if before is not None else ""
        if previous in kinds.C_KINDS:
            return complete_type(self.host, typed, start, previous)
        function, argument = self._call(index)
        if function == "offsetof" and argument == 1:
            return self._fields_of_type(typed, start)
        if before is not None and before.kind in (kinds.NAME, kinds.VAR, kinds.MAP, kinds.NUMBER, kinds.MEMBER):
            return []  # an operator is expected
        if before is not None and not typed and previous in (")", "]"):
            return []
        if previous == ":" and self._in_let(index):
            return complete_type(self.host, typed, start)
        starts = before is None or previous in ("{", "}", ";") or before.kind == kinds.PREDICATE
        found = choose(self._values(starts, previous, index), typed, start)
        if previous == "(" and len(typed) > 2:
            # A cast, or what sizeof and its like take.
            found += complete_type(self.host, typed, start)
        return found

    def _values(self, starts: bool, previous: str, index: int) -> Iterator[Choice]:
        assigned = previous == "=" and self._assigns_map(index)
        if assigned:
            yield from (each for each, of_maps in _builtins() if of_maps)
        yield from (each for each, of_maps in _builtins() if not of_maps and self._is_available(each.name))
        for name, text in _macros():
            yield Choice(name, text, f"{name}(" if "(" in text else name)
        yield from self._own_macros()
        yield from (Choice(word, text) for word, text in _OPERATORS.items())
        if starts:
            yield from (Choice(word, text) for word, text in _KEYWORDS.items())

    def _assigns_map(self, index: int) -> bool:
        """Whether `=` in front of a place belongs to a map."""
        scan = self.scan
        at = index - 1
        while at >= 0 and scan.pieces[at].kind != kinds.OPERATOR:
            at -= 1
        begin = expression_start(scan, at - 1) if at > 0 else None
        return begin is not None and scan.pieces[begin].kind == kinds.MAP

    def _is_available(self, name: str) -> bool:
        """Whether the probe around has what a builtin stands for."""
        probe = self.probe
        if probe is None:
            return True
        if name == "args":
            return probe.args is not None
        if name.startswith("arg") and name[3:].isdigit():
            return int(name[3:]) < len(probe.arguments)
        if name == "retval":
            return probe.retval is not None
        if name == "ctx":
            return probe.ctx is not None
        if name in ("reg", "usermode"):
            return probe.registers is not None
        return name != "func" or bool(probe.func)

    def _own_macros(self) -> Iterator[Choice]:
        """Macros that the text defines."""
        scan = self.scan
        for at, piece in enumerate(scan.pieces):
            if piece.kind == kinds.KEYWORD and scan.of(piece) == "macro":
                name = next((each for each in scan.pieces[at + 1 :] if each.kind != kinds.BLANKS), None)
                if name is not None and name.kind == kinds.NAME and name.end < self.end:
                    head = scan.text[name.start :].partition(")")[0]
                    yield Choice(scan.of(name), f"{head})" if "{" not in head else "macro", f"{scan.of(name)}(")

    def _in_let(self, index: int) -> bool:
        nearby = self.scan.pieces[max(index - 8, 0) : index]
        words = [self.scan.of(each) for each in nearby if each.kind != kinds.BLANKS]
        return len(words) > 2 and words[-1] == ":" and words[-3] == "let"

    def _call(self, index: int) -> tuple[str, int]:
        """The function whose arguments a place is among, and how many stand before; an empty name if in none."""
        scan = self.scan
        if not scan.open or scan.brackets[-1] != "(":
            return "", 0
        opening = scan.open[-1]
        name = scan.pieces[opening - 1] if opening else None
        if name is None or name.kind not in _WORDS:
            return "", 0
        commas = depth = 0
        for piece in scan.pieces[opening + 1 : index]:
            depth += (piece.kind == kinds.OPEN) - (piece.kind == kinds.CLOSE)
            commas += piece.kind == kinds.COMMA and not depth
        return scan.of(name), commas

    def _fields_of_type(self, typed: str, start: int) -> list[Completion]:
        """The second argument of `offsetof`."""
        text = self.scan.text[self.scan.pieces[self.scan.open[-1]].end :].partition(",")[0]
        found = self.inference.fields(self.inference.spelled(text))
        return choose((Choice(name, type_text(type_)) for name, type_ in found), typed, start)

    # --- strings --------------------------------------------------------------------------------------------------

    def _in_string(self, typed: str) -> list[Completion]:
        """Names that some functions take as strings."""
        function, argument = self._call(len(self.scan.pieces) - 1)
        start = self.end - len(typed)
        if argument or not function:
            return []
        if function in ("kaddr", "kfunc_exist", "kfunc_allowed"):
            names = self.host.index.names("functions").search(typed)
            return [Completion(name, start) for name in names] if typed else []
        choices: Iterable[str] = ()
        if function == "reg":
            from pytrace.probes.registers import registers

            choices = registers().names
        elif function in ("signal", "signal_thread"):
            import signal

            choices = [each.name for each in signal.Signals]
        return choose(map(Choice, choices), typed, start)


def type_text(type_: Type) -> str:
    """A type as menus show it: structures without a name have none."""
    return re.sub(r"__anon_[0-9]+", "{…}", str(type_))


@cache
def _builtins() -> tuple[tuple[Choice, bool], ...]:
    """The builtins, and whether each is a function of maps."""
    from pytrace.builtins import REGISTRY

    found = []
    for builtin in REGISTRY.values():
        if not builtin.internal:
            call = "" if builtin.bare else f"{builtin.name}{'(' if builtin.arity[1] else '()'}"
            meta = builtin.signatures[0] if builtin.map_function else signature(builtin.name)
            note = " (needs --unsafe)" if builtin.unsafe else ""
            found.append((Choice(builtin.name, meta + note, call), builtin.map_function))
    return tuple(found)


def signature(name: str) -> str:
    """How a builtin is written, or what it is if there is nothing to say about that."""
    from pytrace.builtins import REGISTRY

    builtin = REGISTRY[name]
    longest = builtin.signatures[-1]
    return builtin.doc.partition(". ")[0].rstrip(".") if longest == name else longest


@cache
def _macros() -> tuple[tuple[str, str], ...]:
    from pytrace.semantics.library import MACROS, macros

    found = []
    for name in sorted(MACROS):
        macro = macros(name)[0]
        parameters = ", ".join(f"{each.sigil}{each.name}" for each in macro.params)
        found.append((name, f"{name}({parameters})"))
    return tuple(found)


def complete_type(host: PromptHost, typed: str, start: int, tag: str = "") -> list[Completion]:
    """Names of types; with a tag (`struct`) the names that follow it."""
    query = f"{tag} {typed}" if tag else typed
    names = host.index.names("types").search(query)
    if tag:
        found = [name.partition(" ")[2] for name in names if name.startswith(f"{tag} ")]
        return [Completion(name, start) for name in found]
    own = choose(map(Choice, _SCALARS), typed, start)
    return own + ([Completion(name, start) for name in names] if len(typed) > 1 else [])


# --- the configuration ----------------------------------------------------------------------------------------------


def _settings(text: str = "{}") -> Iterator[Choice]:
    for each in fields(Config):
        default = f'"{each.default}"' if isinstance(each.default, str) else str(each.default).lower()
        yield Choice(each.name, f"default: {default}", text.format(each.name))


def complete_setting(scan: Scan) -> list[Completion]:
    """In `config = { … }`, and at the end of `let @m = …`."""
    last = scan.pieces[-1] if scan.pieces else None
    word = last if last is not None and last.kind in (*_WORDS, kinds.STRING) else None
    typed = scan.of(word) if word is not None else ""
    start = len(scan.text) - len(typed)
    before = scan.last(len(scan.pieces) - 1 if word is not None else None)
    previous = scan.of(before) if before is not None else ""
    if scan.item == "let":
        return choose((Choice(*each) for each in _MAP_KINDS.items()), typed, start) if previous == "=" else []
    if not scan.open:
        return []
    if previous == "=":
        return choose(map(Choice, _values_of(scan)), typed, start)
    return choose(_settings("{} = "), typed, start) if previous in ("{", ";") else []


def _values_of(scan: Scan) -> tuple[str, ...]:
    """The values of the setting whose `=` is the last one."""
    names = [scan.of(each) for each in scan.pieces if each.kind == kinds.NAME]
    for name in reversed(names):
        default = next((each.default for each in fields(Config) if each.name == name), None)
        if name.startswith("unstable_"):
            return ("enable", "warn", "error")
        if isinstance(default, bool):
            return ("true", "false")
        if default is not None:
            return _SETTING_VALUES.get(name, ())
    return ()

