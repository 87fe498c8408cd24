"""Scripts with C headers, as a user runs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.clang.library import library
from tests.conftest import Done

pytestmark = [pytest.mark.live, pytest.mark.skipif(library() is None, reason="no libclang")]


def test_a_changed_header_is_read_again(pytrace: Callable[..., Done], tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    header = tmp_path / "size.h"
    script = tmp_path / "script.bt"
    script.write_text('#include "size.h"\nbegin { print(SIZE); print(sizeof(struct s)); }\n')
    for number in (3, 5):
        header.write_text(f"int function(void);\n#define SIZE {number}UL\nstruct s {{ char c[{number}]; }};\n")
        os.utime(header, ns=(number * 10**9, number * 10**9))
        for _ in range(2):
            assert pytrace("-q", str(script), env=env).stdout.split() == [str(number)] * 2


def test_where_headers_are_looked_for_is_part_of_the_script(pytrace: Callable[..., Done], tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which.h").write_text(f'int function(void);\n#define WHICH "{name}"\n')
    for name in ("one", "two"):
        done = pytrace("-q", "-e", "#include <which.h>\nbegin { print(WHICH); }",
                       env={**env, "CPATH": str(tmp_path / name)})
        assert done.stdout.split() == [name]


def test_mistakes_end_with_status_2_and_leave_nothing(pytrace: Callable[..., Done], tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    done = pytrace("-e", "#include <no_such.h>\nbegin { print(1); }", status=2, env=env)
    assert done.stdout == ""
    assert done.stderr.startswith("stdin:1:10-21: ERROR: 'no_such.h' file not found\n")
    assert os.listdir(tmp_path) in ([], ["cache"]) and not list(tmp_path.glob("cache/*/*"))
