"""C's own integer types on 64-bit Linux, which are known without looking at the kernel's types."""

from __future__ import annotations

from pytrace.semantics.types import BOOL, Bool, Int

__all__ = ["c_type", "is_c_type"]

# Words that C allows in an integer type, in any order.
_WORDS = frozenset({"signed", "unsigned", "long", "short", "int", "char"})


def is_c_type(name: str) -> bool:
    """Whether a type's name is made of C's words for integers."""
    words = name.split()
    return bool(words) and _WORDS.issuperset(words)


def c_type(name: str) -> Int | Bool | None:
    """`unsigned int`, `long`, `bool`. None for what is none of C's, and for a plain char, which is signed or not as the
    compiler likes."""
    if name in ("bool", "_Bool"):
        return BOOL
    words = name.split()
    if not words or not _WORDS.issuperset(words) or words == ["signed"]:
        return None
    if "char" in words:
        return Int(1, "signed" in words) if "unsigned" in words or "signed" in words else None
    size = 2 if "short" in words else 8 if "long" in words else 4
    return Int(size, "unsigned" not in words)
