"""Scripts that are almost right: mutations of good ones, each made from a seed that makes it again."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

from tests.generate.scripts import generate_script
from tests.language.test_pages import samples

_TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|[@$]?\w+|\s+|[-+*/%&|^<>=!]=|<<=|>>=|&&|\|\||\+\+|--|->|<<|>>|\.\.|.', re.DOTALL
)

_ODD = (
    "{", "}", "(", ")", "[", "]", ";", ",", ".", ":", "?", "/", "@", "$", "#", '"', "\\", "=", "==", "+=", "++", "--",
    "->", "..", "0", "1", "-1", "18446744073709551615", "18446744073709551616", "9223372036854775808", "1e9", "0x",
    "08", "1_", "5s", "$a", "$1", "$#", "@", "@a", "@a[1]", "@a[1,2]", '""', '"x"', '"%d %s"', "true", "false",
    "comm", "pid", "nsecs", "curtask", "args", "retval", "arg0", "ctx", "kstack", "ustack", "probe", "func", "if",
    "else", "for", "while", "unroll", "let", "macro", "config", "import", "struct", "enum", "union", "sizeof",
    "offsetof", "typeof", "typeinfo", "comptime", "return", "break", "continue", "begin", "end", "interval:s:1",
    "tracepoint:syscalls:sys_enter_read", "count()", "hist(1)", "str(0)", "print(1)", "printf", "delete", "clear",
    "(int8)", "(int64*)", "(uint8[4])", "(struct task_struct *)", "{ 1 }", "\x00", "\xff", "\n", "//", "/*", "*/",
    "_ =", "exit()", "len(@a)", "has_key(@a, 1)",
)  # fmt: skip

_VALUES = (
    "0", "1", "-1", "255", "4096", "18446744073709551615", "9223372036854775808", "$1", "$#", '""', '"text"', "true",
    "comm", "pid", "nsecs", "curtask", "kstack", "ustack(3)", "probe", "args", "ctx", "arg0", "retval", "(1, 2)",
    "(1,)", "()", '(a=1, b="x")', "(uint8[4])1", "(int8*)0", "(struct task_struct *)0", "*curtask", "curtask->comm",
    "curtask->mm", "ksym(1)", 'buf("abc", 2)', 'strftime("%H", nsecs)', 'ntop(1)', "count()", "hist(1)", "avg(2)",
    "stats(pid)", "print(1)", "{ 1 }", "{ print(1); }", "if (pid) { 1 } else { 2 }", "sizeof(int32)", "sizeof(comm)",
    "(bool)1", "(int8)nsecs", "(string[4])comm", "str(0)", "str(nsecs)", "exit()", "len(kstack)", "macaddr(curtask)",
    "usym(0)", "username", "cgroup_path(1)", "&$a", "@", "@a", "@a[1]", "$a", "-nsecs", "!comm", "~pid",
    "reg(\"ip\")", "config", "typeof(pid)", 'getopt("a", 1)', "comptime 1", "nsecs(monotonic)", "rand % 2",
    "(int64)@a", "offsetof(struct task_struct, pid)",
)  # fmt: skip
"""What stands where a value may stand, and mostly must not."""

_VALUE = re.compile(r'[@$]\w*|\d\w*|"(?:\\.|[^"\\])*"|true|false|pid|tid|comm|nsecs|curtask|kstack|ustack|rand|cpu')


@cache
def seeds() -> tuple[str, ...]:
    """The good scripts that mutation starts from: the language pages and the examples."""
    examples = Path(__file__).resolve().parents[2] / "examples"
    return (
        *(sample.script for sample in samples()),
        *(path.read_text() for path in sorted(examples.glob("*.bt"))),
    )


def mutant(seed: int) -> str:
    """The script that belongs to a number. Those of odd numbers are mostly right in form, and wrong in meaning."""
    return _meaning(seed) if seed % 2 else _form(seed)


def _form(seed: int) -> str:
    rng = random.Random(seed)
    tokens = _TOKEN.findall(rng.choice(seeds()))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(tokens) + 1)
        to = min(len(tokens), at + rng.choice((1, 1, 2, 5)))
        match rng.randrange(8):
            case 0:
                del tokens[at:to]
            case 1:
                tokens[at:at] = tokens[at:to]
            case 2 | 3:
                tokens[at:to] = [rng.choice(_ODD)]
            case 4 | 5:
                tokens.insert(at, rng.choice(_ODD))
            case 6:
                other = _TOKEN.findall(rng.choice(seeds()))
                start = rng.randrange(len(other) + 1)
                tokens[at:at] = other[start : start + rng.randrange(1, 12)]
            case _:
                if tokens:
                    word = tokens.pop(rng.randrange(len(tokens)))
                    tokens.insert(rng.randrange(len(tokens) + 1), word)
    return "".join(tokens)


def _meaning(seed: int) -> str:
    """A value in the place of another one, an operator or a type in the place of another one."""
    rng = random.Random(seed)
    script = rng.choice(seeds()) if rng.random() < 0.6 else generate_script(rng, size=3).text
    tokens = _TOKEN.findall(script)
    values = [at for at, token in enumerate(tokens) if _VALUE.fullmatch(token)]
    operators = [at for at, token in enumerate(tokens) if token in _OPERATORS]
    types = [at for at, token in enumerate(tokens) if token in _TYPES]
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.random()
        if kind < 0.75 and values:
            own = tokens[rng.choice(values)]
            tokens[rng.choice(values)] = rng.choice(_VALUES) if rng.random() < 0.7 else own
        elif kind < 0.9 and operators:
            tokens[rng.choice(operators)] = rng.choice(_OPERATORS)
        elif types:
            tokens[rng.choice(types)] = rng.choice(_TYPES)
    return "".join(tokens)


_OPERATORS = (
    "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "=", "+=", "-=",
    "*=", "/=", "<<=", "|=", ".", "->",
)  # fmt: skip
_TYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint64", "bool", "string", "buffer", "inet", "void", "username_t",
    "macaddr_t", "timestamp", "count_t", "size_t", "char", "task_struct", "count", "sum", "min", "max", "avg",
    "stats", "hist", "lhist", "tseries", "str", "buf", "ksym", "usym", "ntop", "strftime", "print", "printf", "len",
    "clear", "delete", "has_key", "strcontains", "bswap", "macaddr", "kptr", "uptr", "signal_name", "cat", "join",
    "time", "assert",
)  # fmt: skip
