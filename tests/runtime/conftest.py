"""Running images made by hand, and what they print."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytrace.codegen.image import Image
from pytrace.output.streams import Messages, Output
from pytrace.runtime.session import Session, SessionOptions


@dataclass
class Ran:
    status: int
    output: str
    messages: str


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """Runs an image to its end; keyword arguments are `SessionOptions`."""

    def run_image(image: Image, **options: Any) -> Ran:
        output = Output.to_file(str(tmp_path / "out"))
        messages = Output.to_file(str(tmp_path / "err"))
        session = Session(image, SessionOptions(**options), output, Messages(output, messages.fd))
        try:
            status = session.run()
        finally:
            output.close()
            os.close(messages.fd)
        read = lambda name: (tmp_path / name).read_bytes().decode("utf-8", "surrogateescape")  # noqa: E731
        return Ran(status, read("out"), read("err"))

    return run_image
