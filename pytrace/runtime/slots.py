"""Elements that programs keep in slots before the hash (`codegen/slots.py`), read while programs run."""

from __future__ import annotations

from pytrace.codegen.image import SLOTS_AT
from pytrace.hints import Iterator
from pytrace.kernel import bpf

__all__ = ["slot_elements", "slot_words"]

_LIVE = 1 << 33
_SAME = ((1 << 10) - 1) << 54 | _LIVE | (1 << 32) - 1
"""What stays as it is in a slot's first word for as long as the slot holds an element: version, `LIVE`, and key."""


def slot_words(fd: int, size: int) -> memoryview:
    """The array of slots as 64-bit words, mapped."""
    return memoryview(bpf.map_memory(fd, size, writable=False))[:size].cast("Q")


def slot_elements(slots: memoryview, key_size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values (8 bytes), each as it was at some moment. What is not there all the while may be missing."""
    words = slots[SLOTS_AT // 8 :]
    before = words[0::2].tolist()
    values = words[1::2].tolist()
    after = words[0::2].tolist()
    for first, value, last in zip(before, values, after, strict=True):
        if first & _LIVE and not (first ^ last) & _SAME:
            yield (first & 0xFFFFFFFF).to_bytes(4, "little")[:key_size], value.to_bytes(8, "little")
