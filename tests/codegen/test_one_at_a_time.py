"""Scripts that trace what programs do themselves: none of their programs runs inside another on one CPU."""

from __future__ import annotations

import pytest

from pytrace.frozen import replace
from pytrace.kernel import bpf
from pytrace.kernel.maps import possible_cpus
from pytrace.runtime.losses import Losses
from pytrace.semantics import program as core
from pytrace.semantics.types import I64
from tests.codegen.harness import BEGIN, SPAN, Names, arith, compare, contents, loaded, num, program, put, read

pytestmark = pytest.mark.live


def dangerous(body: list[core.Stmt], names: Names) -> core.Program:
    """A begin program as if it traced a lock."""
    made = program(body, names)
    (probe,) = made.probes
    target = replace(BEGIN, data=(("dangerous", 1),))
    return replace(made, probes=(replace(probe, targets=(target,)),))


def test_a_program_may_run_again_however_it_ended():
    names = Names()
    counter = names.map(I64)
    early = core.Branch(SPAN, compare("eq", read(counter), num(1)), (put(counter, num(2)), core.Return(SPAN)))
    body = [early, put(counter, arith("add", read(counter), num(1)))]
    with loaded(dangerous(body, names)) as (_, held):
        seen = []
        for _ in range(4):
            bpf.prog_test_run(held.programs[0])
            seen.append(next(iter(contents(held)["@m0"].values())))
        assert seen == [1, 2, 3, 4]
        assert Losses(held).texts() == []


def test_inside_another_it_is_lost():
    names = Names()
    counter = names.map(I64)
    with loaded(dangerous([put(counter, num(5))], names)) as (_, held):
        bpf.map_update(held.maps["inside"], bytes(4), (1).to_bytes(8, "little") * possible_cpus())
        bpf.prog_test_run(held.programs[0])
        (text,) = Losses(held).texts()
        assert text.startswith("begin: 1 run was skipped, each because the same processor was inside another program")
        assert Losses(held).summary(0)["runs_skipped"] == {"begin": 1}
        assert "@m0" not in contents(held)
        bpf.map_update(held.maps["inside"], bytes(4), bytes(8 * possible_cpus()))
        bpf.prog_test_run(held.programs[0])
        assert next(iter(contents(held)["@m0"].values())) == 5
