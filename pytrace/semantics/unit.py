"""What the passes hand on: one compilation between its syntax tree and its checked program.

Each pass takes a `Unit` and gives a new one; it reports through the `Diagnostics` and never raises for a user's
error. The driver in `pytrace/compiler.py` stops after the first pass that reported one.
"""

from __future__ import annotations

from pytrace.frozen import field, frozen
from pytrace.hints import Mapping
from pytrace.probes.provider import Host, Spec, Target
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import Type, TypeTable
from pytrace.syntax import tree


@frozen
class SharedMap:
    """A map that other scripts of a session have made: its types stand. `name` has its `@`; the rest is as in
    `program.Map`."""

    name: str
    key: Type | None
    value: Type
    kind: str
    size: int


@frozen
class Surroundings:
    """What a script finds when it joins others in a session: their maps by name (without `@`), and the strings that
    values in these maps refer to by number."""

    maps: Mapping[str, SharedMap] = field(default_factory=dict)
    strings: tuple[str, ...] = ()


@frozen
class Options:
    """What the command line, the environment and the API decide about a compilation.

    `positional` are `$1`…; `named` the texts after `--` (`--name` gives None). `environment` holds the `BPFTRACE_*`
    and `PYTRACE_*` variables. `pid` is that of -p; `child_pid` and `child_path` belong to -c. `mode` is "", "test",
    "bench" or "codegen". `surroundings` are those of a script that joins others in a session.
    """

    positional: tuple[str, ...] = ()
    named: tuple[tuple[str, str | None], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None
    child_pid: int | None = None
    child_path: str | None = None
    unsafe: bool = False
    warnings: bool = True
    check_reads: bool = False
    include_dirs: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    no_features: frozenset[str] = frozenset()
    traceable_functions: str | None = None
    debug_folders: tuple[str, ...] = ()
    probe_filter: str | None = None
    mode: str = ""
    directory: str = "."
    surroundings: Surroundings | None = None


@frozen
class Extern:
    """A function of an imported object: its parameters by name, and what it gives."""

    name: str
    params: tuple[tuple[str, Type], ...]
    returns: Type


@frozen
class UnitProbe:
    """A probe of the script on its way. `specs` are set by the attach-point pass, `targets` by the matching pass,
    which also splits a probe whose targets need programs of their own (one `UnitProbe` each)."""

    probe: tree.Probe
    specs: tuple[Spec, ...] = ()
    targets: tuple[Target, ...] = ()


@frozen
class Unit:
    """`macros` maps a name to its definitions, user's before the library's. `defines` are the object-like `#define`s,
    as expressions. `types` answers for the script's C definitions and the kernel. `host` is the machine that probes
    are looked for on. `imported` are the paths of the files that the script imports; `objects` are the BPF object files
    among them, as bytes, and `externs` the functions of those."""

    script: tree.Script
    options: Options
    types: TypeTable
    config: Config = field(default_factory=Config)
    probes: tuple[UnitProbe, ...] = ()
    macros: Mapping[str, tuple[tree.Macro, ...]] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)
    map_decls: tuple[tree.MapDecl, ...] = ()
    host: Host | None = None
    imported: tuple[str, ...] = ()
    objects: tuple[bytes, ...] = ()
    externs: Mapping[str, Extern] = field(default_factory=dict)
