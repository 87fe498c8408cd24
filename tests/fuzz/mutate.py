"""Scripts that are almost right: mutations of good ones, each made from a seed that makes it again."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

from tests.language.test_pages import samples

_TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|[@$]?\w+|\s+|[-+*/%&|^<>=!]=|<<=|>>=|&&|\|\||\+\+|--|->|<<|>>|\.\.|.', re.DOTALL
)

_ODD = (
    "{", "}", "(", ")", "[", "]", ";", ",", ".", ":", "?", "/", "@", "$", "#", '"', "\\", "=", "==", "+=", "++",
    "--", "->", "..", "0", "1", "-1", "18446744073709551615", "18446744073709551616", "9223372036854775808", "1e9",
    "0x", "08", "1_", "5s", "$a", "$1", "$#", "@", "@a", "@a[1]", "@a[1,2]", '""', '"x"', '"%d %s"', "true", "false",
    "comm", "pid", "nsecs", "curtask", "args", "retval", "arg0", "ctx", "kstack", "ustack", "probe", "func", "if",
    "else", "for", "while", "unroll", "let", "macro", "config", "import", "struct", "enum", "union", "sizeof",
    "offsetof", "typeof", "typeinfo", "comptime", "return", "break", "continue", "begin", "end", "interval:s:1",
    "tracepoint:syscalls:sys_enter_read", "count()", "hist(1)", "str(0)", "print(1)", "printf", "delete", "clear",
    "(int8)", "(int64*)", "(uint8[4])", "(struct task_struct *)", "{ 1 }", "\x00", "\xff", "\n", "//", "/*", "*/",
    "_ =", "exit()", "len(@a)", "has_key(@a, 1)",
)  # fmt: skip


@cache
def seeds() -> tuple[str, ...]:
    """The good scripts that mutation starts from: the language pages and the examples."""
    examples = Path(__file__).resolve().parents[2] / "examples"
    return (
        *(sample.script for sample in samples()),
        *(path.read_text() for path in sorted(examples.glob("*.bt"))),
    )


def mutant(seed: int) -> str:
    """The script that belongs to a number."""
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
