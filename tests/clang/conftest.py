from __future__ import annotations

import pytest

from pytrace.clang.library import Library, library


@pytest.fixture(scope="session")
def compiler() -> Library:
    found = library()
    if found is None:
        pytest.skip("no libclang: install the package libclang")
    return found
