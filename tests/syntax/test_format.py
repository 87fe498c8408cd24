"""Formatting never changes what a script says, and formatting twice changes nothing (CLI 11)."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings

from pytrace.diagnostics import CompileError, Source
from pytrace.syntax import tree
from pytrace.syntax.format import format_script
from pytrace.syntax.lexer import Lexer
from pytrace.syntax.parser import parse
from pytrace.syntax.tables import load
from tests.fuzz.mutate import mutant, seeds
from tests.syntax.test_parser import CASES
from tests.syntax.trees import scripts


def formatted(text: str) -> str:
    return format_script(parse(Source("stdin", text)))


def words(script: tree.Script) -> str:
    """What the comments of a script say."""
    return re.sub(r"[/*\s]", "", "".join(text for _, text in script.comments))


def check(script: tree.Script) -> None:
    text = format_script(script)
    again = parse(Source("formatted", text))
    assert again == script, text
    assert words(again) == words(script), text
    assert format_script(again) == text


@given(scripts)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_is_read_again_as_it_was(script: tree.Script):
    check(script)


def good_scripts() -> list[str]:
    found = []
    for text in (*seeds(), *(text for expected, text in CASES if expected == "ok"), *map(mutant, range(600))):
        try:
            parse(Source("stdin", text))
        except CompileError:
            continue
        found.append(text)
    return found


def test_scripts_and_their_mutants():
    for text in good_scripts():
        check(parse(Source("stdin", text)))


COMMENTS = ("/* c%d */", "// c%d\n", "/*a\n * b%d\n*/", "\n// d%d\n\n", "/* %d */ // e\n")


def test_comments_anywhere_change_nothing_and_are_kept():
    rng, lexer = random.Random(3), Lexer(load("pytrace"))
    for text in good_scripts():
        script = parse(Source("stdin", text))
        places = [start for _, _, start, _ in lexer.script(text, [])]
        commented = text
        for number, place in enumerate(sorted(rng.sample(places, min(len(places), 3)), reverse=True)):
            commented = f"{commented[:place]} {rng.choice(COMMENTS) % number} {commented[place:]}"
        try:
            with_comments = parse(Source("stdin", commented))
        except CompileError:
            continue  # in front of the #! line, for instance
        assert with_comments == script
        check(with_comments)


SOURCE = """#!/usr/bin/env pytrace
// what it does
#include <linux/sched.h>
#define X 1 // one
struct foo {
  int a; // a member
};

config = { max_map_keys = 10; license="GPL v2"; stack_mode = "perf" }
import "foo.bt";

/* adds
   up */
macro add($x, @y, z) { let $t : uint8 = 1; $t + z }
macro nothing() {}
let @m = hash(10);


kprobe:foo, kprobe:bar /pid == 1 && comm == "x"/
{
  /* first */
  @a[pid, comm] = count(); // trailing

  if ($x > 1) { print(1); } else if ($x) { 2 } else { print(3); }
  // between
  for ($i : 0..5) { print($i); }
  for ($kv : @m) { break; continue; }
  while (!$x) { $x++ } unroll(5) { $x += 1; }
  $r = { let $q = 1; $q * 2 };
  $s = if ($x) { 1 } else { 2 };
  $t = ($x ? 1 : 2) + 1 + 2 * 3;
  print((1,)); print((1,2,)); print((a = 1, b=2)); print((int8 *)$x->y.z[1]);
  printf("%d %d %d %d %d %d %d %d\\n", aaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbb,
    cccccccccccccccccccc, ddddddddddddddddd);
  ($x > 1) ? f() : g(); ($x) ? f() : g();
  if (1) { }; -$x;
  return 1; _ = delete(@a, 1);
  {} { 1; 2 }
  /* last */
}
BEGIN{} END { } // after
"""

EXPECTED = """#!/usr/bin/env pytrace
// what it does
#include <linux/sched.h>
#define X 1 // one
struct foo {
  int a; // a member
};

config = {
  max_map_keys = 10;
  license = "GPL v2";
  stack_mode = perf;
}
import "foo.bt";

// adds
// up
macro add($x, @y, z)
{
  let $t : uint8 = 1;
  $t + z
}
macro nothing()
{}
let @m = hash(10);


kprobe:foo,
kprobe:bar
/pid == 1 && comm == "x"/
{
  // first
  @a[pid, comm] = count(); // trailing

  if ($x > 1) {
    print(1);
  } else if $x {
    2
  } else {
    print(3);
  }
  // between
  for $i : 0..5 {
    print($i);
  }
  for $kv : @m {
    break;
    continue;
  }
  while !$x {
    $x++;
  }
  unroll 5 {
    $x += 1;
  }
  $r = {
    let $q = 1;
    $q * 2
  };
  $s = if $x { 1 } else { 2 };
  $t = (($x ? 1 : 2) + 1) + (2 * 3);
  print((1,));
  print((1, 2));
  print((a=1, b=2));
  print((int8*)$x.y.z[1]);
  printf("%d %d %d %d %d %d %d %d\\n", aaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbb,
         cccccccccccccccccccc, ddddddddddddddddd);
  ($x > 1) ? f() : g();
  ($x ? f() : g());
  if 1 {};
  -$x;
  return 1;
  _ = delete(@a, 1);
  {}
  {
    1;
    2;
  }
  // last
}
BEGIN
{}
END
{} // after
"""


def test_layout():
    assert formatted(SOURCE) == EXPECTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("begin{print(1)} end{}", "begin\n{\n  print(1);\n}\nend\n{}\n"),
        ("begin /*$p/ {}", "begin\n/ *$p /\n{}\n"),
        ("begin { // a\n}", "begin\n{\n  // a\n}\n"),
        ("begin { @ = 1; } // a\n\n\n// b", "begin\n{\n  @ = 1;\n} // a\n\n\n// b\n"),
        ("// only", "// only\n"),
        ("", ""),
        ("begin { /* unterminated", None),
        ("begin {} /* unterminated", "begin\n{} // unterminated\n"),
    ],
)
def test_layout_of(text: str, expected: str | None):
    if expected is None:
        with pytest.raises(CompileError):
            formatted(text)
    else:
        assert formatted(text.replace("/*$p/", "/ *$p/")) == expected
