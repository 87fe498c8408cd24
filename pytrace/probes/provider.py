"""What a provider is: one record of functions for each kind of probe.

A provider lives in one file which says how its probes are spelled, what they expand to, what their context holds, how
they are attached and how they are listed. `PROVIDERS` in `pytrace.probes` finds them by name.

`Spec` and `Target` are plain data: an image stores them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pytrace.frozen import field, frozen, replace
from pytrace.hints import TYPE_CHECKING, Callable, ClassVar, Iterator, Protocol, Sequence

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics, Span
    from pytrace.kernel.tracefs import Tracefs
    from pytrace.probes.contexts import ProbeContext
    from pytrace.probes.debug_types import DebugTypes
    from pytrace.probes.kernel_btf import KernelBtf
    from pytrace.probes.kernel_functions import KernelFunctions
    from pytrace.semantics.configuration import Config
    from pytrace.semantics.types import TypeTable

Data = tuple[tuple[str, str | int], ...]


@frozen
class Spec:
    """One probe specification. `text` is what was written, `parts` what stands between its colons.

    `data` is what the provider's `parse` made of the parts: named strings and integers.
    """

    provider: str
    text: str
    parts: tuple[str, ...]
    span: Span = field(compare=False, repr=False)
    label: str = ""
    data: Data = ()

    def get(self, key: str) -> str | int | None:
        return next((value for name, value in self.data if name == key), None)

    def string(self, key: str) -> str:
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        value = self.get(key)
        return value if isinstance(value, int) else 0

    def with_data(self, **data: str | int) -> Spec:
        """The spec with its parts read."""
        return replace(self, data=tuple(data.items()))


@frozen
class Target:
    """One place that a program is attached to. `name` is what the `probe` builtin gives (PROBES 1.7).

    `data` holds what the provider's `attach` needs: strings and integers only.
    """

    provider: str
    name: str
    data: Data = ()
    label: str = ""

    def get(self, key: str) -> str | int | None:
        return next((value for name, value in self.data if name == key), None)

    def text(self, key: str) -> str:
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        value = self.get(key)
        return value if isinstance(value, int) else 0


@frozen
class Loading:
    """How a program for a target is loaded: names of `enum bpf_prog_type` and `enum bpf_attach_type`, lower case.

    `attach_btf` names what the program is typed after, for `attach_btf.resolve` (empty if nothing).
    """

    prog_type: str
    expected_attach_type: str = ""
    attach_btf: str = ""


class Host(Protocol):
    """What expansion may ask of the machine and of the command line; `host.MachineHost` is the real one."""

    config: Config
    pid: int | None
    child_path: str | None
    unsafe: bool
    no_features: frozenset[str]
    traceable_functions: str | None
    debug_folders: tuple[str, ...]
    undescribed: dict[str, None]
    """Files whose functions were to be listed with their parameters, and that have no debug information."""

    @property
    def types(self) -> TypeTable:
        """The kernel's types."""

    @property
    def debug_types(self) -> DebugTypes:
        """The types of traced programs; `types` knows them too once they were translated."""

    @property
    def tracefs(self) -> Tracefs:
        """The tracepoints. Raises `OSError` if tracefs cannot be reached."""

    @property
    def functions(self) -> KernelFunctions:
        """The kernel functions that can be traced. They raise `OSError` if --traceable-functions cannot be read."""

    @property
    def kernel(self) -> KernelBtf:
        """Functions, tracepoints and iterators as kernel type information describes them."""

    def use_module(self, module: str) -> None:
        """Make the types of a kernel module known to the script."""

    def has_feature(self, name: str) -> bool:
        """Whether the kernel has a feature that --no-feature names, and may use it."""


@frozen
class Attachment:
    """An attached program; `count` is how many functions or events it covers.

    Closing `fds`, in order, detaches. That may block for tens of milliseconds each while the kernel waits for readers,
    so sessions close attachments in parallel. `warnings` tell which parts of it could not be attached. `counter` is
    the probe's name if its events may have to take turns with others.
    """

    count: int
    fds: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    counter: str = ""


class AttachError(Exception):
    """A program could not be attached; the message names the reason, `target` what it was to be attached to."""

    def __init__(self, target: Target, reason: str, *, cause: OSError | None = None) -> None:
        super().__init__(reason)
        self.target = target
        self.reason = reason
        self.errno = cause.errno if cause is not None else None


