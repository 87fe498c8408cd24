"""`iter`: the kernel's objects are visited."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytrace.semantics.types import Pointer, Space
from tests.probes.support import context_and_host

pytestmark = pytest.mark.live


def test_the_context_of_an_iterator_is_its_struct() -> None:
    context, host = context_and_host("iter:task_file")
    struct = host.types.struct("struct", "bpf_iter__task_file")
    assert struct is not None
    assert context.ctx == Pointer(struct, Space.KERNEL)
    assert isinstance(context.ctx, Pointer)
    assert context.ctx.trusted


def test_an_iterator_visits_every_task(pytrace: Callable[..., Any]) -> None:
    script = "iter:task { @[ctx.task.comm == \"python\" || ctx.task.comm == \"python3\", ctx.task.pid > 0] = count(); }"
    done = pytrace("-q", "-f", "json", "-e", script)
    (data,) = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert sum(data["data"]["@"].values()) > 10
