"""Attaching the programs of an image, and letting go of them (PROBES 1.6, 4)."""

from __future__ import annotations

from itertools import groupby

from pytrace.codegen.image import Image
from pytrace.frozen import field, frozen, record
from pytrace.hints import TYPE_CHECKING, Callable, Iterator
from pytrace.probes import PROVIDERS
from pytrace.probes.provider import AttachError, Attachment, Provider, Target
from pytrace.runtime.errors import RunError

if TYPE_CHECKING:
    from pytrace.runtime.loading import Loaded

__all__ = ["Attached", "attach", "programs_run_by"]

_ADVICE = "If this is expected, set the 'missing_probes' config variable to 'warn'."


@frozen
class _Step:
    """Some targets of one program which share a provider."""

    program: int
    provider: Provider
    targets: tuple[tuple[Target, int], ...]


@record
class Attached:
    """What is attached. `iterators` are the links of iterators, which run when they are read, with their targets."""

    attachments: list[Attachment] = field(default_factory=list)
    iterators: list[tuple[int, Target]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many functions and events are covered."""
        return sum(attachment.count for attachment in self.attachments)

    @property
    def fds(self) -> list[int]:
        """All descriptors that hold something attached, in the order in which they are to be closed."""
        return [fd for attachment in self.attachments for fd in attachment.fds]


def programs_run_by(image: Image, provider: str) -> list[tuple[int, Target]]:
    """The programs that the session runs itself, with their targets: those of `begin`, `end`, `self`, `test` or
    `bench`. Each comes once for every target it has."""
    return [
        (number, target)
        for number, program in enumerate(image.programs)
        for target, _ in program.targets
        if target.provider == provider
    ]


def _steps(image: Image) -> list[_Step]:
    steps = []
    for number, program in enumerate(image.programs):
        for name, targets in groupby(program.targets, lambda entry: entry[0].provider):
            steps.append(_Step(number, PROVIDERS[name], tuple(targets)))
    return steps


def _in_order(image: Image) -> Iterator[_Step]:
    """Two passes, so that programs at one event run in the order of the script: the kernel runs some kinds of them in
    the order in which they were attached, and the others in reverse."""
    steps = _steps(image)
    seen: dict[str, int] = {}
    for step in steps:
        seen[step.provider.name] = seen.get(step.provider.name, 0) + 1
    passes = [
        (step.provider.pass_of(step.targets[0][0], several=seen[step.provider.name] > 1), step) for step in steps
    ]
    yield from (step for number, step in passes if number == 1)
    yield from (step for number, step in reversed(passes) if number == 2)


def name_of(target: Target) -> str:
    """What messages call a target: the name that the script gave it, else its own."""
    return target.label or target.name


def _intentions(step: _Step) -> Iterator[str]:
    """What -v says before the targets of a step are attached: each by its name, those of a pattern together."""
    for pattern, group in groupby(step.targets, lambda entry: entry[0].text("pattern")):
        targets = [target for target, _ in group]
        if not pattern:
            yield from (f"Trying to attach probe: {name_of(target)}" for target in targets)
            continue
        yield f"Trying to attach probe: {targets[0].label or pattern}"
        yield f"Attaching to {len(targets)} functions"
        for target in targets:
            path = target.text("path")
            yield f"{path}:{target.text('function')}" if path else f" {target.text('function')}"


def attach(
    loaded: Loaded,
    *,
    pid: int | None,
    warn: Callable[[str], None],
    say: Callable[[str], None],
    stopped: Callable[[], bool],
) -> Attached:
    """Attach all programs. `warn` gets warnings, `say` what is about to be attached, `stopped` says whether to give up.
    Raises `RunError`, with nothing left attached."""
    policy = loaded.image.config.missing_probes
    attached = Attached()

    def failed(error: AttachError) -> None:
        if policy == "warn":
            warn(f"Unable to attach probe: {name_of(error.target)}. Skipping.")

    try:
        for step in _in_order(loaded.image):
            for line in _intentions(step):
                say(line)
            if (reason := loaded.missing.get(step.program)) is not None:
                for target, _ in step.targets:
                    gone = AttachError(target, reason)
                    if policy == "error":
                        raise gone
                    failed(gone)
                continue
            made = step.provider.attach(
                loaded.programs[step.program], step.targets, pid=pid, failed=None if policy == "error" else failed
            )
            attached.attachments += made
            if step.provider.name == "iter":
                attached.iterators += [(made[0].fds[0], step.targets[0][0])] if made else []
            for attachment in made:
                for warning in attachment.warnings:
                    warn(warning)
            if stopped():
                raise RunError()
    except BaseException as error:
        from pytrace.runtime.detaching import Detaching

        Detaching(attached.fds).finish()
        if isinstance(error, AttachError):
            raise RunError(error.reason, f"Unable to attach probe: {name_of(error.target)}. {_ADVICE}") from error
        raise
    if not attached.attachments and policy != "error" and any(_in_order(loaded.image)):
        own = ("begin", "end", "self")
        if not any(programs_run_by(loaded.image, provider) for provider in own):
            raise RunError("Attachment failed for all probes.")
    return attached