Targets = Sequence[tuple[Target, int]]
"""Targets with their cookies."""


class Provider(ABC):
    name: ClassVar[str]
    prog_type: ClassVar[str]
    expected_attach_type: ClassVar[str] = ""
    filtered_by_pid: ClassVar[bool] = False
    """Whether -p restricts the events (by `attach`), or does not concern them; else the program needs a filter."""
    attach_pass: ClassVar[int] = 1
    """1: attached in source order; 2: afterwards, in reverse order (PROBES 4); 0: not attached but run."""
    alone: ClassVar[bool] = False
    """Whether a spec must be the only one of its probe."""
    listed: ClassVar[str] = ""
    """"kernel" or "user" if `-l` without a provider shows it; "named" if only when named."""
    listed_parts: ClassVar[int] = 1
    """The most parts behind the provider that a pattern of `-l` can have: one with more matches nothing."""

    @property
    def probetype(self) -> str:
        """What the `probetype` builtin gives."""
        return self.name

    @abstractmethod
    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        """Check the parts; gives the spec with its `data`, or None after an error."""

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        """Check what the parts name, once all specs of the script could be parsed: units, events, target files.

        Gives the spec, or several if it stands for several, with what was found out in `data`; none after an error.
        """
        return [spec]

    def check_script(  # noqa: B027  # a hook that most providers have no use for
        self, specs: Sequence[Spec], diagnostics: Diagnostics
    ) -> None:
        """Check what concerns all specs of this provider in a script."""

    @abstractmethod
    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        """The targets that exist on this machine, in byte order of their names; missing ones as `missing_probes`
        says."""

    @abstractmethod
    def context(self, target: Target, host: Host) -> ProbeContext:
        """What a body attached to the target sees."""

    def pass_of(self, target: Target, *, several: bool) -> int:
        """`attach_pass` of a target, where that depends on the target; `several` programs are of this provider."""
        return self.attach_pass

    def loading(self, target: Target) -> Loading:
        """How a program for the target is loaded. Targets that share a program have the same answer."""
        return Loading(self.prog_type, self.expected_attach_type)

    def attach(
        self, prog_fd: int, targets: Targets, *, pid: int | None, failed: Callable[[AttachError], None] | None = None
    ) -> list[Attachment]:
        """Attach the loaded program to each target with its cookie.

        A target that fails is given to `failed`, and the others are still attached. Without `failed` the first failure
        closes what was attached and raises `AttachError`.
        """
        attachments: list[Attachment] = []
        for target, cookie in targets:
            try:
                attachments += self.attach_one(prog_fd, target, cookie, pid)
            except AttachError as error:
                if failed is None:
                    detach(attachments)
                    raise
                failed(error)
        return attachments

    def attach_one(self, prog_fd: int, target: Target, cookie: int, pid: int | None) -> list[Attachment]:
        """Attach to a single target. Raises `AttachError`."""
        raise NotImplementedError(f"{self.name} probes are run, not attached")

    def files(self, target: Target) -> tuple[str, ...]:
        """The files that the target was looked up in: an image is stale once one of them changes."""
        return ()

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        """Names that match a listing pattern, each with its argument lines (empty unless `verbose`)."""
        return iter(())

    def argument_lines(self, target: Target, host: Host) -> list[str]:
        """The arguments of a target, as `-lv` shows them: `TYPE NAME`."""
        return []

    def listed_target(self, target: Target, spec: Spec) -> str:
        """How the attach point of a program is listed."""
        return target.name

    def missing(self, spec: Spec, what: str, host: Host, diagnostics: Diagnostics) -> None:
        """Report that a target which was named without a wildcard does not exist, as `missing_probes` says."""
        message = f"No matches for {self.name} {what}."
        if host.config.missing_probes == "error":
            diagnostics.error(spec.span, message)
        elif host.config.missing_probes == "warn":
            diagnostics.warning(spec.span, f"{message} Skipping.")

    def wrong_count(self, spec: Spec, expected: str, diagnostics: Diagnostics) -> None:
        """Report that the number of parts does not fit."""
        diagnostics.error(
            spec.span, f"{self.name} probe type requires {expected} arguments, found {len(spec.parts)}"
        )


def detach(attachments: Sequence[Attachment]) -> None:
    """Close attachments one after the other."""
    import os

    for attachment in attachments:
        for fd in attachment.fds:
            os.close(fd)
