"""Attaching to places in programs and libraries."""

from __future__ import annotations

from pytrace.hints import Callable
from pytrace.once import partial
from pytrace.probes.multi import attach_together
from pytrace.probes.paths import native
from pytrace.probes.perf_events import attach_event
from pytrace.probes.provider import AttachError, Attachment, Target, Targets, detach

__all__ = ["attach_user", "counter_of", "file_of", "place_of"]


def file_of(target: Target) -> str:
    """The file on disk that a target is in, as text of the script."""
    return target.text("archive") or target.text("path")


def place_of(target: Target) -> int:
    """Where in that file it is."""
    return target.number("start") + target.number("place")


def counter_of(target: Target) -> int:
    """Where in that file the counter is that turns the probe on; 0 if it has none."""
    counter = target.number("semaphore")
    return target.number("start") + counter if counter else 0


def attach_user(
    prog_fd: int, targets: Targets, pid: int | None, returns: bool, failed: Callable[[AttachError], None] | None
) -> list[Attachment]:
    """Attach to places in files; `data` of the targets: `path`, `place` (position in the file, in bytes), `archive` and
    `start` (if the file is a member of an archive: where, and where in it), `semaphore`
    (position of a reference counter, or 0), `multi`, `copy` (not 0 for further places of one probe, which do not
    count), and `error` if the place was found unfit."""
    from pytrace.kernel.links import link_uprobe_multi

    attachments: list[Attachment] = []
    by_path: dict[str, list[tuple[Target, int]]] = {}

    def fail(error: AttachError) -> None:
        if failed is None:
            detach(attachments)
            raise error
        failed(error)

    def link(path: str, some: Targets) -> int:
        semaphores = [counter_of(target) for target, _ in some]
        return link_uprobe_multi(
            prog_fd, native(path), [place_of(target) for target, _ in some],
            cookies=[cookie for _, cookie in some], ref_ctr_offsets=semaphores if any(semaphores) else (),
            returns=returns, pid=pid or 0,
        )

    for target, cookie in targets:
        if reason := target.text("error"):
            fail(AttachError(target, reason))
        elif target.number("multi"):
            by_path.setdefault(file_of(target), []).append((target, cookie))
        else:
            try:
                attachments.append(_attach_single(prog_fd, target, cookie, pid, returns))
            except AttachError as error:
                fail(error)
    for path, some in by_path.items():
        try:
            attachments += attach_together(some, partial(link, path), failed)
        except AttachError:
            detach(attachments)
            raise
    return attachments


def _attach_single(prog_fd: int, target: Target, cookie: int, pid: int | None, returns: bool) -> Attachment:
    from pytrace.kernel import perf

    try:
        event = perf.uprobe_event(
            native(file_of(target)), place_of(target), returns=returns,
            ref_ctr_offset=counter_of(target), pid=-1 if pid is None else pid,
        )
        return Attachment(int(not target.number("copy")), attach_event(prog_fd, event, cookie))
    except OSError as error:
        raise AttachError(target, str(error), cause=error) from error
