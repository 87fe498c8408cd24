"""Attaching one program to many places by a single link."""

from __future__ import annotations

from pytrace.hints import Callable
from pytrace.probes.provider import AttachError, Attachment, Targets, detach

__all__ = ["attach_together"]


def attach_together(
    targets: Targets, link: Callable[[Targets], int], failed: Callable[[AttachError], None] | None
) -> list[Attachment]:
    """Attach to all targets by what `link` makes, a link's descriptor; `failed` as for `Provider.attach`.

    The kernel refuses the whole link if it refuses one place. With `failed` the place is then found by halves, which
    costs a few links more and leaves the others attached.
    """
    try:
        count = sum(not target.number("copy") for target, _ in targets)
        return [Attachment(count, (link(targets),))]
    except OSError as error:
        if len(targets) == 1:
            reason = AttachError(targets[0][0], str(error), cause=error)
            if failed is None:
                raise reason from error
            failed(reason)
            return []
    attachments: list[Attachment] = []
    half = len(targets) // 2
    try:
        for some in (targets[:half], targets[half:]):
            attachments += attach_together(some, link, failed)
    except AttachError:
        detach(attachments)
        raise
    return attachments
