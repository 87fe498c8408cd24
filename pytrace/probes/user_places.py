"""Where uprobes go in a file: functions, instructions, addresses, source lines."""

from __future__ import annotations

from pytrace.frozen import frozen, replace
from pytrace.hints import TYPE_CHECKING, Iterator
from pytrace.probes.archives import ArchiveError, is_member, member
from pytrace.probes.binaries import Binary, FileState, find_binaries, native, shown
from pytrace.probes.contexts import ProbeContext
from pytrace.probes.instructions import is_boundary
from pytrace.probes.patterns import has_wildcard, literal_prefix, matcher
from pytrace.probes.provider import Host, Provider, Spec, Target
from pytrace.recent import recent

if TYPE_CHECKING:
    from elftools.dwarf.die import DIE

    from pytrace.diagnostics import Diagnostics
    from pytrace.kernel.elf import Elf, ElfSymbol
    from pytrace.probes.debug_info import DebugInfo

_FORCE = (
    "Use --unsafe to force attachment. WARNING: This option could lead to data corruption in the target process."
)


@recent(maxsize=16)
def _opened(path: str, state: FileState, start: int = 0, size: int = 0) -> Elf:
    from pytrace.kernel.elf import Elf

    return Elf(path, start, size)


def open_elf(path: str) -> Elf | None:
    """The ELF file at a path of the script; None if it is none or cannot be read."""
    from pytrace.kernel.elf import ElfError

    try:
        if is_member(path):
            inside = member(path)
            return _opened(inside.file, FileState.of(inside.file), inside.start, inside.size)
        return _opened(native(path), FileState.of(native(path)))
    except (OSError, ElfError, ArchiveError):
        return None


def in_archive(path: str) -> dict[str, str | int]:
    """What a target in a member of an archive is marked with: the archive, and where in it the member starts."""
    if not is_member(path):
        return {}
    inside = member(path)
    return {"archive": shown(inside.file), "start": inside.start}


def check_member(provider: Provider, spec: Spec, target: str, diagnostics: Diagnostics) -> list[Spec]:
    """The spec, if its file is a member of an archive that can be probed. Its name may not be a pattern."""
    reason = "patterns are not possible for archives"
    if not has_wildcard(target):
        try:
            member(target)
            if open_elf(target) is not None:
                values: dict[str, str | int] = dict(spec.data)
                return [spec.with_data(**values | {"path": target, "several": 0})]
            reason = "it is not an ELF file"
        except OSError as error:
            reason = error.strerror or str(error)
        except ArchiveError as error:
            reason = str(error)
    diagnostics.error(
        spec.span, f"{provider.name} target file '{target}' does not exist or is not executable", hints=[reason]
    )
    return []


@recent(maxsize=16)
def _functions(elf: Elf) -> dict[str, ElfSymbol]:
    from pytrace.kernel.debug_files import all_functions

    found: dict[str, ElfSymbol] = {}
    for symbol in all_functions(elf):
        found.setdefault(symbol.name if symbol.name.isascii() else shown(symbol.name), symbol)
    return found


def functions(path: str) -> dict[str, ElfSymbol]:
    """The functions of a file by name (text of the script), the first of each name. Those of a stripped file are in
    its separate debug file, if that is installed."""
    elf = open_elf(path)
    return {} if elf is None else _functions(elf)


def _function(path: str, name: str) -> ElfSymbol | None:
    """One of them. Most probes name a single one, and a file has thousands."""
    from pytrace.kernel.debug_files import function

    elf = open_elf(path)
    return None if elf is None else function(elf, native(name))


@recent(maxsize=16)
def _files(elf: Elf) -> tuple[str, ...]:
    from pytrace.kernel.debug_files import debug_paths

    return elf.path, *debug_paths(elf)


def files(path: str) -> tuple[str, ...]:
    """The files that functions are looked up in, whether they exist or not."""
    elf = open_elf(path)
    return (native(path),) if elf is None else _files(elf)


def matching(path: str, pattern: str) -> list[tuple[str, ElfSymbol]]:
    """The functions of a file that match a pattern, in byte order of their names."""
    prefix, matches = literal_prefix(pattern), matcher(pattern)
    return sorted(
        (name, symbol)
        for name, symbol in functions(path).items()
        if name.startswith(prefix) and matches(name) and ".part." not in name
    )


# --- expansion ----------------------------------------------------------------------------------------------------


