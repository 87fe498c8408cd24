"""Calls that are refused: too few arguments, too many, and of the wrong type (LIBRARY 0)."""

from __future__ import annotations

from tests.differential.case import Case

_COUNTS = {
    "bswap": 1, "buf": 2, "cat": 1, "cgroupid": 1, "clear": 1, "delete": 2, "errorf": 1, "exit": 1, "fail": 1, "find": 3,
    "has_key": 2, "hist": 2, "is_scalar": 1, "join": 2, "kaddr": 1, "kptr": 1, "ksym": 1, "len": 1, "lhist": 4, "macaddr": 1,
    "ntop": 2, "percpu_kaddr": 2, "printf": 1, "pton": 1, "strftime": 2, "sum": 1, "avg": 1, "min": 1, "max": 1,
    "stats": 1, "count": 0, "time": 1, "tseries": 4, "uptr": 1, "usym": 1, "warnf": 1, "zero": 1, "str": 2, "nsecs": 1,
    "pid": 1, "tid": 1, "kstack": 2, "ustack": 2, "print": 3,
}  # fmt: skip
"""How many arguments a function takes at most."""
_MAP_FUNCTIONS = ("hist", "lhist", "sum", "avg", "min", "max", "stats", "count", "tseries")
_WRONG = {
    "bswap-string": 'print(bswap("a"));',
    "buf-bool": "print(buf(true, 1));",
    "buf-negative": 'print(buf("abc", -1));',
    "clear-number": "clear(1);",
    "zero-element": "@a[1] = 1; zero(@a[1]);",
    "delete-number": "delete(1);",
    "has_key-scalar": "@a = 1; print(has_key(@a, 1));",
    "len-scalar": "@a = 1; print(len(@a));",
    "len-number": "print(len(5));",
    "find-literal": "@a[1] = 1; print(find(@a, 1, 2));",
    "exit-string": 'exit("a");',
    "join-string": 'join("a");',
    "kaddr-number": "print(kaddr(1));",
    "kaddr-unknown": 'print(kaddr("no_such_symbol_here"));',
    "ksym-string": 'print(ksym("a"));',
    "macaddr-string": 'print(macaddr("01:02:03:04:05:06"));',
    "ntop-string": 'print(ntop("a"));',
    "pton-number": "print(pton(1));",
    "pton-bad4": 'print(pton("1.2.3"));',
    "pton-bad6": 'print(pton("1::2::3"));',
    "pton-word": 'print(pton("word"));',
    "strftime-string": 'print(strftime("a", "b"));',
    "strftime-number": "print(strftime(1, 1));",
    "time-number": "time(1);",
    "hist-string": '@ = hist("a");',
    "hist-bits": "@ = hist(1, 6);",
    "lhist-order": "@ = lhist(1, 10, 5, 1);",
    "lhist-step": "@ = lhist(1, 0, 5, 0);",
    "lhist-buckets": "@ = lhist(1, 0, 100000, 1);",
    "lhist-wide": "@ = lhist(1, 0, 5, 10);",
    "lhist-negative": "@ = lhist(1, -5, 5, 1);",
    "sum-string": '@ = sum("a");',
    "sum-assigned": "$x = sum(1);",
    "count-alone": "count();",
    "count-nested": "print(count());",
    "aggregate-mixed": "@a = count(); @a = sum(1);",
    "aggregate-copied": "@a = count(); @b = @a;",
    "aggregate-printf": 'printf("%d", @a); @a = count();',
    "hist-loop": "@a[1] = hist(1); for ($kv : @a) { print($kv); }",
    "hist-element": "@a[1] = hist(1); print(@a[1]);",
    "print-two": "print(1, 2);",
    "printf-number": "printf(1);",
    "stack-limit": "print(kstack(1025));",
    "stack-variable": "$n = 3; print(kstack($n));",
    "stack-mode": "print(kstack(nice));",
    "nsecs-mode": "print(nsecs(nice));",
    "keys-differ": '@a[1] = 1; @a["x"] = 2;',
    "keys-none": "@a[1] = 1; @a = 2;",
    "values-differ": '@a = 1; @a = "x";',
    "undefined-map": "print(@nothing);",
    "undefined-variable": "print($nothing);",
    "unknown-function": "nothing(1);",
    "unknown-word": "print(nothing);",
    "uaddr": 'print(*uaddr("x"));',
    "retval": "print(retval);",
    "args": "print(args);",
    "arg0": "print(arg0);",
    "func": "print(func);",
    "reg": 'print(reg("ip"));',
    "usermode": "print(ctx.nothing);",
}


_LIBRARY = "it reports at the library's line (LIBRARY 9)"
_DEVIATIONS = {
    **dict.fromkeys(
        (
            "delete-none", "delete-many", "find-none", "find-many", "has_key-none", "has_key-many", "len-none", "len-many",
            "delete-number", "has_key-scalar", "len-scalar", "len-number", "find-literal", "uaddr", "retval", "args", "func",
        ),
        _LIBRARY,
    ),
    "is_scalar-none": "it crashes",
    "sum-string": "it says the same twice",
    "unknown-word": "it reports what follows from the error too",
    "stack-mode": "it lists the modes in another order",
    "nsecs-mode": "pytrace adds a hint",
    "is_scalar-many": "it does not count the arguments",
    "tseries-none": "it warns before it reports errors (OUTPUT 7.1)",
    "tseries-many": "it warns before it reports errors (OUTPUT 7.1)",
    "str-many": "it takes an argument too many",
    "buf-negative": "a blank is missing in its message",
    "join-string": "its message lacks the name",
}  # fmt: skip


def _call(name: str, count: int) -> str:
    call = f"{name}({', '.join(['1'] * count)})"
    return f"@ = {call};" if name in _MAP_FUNCTIONS else f"{call};"


def _case(name: str, body: str) -> Case:
    return Case(name, f"begin {{ {body} }}", ("--unsafe",), deviates=_DEVIATIONS.get(name, ""))


CASES = (
    *(
        _case(f"{name}-{how}", _call(name, count))
        for name, most in _COUNTS.items()
        for how, count in (("none", 0), ("many", most + 1))
        if not (how == "none" and name in ("count", "nsecs", "pid", "tid", "kstack", "ustack", "time", "exit"))
    ),
    *(_case(name, body) for name, body in _WRONG.items()),
)
