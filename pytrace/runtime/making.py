"""Large maps in the making while the run imports what it needs next.

The kernel takes milliseconds for each hash whose elements it allocates at once. A thread has them made, which needs
Python's lock for as long as it takes to ask. It is one thread: the kernel allocates for one at a time.
"""

from __future__ import annotations

import os
from _thread import LockType, allocate_lock, start_new_thread

from pytrace.codegen.image import Image, MapImage
from pytrace.kernel import maps

__all__ = ["Making"]

_LARGE = 1024
"""Elements from which a map is large."""
_NO_PREALLOC = 1


def _takes_long(image: MapImage) -> bool:
    return "hash" in image.type and not image.flags & _NO_PREALLOC and _LARGE <= image.max_entries < 1 << 32


class Making:
    """The large maps of an image. Each has to be taken, or closed with this."""

    def __init__(self, image: Image) -> None:
        self._found: dict[str, int | OSError] = {}
        self._busy: dict[str, LockType] = {}
        """By symbol, locks that are held until a map is made."""
        if wanted := [each for each in image.maps if _takes_long(each)]:
            for each in wanted:
                self._busy[each.symbol] = allocate_lock()
                self._busy[each.symbol].acquire()
            begun = allocate_lock()
            begun.acquire()
            start_new_thread(self._make, ([(each, self._busy[each.symbol]) for each in wanted], begun))
            begun.acquire()  # or the thread would wait for us to pause

    def _make(self, wanted: list[tuple[MapImage, LockType]], begun: LockType) -> None:
        begun.release()
        for image, busy in wanted:
            try:
                self._found[image.symbol] = maps.map_create(
                    image.type, image.key_size, image.value_size, image.max_entries, name=image.symbol,
                    flags=image.flags,
                )  # fmt: skip
            except OSError as error:
                self._found[image.symbol] = error
            finally:
                busy.release()

    def has(self, symbol: str) -> bool:
        """Whether a map is among these and was not taken."""
        return symbol in self._busy

    def take(self, symbol: str) -> int | None:
        """The descriptor of a map, which is the caller's from now on; None if it is not one of these. Raises `BpfError`
        as `map_create`."""
        if (busy := self._busy.pop(symbol, None)) is None:
            return None
        busy.acquire()
        found = self._found.pop(symbol)
        if isinstance(found, OSError):
            raise found
        return found

    def close(self) -> None:
        """Closes the maps that nobody took."""
        for symbol in list(self._busy):
            try:
                fd = self.take(symbol)
            except OSError:
                continue
            if fd is not None:
                os.close(fd)