def targets(provider: Provider, spec: Spec, host: Host, diagnostics: Diagnostics) -> list[Target]:
    """The places that one spec with a resolved file stands for."""
    path, function = spec.string("path"), spec.string("function")
    maker = _Maker(provider, spec, host, diagnostics)
    if spec.get("address") is not None:
        return [maker.address(path, spec.number("address"))]
    if spec.string("file"):
        return maker.source_line()
    if spec.string("language"):
        return maker.demangled(path, function)
    if has_wildcard(function):
        together = f"{provider.name}:{path}:{function}" if host.has_feature("uprobe_multi") else ""
        return [
            maker.symbol(path, name, symbol, checked=False, pattern=together)
            for name, symbol in matching(path, function)
        ]
    found = _function(path, function)
    if found is None:
        # With a pattern for the file, those that lack the function are not meant.
        if not spec.number("several"):
            provider.missing(spec, f"{path}:{function}", host, diagnostics)
        return []
    return [maker.symbol(path, function, found, spec.number("offset"))]


@frozen
class _Maker:
    provider: Provider
    spec: Spec
    host: Host
    diagnostics: Diagnostics

    def target(self, path: str, name: str, place: int, error: str = "", **more: str | int) -> Target:
        data: dict[str, str | int] = {"path": path, "place": place, **more, **in_archive(path)}
        if error:
            data["error"] = error
        if self.host.has_feature("uprobe_multi"):
            data["multi"] = 1
        return Target(self.provider.name, f"{self.provider.name}:{path}:{name}", tuple(data.items()), self.spec.label)

    def _force(self, message: str) -> str:
        """A place that --unsafe allows: a warning with it, else the reason why attaching fails."""
        if self.host.unsafe:
            self.diagnostics.warning(self.spec.span, message)
            return ""
        return f"{message}\n{_FORCE}"

    def symbol(
        self,
        path: str,
        name: str,
        symbol: ElfSymbol,
        offset: int = 0,
        *,
        checked: bool = True,
        prefix: str = "",
        pattern: str = "",
        **more: str | int,
    ) -> Target:
        """A function, or `offset` bytes into it. `checked`: it was named, not matched by a pattern. `pattern` is what
        those are called together that one link attaches."""
        if pattern:
            more["pattern"] = pattern
        elf = open_elf(path)
        place = elf.file_offset(symbol.address + offset) if elf is not None else None
        error = ""
        if symbol.size and offset >= symbol.size:
            error = f"Offset outside the function bounds ('{name}' size is {symbol.size})"
        elif place is None:
            error = f"Could not resolve symbol: {path}:{name}"
        elif checked and not symbol.size and not self.host.unsafe:
            error = f"Could not determine boundary for {name} (symbol has size 0)."
            if offset == 0:
                error += f"\n{_FORCE}"
        elif offset and in_instruction(path, symbol, offset):
            error = self._force(f"Could not add uprobe into middle of instruction: {path}:{name}+{offset}")
        text = f"{prefix}{name}+{offset}" if offset else f"{prefix}{name}"
        return self.target(path, text, place or 0, error, function=name, **more)

    def address(self, path: str, address: int) -> Target:
        """An address as in the file."""
        elf = open_elf(path)
        place = elf.file_offset(address) if elf is not None else None
        symbol = elf.function_at(address) if elf is not None else None
        error = ""
        if place is None:
            error = f"Could not resolve address: {path}:{address:#x}"
        elif symbol is None:
            if self.host.unsafe:
                self._force(f"Could not determine instruction boundary for {self.provider.name}:{path}:{address}")
            else:
                error = f"Could not resolve address: {path}:{address:#x}"
        elif in_instruction(path, symbol, address - symbol.address):
            error = self._force(
                f"Could not add uprobe into middle of instruction: {path}:{symbol.name}+{address - symbol.address}"
            )
        return self.target(path, str(address), place or 0, error, address=address)

    def demangled(self, path: str, pattern: str) -> list[Target]:
        """Functions of C++ and Rust by their demangled name, in the order of that; names that are not mangled stand for
        themselves. Without parentheses in the pattern parameters do not count, nor do Rust's generic arguments without
        angle brackets."""
        from pytrace.kernel.demangle import demangle
        from pytrace.kernel.rust_names import without_generics

        matches = matcher(pattern)
        full, generic = "(" in pattern, "<" in pattern
        found = []

        def counting(text: str, name: str) -> str:
            """As much of a readable name as counts."""
            if not name.startswith("_R"):
                return text if full else text.partition("(")[0]
            return text if generic else without_generics(text)

        for name, symbol in functions(path).items():
            text = demangle(name)
            if matches(counting(text or name, name)) and ".part." not in name:
                found.append((f'cpp:"{text}"' if text else f"cpp:{name}", name, symbol))
        return [
            self.symbol(path, name, symbol, checked=False, prefix="cpp:", listed=text)
            for text, name, symbol in sorted(found)
        ]

    def source_line(self) -> list[Target]:
        """The first instruction of a source line."""
        from pytrace.probes.debug_info import Damaged, NoPlace, careful

        spec = self.spec
        path = spec.string("path")
        info = _debug_info(path, self.host)
        if info is None:
            message = f"No DWARF debug info found for '{path}', cannot attach by source code location."
            self.diagnostics.error(spec.span, message)
            return []
        try:
            with careful(path):
                address = info.address_of_line(spec.string("file"), spec.number("line"), spec.number("column"))
        except (NoPlace, Damaged) as error:
            self.diagnostics.error(spec.span, str(error))
            return []
        return [self.address(path, address)]


