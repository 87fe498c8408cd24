"""Scripts that once made the compiler raise, end or hang; fuzzing found them."""

from __future__ import annotations

FINDINGS = (
    "begin { print(0xmacro); }",
    "begin { print(0x20config); }",
    "begin { print(0x\xff); }",
    "begin { unroll(100) { unroll(100) { unroll(100) { print(1); } } } }",
)
