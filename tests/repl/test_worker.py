"""The compiling process: what kills it does not kill the session."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from pytrace.codegen.image import Image
from pytrace.repl import requests
from pytrace.repl.compiling import Compiler, Interrupted, Rejected
from pytrace.semantics.configuration import Config
from pytrace.semantics.unit import Options

NOTHING = Image((), (), (), (), Config())


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Compiler]]:
    """Makes a compiler in which the service "list" is replaced by a function."""
    made: list[Compiler] = []

    def make(service: Callable[..., object] | None = None) -> Compiler:
        if service is not None:
            monkeypatch.setitem(requests._SERVICES, "list", service)
        made.append(Compiler(Options()))
        return made[-1]

    yield make
    for each in made:
        each.close()


def works(compiler: Compiler) -> bool:
    return [each.name for each in compiler.block("b", "begin { @x = 1 }", NOTHING, {}).image.script_maps] == ["@x"]


def test_an_image_comes_back(compiler):
    made = compiler().block("block", "begin { @a[comm] = count(); print($1) }", NOTHING, {}, ("7",))
    assert [each.name for each in made.image.script_maps] == ["@a"]
    assert made.warnings == ()


def test_what_is_rejected_says_why_and_where(compiler):
    with pytest.raises(Rejected) as raised:
        compiler().block("pt[3]", "begin { print(nosuch) }", NOTHING, {})
    assert raised.value.text.splitlines()[0] == "pt[3]:1:15-21: ERROR: Unknown identifier: 'nosuch'"


def test_errors_about_maps_say_where_these_come_from(compiler):
    made = compiler().block("one", "begin { @a[comm] = 1 }", NOTHING, {})
    around = Image((), (), made.image.script_maps, (), Config())
    with pytest.raises(Rejected) as raised:
        compiler().block("two", "begin { @a = 1 }", around, {"@a": "@a was made by block [1]"})
    assert "HINT: @a was made by block [1]" in raised.value.text


@pytest.mark.parametrize(("death", "words"), [
    (lambda *_: os.abort(), "SIGABRT"),
    (lambda *_: os._exit(1), "status 1"),
    (lambda *_: (os.write(2, b"LLVM ERROR: out of ideas\n"), os._exit(1)), "LLVM ERROR: out of ideas"),
    (lambda *_: 1 // 0, "ZeroDivisionError"),
])
def test_a_death_while_compiling_is_an_answer(compiler, death, words):
    """LLVM ends its process when it does not know what to do."""
    one = compiler(death)
    with pytest.raises(Rejected, match=words):
        one.list("x", verbose=False)
    assert works(one)


def test_what_takes_too_long_can_be_given_up(compiler):
    one = compiler(lambda *_: time.sleep(60))
    one.interrupted = lambda: True
    with pytest.raises(Interrupted):
        one.list("x", verbose=False)
    one.interrupted = lambda: False
    assert works(one)


def test_a_new_process_is_started_when_it_is_gone(compiler):
    one = compiler()
    assert works(one)
    os.kill(one.pid, signal.SIGKILL)
    with pytest.raises(Rejected, match="started again"):
        works(one)
    assert works(one)


def test_it_ends_with_its_channel(compiler):
    one = compiler()
    pid = one.pid
    one.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_holds_nothing_that_was_open(compiler):
    """Maps and programs must go with the session, whatever becomes of this process."""
    reader, writer = os.pipe()
    one = compiler()
    assert works(one)
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_several_blocks_become_one_script(compiler):
    join = compiler().join
    assert join(("begin { print(1) }\n", "\nend { print(2) }")) == "begin { print(1) }\n\nend { print(2) }\n"
    text = join((
        "#include <a.h>\nconfig = { max_strlen = 9 } begin { print(1) }",
        "#include <a.h>\nstruct s { int x; };\nend { print(2) }",
    ))
    assert text.index("struct s") < text.index("config") < text.index("begin") < text.index("end")
    assert text.count("#include") == 1