def in_instruction(path: str, symbol: ElfSymbol, offset: int) -> bool:
    """Whether a place `offset` bytes into a function is inside an instruction."""
    elf = open_elf(path)
    start = elf.file_offset(symbol.address) if elf is not None else None
    if start is None or not offset:
        return False
    if is_member(path):
        inside = member(path)
        path, start = shown(inside.file), start + inside.start
    with open(native(path), "rb") as file:
        file.seek(start)
        code = file.read(offset + 16)
    return not is_boundary(code, offset, symbol.address)


# --- parameters ---------------------------------------------------------------------------------------------------


def _debug_info(path: str, host: Host) -> DebugInfo | None:
    from pytrace.probes.debug_info import debug_info

    if not is_member(path):
        return debug_info(native(path), host.debug_folders)
    inside = member(path)
    return debug_info(inside.file, host.debug_folders, inside.start, inside.size)


def _function_entry(target: Target, host: Host) -> tuple[DebugInfo | None, DIE | None]:
    """The debug information of a target's file, and its entry for the function that starts at the target."""
    path = target.text("path")
    info = _debug_info(path, host)
    elf = open_elf(path)
    address = elf.address_of(target.number("place")) if elf is not None else None
    return info, info.function(address) if info is not None and address is not None else None


def with_parameters(context: ProbeContext, target: Target, host: Host) -> ProbeContext:
    """The context with the parameters of the target's function as `args`, if its file describes them."""
    from pytrace.probes.debug_info import Damaged, careful

    path = target.text("path")
    error = f'Could not parse arguments of "{target.name}": '
    try:
        with careful(path):
            info, function = _function_entry(target, host)
    except Damaged as reason:
        return replace(context, args_error=error + str(reason))
    if info is None:
        return replace(context, args_error=f"{error}no debuginfo found for {path}")
    if function is None:
        return replace(context, args_error="Cannot read function parameters")
    from pytrace.probes.debug_arguments import Unplaced, argument_fields, changed_fields, is_changed_copy

    try:
        with careful(path):
            parameters = info.parameters(function)
            if is_changed_copy(target.text("function")):
                placed = [(each, info.register_at_entry(function, each)) for each in parameters]
                args = changed_fields(placed, host.debug_types, path)
            else:
                args = argument_fields(parameters, host.debug_types, path)
    except (Unplaced, Damaged) as reason:
        return replace(context, args_error=error + str(reason))
    return replace(context, args=args, args_name=f"{target.name}_args", args_printable=True)


def argument_lines(target: Target, host: Host) -> list[str]:
    """The parameters of a target's function, for listings."""
    from pytrace.probes.debug_info import Damaged, careful, name_of, referenced
    from pytrace.probes.debug_types import type_text

    try:
        with careful(target.text("path")):
            info, function = _function_entry(target, host)
            if info is None:
                host.undescribed[target.text("path")] = None
            if info is None or function is None:
                return []
            return [f"{type_text(referenced(each))} {name_of(each)}" for each in info.parameters(function)]
    except Damaged:
        return []


# --- listing ------------------------------------------------------------------------------------------------------


def listing(
    provider: Provider, pattern: Spec | None, host: Host, verbose: bool
) -> Iterator[tuple[str, list[str]]]:
    """Functions of the files that a pattern names."""
    parts = pattern.parts if pattern is not None else ("*",)
    if len(parts) == 1 and host.pid is not None:
        # Of a process, all files that it maps.
        parts = ("*", *parts)
    function = parts[-1] if len(parts) > 1 else "*"
    found = [Binary(parts[0])] if is_member(parts[0]) else find_binaries(parts[0], host.pid)
    for binary in found:
        for name, symbol in matching(binary.path, function):
            target = Target(
                provider.name, f"{provider.name}:{binary.path}:{name}",
                (("path", binary.path), ("place", _place(binary.path, symbol))),
            )
            yield target.name, provider.argument_lines(target, host) if verbose else []


def _place(path: str, symbol: ElfSymbol) -> int:
    elf = open_elf(path)
    return (elf.file_offset(symbol.address) if elf is not None else None) or 0
