"""The compiling process of the REPL: what compiles is loaded here once, and each request is served by a fork.

LLVM can end a process from within (`LLVM ERROR` and exit), and the compiler takes 60 ms to load. So the REPL forks this
process when it starts, before there are threads, maps and programs; it loads the compiler while the prompt is drawn,
and for each request forks a child that compiles and ends. When a child dies, its last words become the answer.
It ends when the other end of its socket is closed, by whatever death.
"""

from __future__ import annotations

import gc
import marshal
import os
import select
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress

from pytrace.hints import TYPE_CHECKING, Any
from pytrace.repl.channel import Channel, Closed

if TYPE_CHECKING:
    from pytrace.semantics.unit import Options

__all__ = ["CANCEL", "Answer", "Request", "start"]

Request = dict[str, Any]
"""`do` names what is to be done (`requests.py`), the rest are its arguments."""
Answer = tuple[Any, ...]
"""What came of it: its kind, then what `requests.py` says. "crashed" comes with the last words of the process, and
"cancelled" alone."""
CANCEL = "cancel"
"""Sent while a request is served: ends it."""

_IDLE = 0.05
"""Seconds without a request after which the next thing is loaded in advance."""


def start(options: Options, colour: bool) -> tuple[Channel, int]:
    """Forks the process; gives the channel to it and its pid. `options` are those of every compilation."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return Channel(ours), pid
    status = 1
    try:
        _settle(theirs.fileno())
        _serve(Channel(theirs), options, colour)
        status = 0
    except BaseException:
        status = 1
    finally:
        os._exit(status)


def _settle(keep: int) -> None:
    """Away from the terminal and from everything that the REPL has open."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))


def _serve(channel: Channel, options: Options, colour: bool) -> None:
    from pytrace.repl import requests

    pending = requests.preparations(options)
    pending.pop(0)()
    gc.freeze()
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    try:
        while True:
            if _load_more(pending, poll):
                gc.freeze()
            request = channel.receive()
            if request == CANCEL:  # it crossed the answer
                continue
            channel.send_packed(_fork(channel, request, lambda request: requests.serve(request, options, colour)))
    except Closed:
        return


def _load_more(pending: list[Callable[[], object]], poll: select.poll) -> bool:
    """Loads in advance until a request comes; tells whether anything was loaded."""
    loaded = False
    while pending and not poll.poll(1000 * _IDLE):
        with suppress(Exception):  # what cannot be loaded in advance fails, with a message, where it is needed
            pending.pop(0)()
        loaded = True
    return loaded


def _fork(channel: Channel, request: Request, serve: Callable[[Request], Answer]) -> bytes:
    """The marshalled answer to a request, made by a child."""
    reader, writer = os.pipe()
    words = os.memfd_create("words")
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            os.dup2(words, 2)
            data = memoryview(marshal.dumps(serve(request)))
            while data:
                data = data[os.write(writer, data) :]
            os._exit(0)
        except BaseException:
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
        finally:
            os._exit(1)
    os.close(writer)
    try:
        answer = _collect(channel, reader)
        if answer is None:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if answer is None:
            return marshal.dumps(("cancelled",))
        if status or not answer:
            return marshal.dumps(("crashed", _last_words(words, status)))
        return answer
    except Closed:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reader)
        os.close(words)


def _collect(channel: Channel, reader: int) -> bytes | None:
    """All that a child writes; None if it is to be given up."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(reader, select.POLLIN)
    data = bytearray()
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if channel.fileno() in ready:
            channel.receive()
            return None
        piece = os.read(reader, 1 << 20)
        if not piece:
            return bytes(data)
        data += piece


def _last_words(words: int, status: int) -> str:
    """What a process that died said in the end, or how it died."""
    text = os.pread(words, 1 << 16, 0).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines:
        return next((line for line in lines if line.startswith("LLVM ERROR")), lines[-1])
    if os.WIFSIGNALED(status):
        return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended with status {os.waitstatus_to_exitcode(status)}"
