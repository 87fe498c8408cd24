"""The builtins: values and functions of the language.

Each module declares one family, and is imported when one of them is asked for; `registry` explains the parts of a
declaration.
"""

from __future__ import annotations

from pytrace.builtins.registry import REGISTRY

__all__ = ["REGISTRY"]
