"""What a run says when something goes wrong: warnings of the kernel side, `errorf`, `warnf`, `assert`, exit statuses
(LIBRARY 2 and 11, OUTPUT 7.2 and 8)."""

from __future__ import annotations

from tests.differential.case import Case

_SCRIPTS = {
    "division": "begin { $z = (int64)0; print(7 / (uint64)$z); @x = 5 % (uint64)$z; }",
    "division-lines": "begin {\n  $z = (uint64)0;\n\tprint((uint64)7 / $z);\n}",
    "bounds": 'begin { $a = pton("1.2.3.4"); $i = (uint64)7; print($a[$i]); }',
    "map-full": "let @m = hash(2); begin { @m[1] = (int64)1; @m[2] = (int64)2; @m[3] = (int64)3; print(len(@m)); }",
    "map-full-count": "config = { max_map_keys = 2 } begin { @m[1] = count(); @m[2] = count(); @m[2] = count(); @m[3] = count(); }",
    "map-full-long-key": 'config = { max_map_keys = 1 } begin { @m[1, "ab"] = (1, 2); @m[2, "cd"] = (3, 4); }',
    "errorf": 'begin { errorf("bad %d %s", 3, "x"); print(1); }',
    "errorf-newline": 'begin { errorf("bad\\n"); errorf("two\\nlines"); errorf(""); print(1); }',
    "warnf": 'begin { warnf("careful %x\\n", 255); print(1); }',
    "errorf-macro": 'macro m(x) { errorf("in macro %d", x); } begin { m(3); }',
    "warnf-macros": 'macro inner(x) { warnf("inner %d", x); }\nmacro outer(x) { inner(x); }\nbegin {\n  outer(3);\n}',
    "division-macro": "macro div(a, b) { (uint64)a / (uint64)b }\nbegin { $z = (int64)0; print(div(4, $z)); }",
    "assert-true": 'begin { assert(1 == 1, "no"); print("ok"); }',
    "exit": 'begin { printf("x\\n"); exit(3); }',
    "exit-plain": "begin { exit(); }",
    "exit-large": "begin { exit(259); }",
    "exit-negative": "begin { exit(-1); }",
    "exit-end": "begin { exit(3); } end { exit(4); }",
    "exit-later": 'begin { if (pid) { exit(); } printf("not shown\\n"); } end { printf("end\\n"); }',
    "cat-missing": 'begin { cat("/nonexistent/%s", "file"); print(1); }',
    "cat-folder": 'begin { cat("/"); print(1); }',
    "strftime-empty": 'begin { printf("%s\\n", strftime("", 0)); }',
    "time-empty": 'begin { time(""); print(1); }',
    "time-long": f'begin {{ time("{"x" * 70}"); print(1); }}',
    "time-edge": f'begin {{ time("{"x" * 63}"); print(1); }}',
    "unterminated": 'begin { printf("no newline"); }',
    "nothing": "begin { }",
    "begin-end": 'begin { printf("b\\n"); } end { printf("e\\n"); }',
    "cpid": "begin { print(has_cpid); }",
    "return": "begin { print(1); return; } end { print(2); }",
}
_READS = {
    "read-int": "begin { $x = *(int32*)uptr((uint64)1234); print($x); }",
    "read-kernel": "begin { $x = *(int32*)kptr((uint64)1234); print($x); }",
    "read-str": "begin { print(str(uptr((uint64)1234))); }",
    "read-str-kernel": "begin { print(str(kptr((uint64)1234))); }",
    "read-buf": "begin { print(buf(uptr((uint64)1234), 4)); }",
    "lookup": "begin { @m[1] = 1; print(@m[2]); if (@m[3] == 0) { print(0); } }",
    "lookup-string": 'begin { @m["a"] = "b"; print(@m["c"]); }',
    "lookup-count": "begin { @m[1] = count(); print(@m[2]); }",
    "lookup-delete": "begin { @m[1] = 1; print(delete(@m, 2)); print(has_key(@m, 3)); }",
    "increment": "begin { @m[1]++; @m[1]++; @n[2] += 3; }",
}

_SUMMARY = "it does not sum up at the end which updates were lost"
_DEVIATIONS = {
    "map-full-text": _SUMMARY,
    "map-full-count-text": _SUMMARY,
    "map-full-long-key-text": _SUMMARY,
    "map-full-json": _SUMMARY,
    "map-full-count-json": _SUMMARY,
    "map-full-long-key-json": _SUMMARY,
    "map-full-coloured": _SUMMARY,
    "cat-folder": "it prints nothing and says nothing",
    "division-macro-text": "the place includes the blank behind it",
    "division-macro-coloured": "the place includes the blank behind it",
    "cpid": "has_cpid says the opposite there (LIBRARY 1)",
    "lookup-count-text": "it reports missing keys of such maps without -k too, as Success",
    "lookup-count-json": "it reports missing keys of such maps without -k too, as Success",
    "lookup-count-checked-text": "it reports missing keys of such maps as Success",
    "assert-false": "files of the library have other names",
}
"""By the start of a case's name, why pytrace differs."""


def _case(name: str, script: str, options: tuple[str, ...] = (), **variables: str) -> Case:
    reasons = [reason for start, reason in _DEVIATIONS.items() if name.startswith(start)]
    return Case(name, script, options, variables=variables, deviates=reasons[0] if reasons else "")


CASES = (
    *(
        _case(f"{name}-{how}", script, options)
        for how, options in (("text", ()), ("json", ("-f", "json")))
        for name, script in (_SCRIPTS | _READS).items()
    ),
    *(
        _case(f"{name}-checked-{how}", script, options)
        for how, options in (("text", ("-k",)), ("json", ("-k", "-f", "json")))
        for name, script in _READS.items()
    ),
    *(
        _case(f"{name}-silent", _SCRIPTS[name], ("--no-warnings",))
        for name in ("division", "bounds", "map-full", "errorf", "warnf", "cat-missing", "strftime-empty")
    ),
    *(
        _case(f"{name}-coloured", _SCRIPTS[name], BPFTRACE_COLOR="always")
        for name in ("division", "bounds", "map-full", "errorf", "warnf", "warnf-macros", "division-macro", "errorf-newline", "cat-missing")
    ),
    *(_case(f"{name}-coloured-checked", _READS[name], ("-k",), BPFTRACE_COLOR="always") for name in ("read-int", "lookup")),
    _case("assert-false", 'begin { assert(1 == 2, "yes"); print("not shown"); }', ("-q",)),
)  # fmt: skip
