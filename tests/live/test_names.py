"""Strings in memory of the kernel and of processes: what stands behind their NUL makes no difference."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.live

SCRIPT = """struct names {{ char small[16]; char odd[5]; char large[203]; }}
tracepoint:raw_syscalls:sys_enter /args.args[2] == 4343/ {{ $p = uptr((struct names *)args.args[0]); {} }}"""
LARGE = "x" * 150


def counts(pytrace, build, body: str) -> list[str]:
    done = pytrace("-q", "-e", SCRIPT.format(body), "-c", str(build("names")))
    return sorted(line.strip() for line in done.stdout.splitlines() if line.strip())


@pytest.mark.parametrize("member", ["$p->{}", "(*$p).{}", "(*$p).{}, 1", "($p->{}, 1)"])
def test_equal_strings_are_one_key(pytrace, build, member: str):
    more = ", 1" if "1" in member else ""
    for name, prefix in (("small", ""), ("large", LARGE)):
        lines = counts(pytrace, build, f"@[{member.format(name)}] = count();")
        assert lines == [f"@[{prefix}{text}{more}]: 2" for text in ("a", "longer name", "same")]


KEPT = ("$s = $p->{0};", "$z = *$p; $s = $z.{0};", "@v = $p->{0}; $s = @v;", "$t = ($p->{0}, 1); $s = $t.0;")


@pytest.mark.parametrize("how", KEPT)
def test_also_after_they_were_kept(pytrace, build, how: str):
    for name, prefix in (("small", ""), ("large", LARGE)):
        lines = [line for line in counts(pytrace, build, f"{how.format(name)} @[$s] = count();") if "@v" not in line]
        assert lines == [f"@[{prefix}{text}]: 2" for text in ("a", "longer name", "same")]


def test_strings_that_fill_their_member_keep_all_of_it(pytrace, build):
    lines = counts(pytrace, build, "@[$p->odd] = count();")
    assert lines == ["@[EEEEE]: 1", "@[FFFFF]: 1", "@[a]: 2", "@[same]: 2"]
