"""Records to text by machine code (`codegen/native`), for scripts that print much.

Most scripts never need it, so nothing is spent on it until a run has handled some hundred records in Python. Then the
code is looked for in the cache, which takes a millisecond; where it is not there it is compiled, after many more
records, in a thread while the run goes on, and kept. `PYTRACE_NATIVE=0` does without.
"""

from __future__ import annotations

import _thread
import os
import sys

from pytrace.codegen.image import Image
from pytrace.hints import TYPE_CHECKING
from pytrace.kernel.clib import addressof, c_char
from pytrace.kernel.code import Code, address_of_view
from pytrace.kernel.ring import RingReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.cache import Cache
    from pytrace.output.streams import Output

__all__ = ["Acceleration", "NativeText"]

_MANY, _MANY_WITH_LLVM = 20_000, 10_000
"""Records in Python's hands after which compiling pays: it takes as long as these. The second where LLVM, which takes
half of that to load, has compiled the script in this process."""
_LLVM = "pytrace.codegen.llvm"
_ROOM = 1 << 18
"""Bytes of text that are made before they are written."""
_END, _FULL, _PYTHON = 0, 1, 2
"""As `codegen.native.drain` has them, which is not imported in order to run."""
_WORDS = 9
_IN_PYTHON = "Records are formatted in Python: "

Compiled = tuple[bytes, int, bytes, int]
"""What `codegen.native.compile.compile_native` gives."""


class NativeText:
    """Turns records of a ring into text by machine code, and hands it to the output. Raises `OSError` where code cannot
    be brought into this process."""

    def __init__(self, compiled: Compiled, ring: RingReader, output: Output) -> None:
        code, entry, tables, most = compiled
        self._code = Code(code, entry)
        self._ring = ring
        self._output = output
        self._tables = bytearray(tables)
        self._buffer = bytearray(max(_ROOM, 2 * most))
        self._text = memoryview(self._buffer)
        self._state = bytearray(8 * _WORDS)
        self._words = memoryview(self._state).cast("Q")
        self._address = addressof(c_char.from_buffer(self._state))
        self._mapped: memoryview | None = None
        words = self._words
        words[1] = ring.size - 1
        words[2] = address_of_view(ring.consumed)
        words[4], words[5] = addressof(c_char.from_buffer(self._buffer)), len(self._buffer)
        words[7] = addressof(c_char.from_buffer(self._tables))

    def drain(self, end: int, most: int) -> tuple[int, bool]:
        """Handles records up to a position, at most so many. How many it were, and whether the next one is for
        Python."""
        words, ring = self._words, self._ring
        data = ring.reach(end)
        if data is not self._mapped:
            self._mapped = data
            words[0] = address_of_view(data)
        words[3], words[6], words[8] = end, 0, most
        reason = _FULL
        while reason == _FULL:
            reason = self._code.call(self._address)
            if used := words[6]:
                self._output.put(self._text[:used])
                words[6] = 0
        return most - words[8], reason == _PYTHON

    def close(self) -> None:
        self._code.close()


class Acceleration:
    """Gets a run its `NativeText`: at once from the cache, or, when that has none and there were many more records, in
    a thread from LLVM. `cached` is whether code may be taken from the cache and kept; `tell` gets a remark when there
    is none to be had."""

    def __init__(
        self, image: Image, output: Output, ring: RingReader, *, json: bool, cached: bool, tell: Callable[[str], None]
    ) -> None:
        self._image = image
        self._output = output
        self._ring = ring
        self._json = json
        self._cached = cached
        self._tell = tell
        self._left = _MANY if _LLVM not in sys.modules else _MANY_WITH_LLVM
        self._compiled: Compiled | None = None
        self._error = ""
        self._text: NativeText | None = None
        self._waits = True
        """Whether there is something to compile, later."""
        self._busy: _thread.LockType | None = None
        if cached:
            try:
                self._compiled = self._look()
            except OSError as error:
                self._error = error.strerror or str(error)
            self._waits = self._compiled is None
            self._finish()

    def result(self, records: int) -> NativeText | None:
        """What handles records from now on, once that is ready. `records` are those that Python handled."""
        self._left -= records
        if self._busy is not None and not self._busy.locked():
            self._busy = None
            self._finish()
        if self._waits and self._left <= 0:
            self._start()
        return self._text

    def _start(self) -> None:
        """Starts to compile."""
        self._waits = False
        busy = _thread.allocate_lock()
        busy.acquire()
        try:
            _thread.start_new_thread(self._do, (busy,))
            self._busy = busy
        except RuntimeError:  # there are as many threads as there may be
            self._busy = None

    def _do(self, busy: _thread.LockType) -> None:
        """In a thread."""
        try:
            self._compiled = self._compile()
        except (RuntimeError, ValueError, OSError, ImportError) as error:
            self._error = str(error)
        finally:
            busy.release()

    def _key(self) -> tuple[Cache, str]:
        from pytrace.cache import Cache

        cache = Cache()
        return cache, cache.key((
            "native", os.uname().machine, str(self._json), self._image.config.str_trunc_trailer,
            repr([(action.kind, action.static, action.layout) for action in self._image.actions]),
        ))  # fmt: skip

    def _look(self) -> Compiled | None:
        cache, key = self._key()
        found = cache.load(key)
        return found if isinstance(found, tuple) and len(found) == 4 else None

    def _compile(self) -> Compiled:
        from pytrace.codegen.native.compile import compile_native

        trailer = self._image.config.str_trunc_trailer.encode("latin-1")
        compiled = compile_native(self._image.actions, trailer, json=self._json)
        if self._cached:
            cache, key = self._key()
            cache.store(key, compiled)
        return compiled

    def _finish(self) -> None:
        """Takes what was found or compiled."""
        compiled, self._compiled = self._compiled, None
        if compiled is not None and compiled[0]:
            try:
                self._text = NativeText(compiled, self._ring, self._output)
            except OSError as error:
                self._error = error.strerror or str(error)
        if self._error:
            self._tell(_IN_PYTHON + self._error)

    def close(self) -> None:
        """Waits for the thread: the process must not end inside LLVM. What it could not do is said even now."""
        if self._busy is not None:
            with self._busy:
                pass
            self._busy = None
            if self._error:
                self._tell(_IN_PYTHON + self._error)
        if self._text is not None:
            self._text.close()
            self._text = None
