"""`usdt`: static probes in programs and libraries, as sys/sdt.h makes them.

`usdt:BINARY[:NAMESPACE]:NAME`; with -p also `usdt:NAME`, and `usdt:*:NAMESPACE:NAME` for all files in use.

The kernel counts up the semaphore that guards a probe in each process, for as long as it is attached.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Callable, Iterator
from pytrace.once import Later
from pytrace.probes.paths import shown
from pytrace.probes.patterns import has_wildcard, matcher
from pytrace.probes.provider import AttachError, Attachment, Host, Loading, Provider, Spec, Target, Targets
from pytrace.probes.user_attaching import attach_user, file_of

if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.probes import archives, binaries, uprobe, usdt_places, user_places
    from pytrace.probes.contexts import ProbeContext
else:
    archives, binaries, uprobe, usdt_places, user_places = (
        Later(f"pytrace.probes.{name}") for name in ("archives", "binaries", "uprobe", "usdt_places", "user_places")
    )


class Usdt(Provider):
    name = "usdt"
    prog_type = "kprobe"
    filtered_by_pid = True
    attach_pass = 2
    listed = "user"
    listed_parts = 3

    def parse(self, spec: Spec, diagnostics: Diagnostics) -> Spec | None:
        if len(spec.parts) not in (1, 2, 3):
            self.wrong_count(spec, "2 or 3", diagnostics)
            return None
        *path, name = spec.parts
        namespace = path.pop() if len(path) == 2 else ""
        if not name:
            diagnostics.error(spec.span, "usdt probe must have a target function or wildcard")
            return None
        return spec.with_data(target=path[0] if path else "", namespace=namespace, name=name)

    def check(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Spec]:
        target = spec.string("target")
        if len(spec.parts) == 1 and host.pid is None:
            self.wrong_count(spec, "2 or 3", diagnostics)
            return []
        if not target and host.pid is None:
            diagnostics.error(
                spec.span,
                "usdt probe must specify at least path or pid to probe. To target all paths/pids set the path to '*'.",
            )
            return []
        if archives.is_member(target):
            return user_places.check_member(self, spec, target, diagnostics)
        found = binaries.find_binaries(target or "*", host.pid, unsafe=host.unsafe)
        if not found and not has_wildcard(target or "*"):
            diagnostics.error(spec.span, f"usdt target file '{target}' does not exist or is not executable")
        values: dict[str, str | int] = dict(spec.data)
        return [spec.with_data(**values | {"path": binary.path}) for binary in found]

    def expand(self, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
        path, namespace, name = spec.string("path"), spec.string("namespace"), spec.string("name")
        found = self._targets(path, namespace, name, host, spec.label)
        if not found and namespace and not any(map(has_wildcard, (spec.string("target") or "*", namespace, name))):
            self.missing(spec, f"{path}:{name}", host, diagnostics)
        return found

    def _targets(self, path: str, namespace: str, name: str, host: Host, label: str) -> list[Target]:
        in_namespace, is_name = matcher(namespace or "*"), matcher(name)
        multi = int(host.has_feature("uprobe_multi"))
        found: list[Target] = []
        for probe in usdt_places.probes_of(path):
            if not (in_namespace(shown(probe.provider)) and is_name(shown(probe.name))):
                continue
            full = f"usdt:{path}:{shown(probe.provider)}:{shown(probe.name)}"
            # The compiler may have copied a probe to several places, which are still one probe.
            for copy, place in enumerate(probe.locations):
                data: tuple[tuple[str, str | int], ...] = (
                    ("path", path), ("namespace", shown(probe.provider)), ("name", shown(probe.name)),
                    ("place", place.offset), ("semaphore", place.semaphore), ("copy", copy), ("multi", multi),
                    *user_places.in_archive(path).items(),
                )
                found.append(Target(self.name, full, data, label))
        return found

    def context(self, target: Target, host: Host) -> ProbeContext:
        from pytrace.probes.usdt_arguments import argument_fields

        elf = user_places.open_elf(target.text("path"))
        key = target.text("namespace"), target.text("name"), target.number("place")
        place = usdt_places.places_of(elf).get(key) if elf is not None else None
        # Without the place, the file was replaced since; attaching will say so.
        arguments = argument_fields(elf, place) if elf is not None and place is not None else ()
        return uprobe.user_context(self, arguments=arguments, func="")

    def loading(self, target: Target) -> Loading:
        return Loading(self.prog_type, "trace_uprobe_multi" if target.number("multi") else "")

    def attach(
        self, prog_fd: int, targets: Targets, *, pid: int | None, failed: Callable[[AttachError], None] | None = None
    ) -> list[Attachment]:
        return attach_user(prog_fd, targets, pid, False, failed)

    def files(self, target: Target) -> tuple[str, ...]:
        return user_places.files(file_of(target))

    def listing(self, pattern: Spec | None, host: Host, verbose: bool) -> Iterator[tuple[str, list[str]]]:
        parts = pattern.parts if pattern is not None else ("*",)
        if len(parts) < 2:
            parts = ("*", *parts) if host.pid is not None else (*parts, "*")
        namespace = parts[1] if len(parts) > 2 else "*"
        if archives.is_member(parts[0]):
            found = [binaries.Binary(parts[0])]
        else:
            found = binaries.find_binaries(parts[0], host.pid)
        for binary in found:
            targets = self._targets(binary.path, namespace, parts[-1], host, "")
            yield from ((name, []) for name in dict.fromkeys(target.name for target in targets))


PROVIDERS: tuple[Provider, ...] = (Usdt(),)
