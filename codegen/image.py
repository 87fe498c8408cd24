"""The image: a compiled script as plain data.

An image is all that is needed to run a script: no syntax tree, no types module of the compiler, no LLVM. It holds
only integers, strings, bytes, None, booleans and tuples (`to_plain`, `from_plain`), so that it can be stored without
pickle.
"""

from __future__ import annotations

from pytrace.frozen import field, frozen
from pytrace.hints import TYPE_CHECKING, Any, Callable, Mapping
from pytrace.probes.provider import Target
from pytrace.semantics.configuration import Config

if TYPE_CHECKING:
    from pytrace.semantics.types import Enum, Struct, StructDef, Type

SESSION_VALUES = ("start", "tai_offset", "child_pid", "stack_depth")
"""The u64 fields of the map `session`, in order, which the session fills in before it loads the programs: boot-clock
nanoseconds at the start, what to add to the boot clock to get TAI, the pid of the -c child (or 0), the most frames that
the kernel gives of a stack."""


PACKETS = "packets"
"""The map of perf events, one for each CPU, to which packets go. Such a record is followed by the packet's bytes; its
fields are u64: nanoseconds since boot, the packet's length, how many of the bytes are not wanted, and how many there
are."""


URGENT_HEADER = 16
"""Bytes before the fields of a record of the control ring: u32 index of the action, u32 unused, u64 how many bytes had
been reserved in the other ring before it."""


SLOTS_AT = 64
"""Where the slots of a map start in their array (`codegen/slots.py`), behind what counts the keys in the hash: 16 bytes
each, a word that says whose the slot is, and the value."""

@frozen
class Relocation:
    """Something to fill into the instruction at `insn` (counted in 8-byte slots) when the program is loaded.

    `kind`: "map" (ld_imm64 of the map's fd), "data" (ld_imm64 of an array map's value + `addend`), "kfunc" (call of
    the kernel function `symbol`, whose number in the kernel's BTF is `addend` if that is known), "config" values are
    folded before. `symbol` names the map of the image or the function.
    """

    insn: int
    kind: str
    symbol: str
    addend: int = 0


@frozen
class MapImage:
    """A BPF map to create. `initial` fills the single value of a data section. `script_map` is the index in
    `Image.script_maps` of the script's map it stores, or -1. `inner`: for a map of maps, the bytes of
    the value of each, which are arrays of one element."""

    symbol: str
    type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    initial: bytes = b""
    frozen: bool = False
    script_map: int = -1
    inner: int = 0


@frozen
class ScriptMap:
    """A map of the script as user space sees it. `symbol` is the BPF map that stores it, `kind` its declared kind or
    "". `written` tells that the script stores into it: otherwise the type of its values is only a guess. `short` is the
    BPF map for strings or stacks that need less room, if there is one: every key is where it belongs. `by_cpu`: its
    values are in parts, for each CPU apart. Each is an element of a hash; its key is that of the script, if there is
    one, and behind it (`part_at`) the numbers of the part and of the CPU (u32 each). `slots` is the array that holds
    elements instead of the hash, if there is one. `cached` is the array with a table for each CPU of what the CPU has
    instead of the hash: `table` are the bytes from one to the next, the number of rows, and the bytes of a row's key.
    `round` is the array with the number of the round that rows have, unless that is 1."""

    name: str
    symbol: str
    key: Type | None
    value: Type
    per_cpu: bool
    size: int
    kind: str = ""
    written: bool = True
    short: str = ""
    by_cpu: bool = False
    slots: str = ""
    cached: str = ""
    table: tuple[int, ...] = ()
    round: str = ""


def part_at(key: Type | None) -> int:
    """Where in a hash's key the number of the part is, with that of the CPU behind it."""
    from pytrace.semantics.types import size_of

    return (size_of(key) + 3) // 4 * 4 if key is not None else 0


@frozen
class ProgramImage:
    """One BPF program. `func_info` types its functions by `Image.btf`. `lines` maps slots to the script:
    (slot, line, column). `returning` is the number of the second program of a session that this is the whole of; it
    counts what it loses under that (0: there is none)."""

    name: str
    prog_type: str
    expected_attach_type: str
    code: bytes
    relocations: tuple[Relocation, ...]
    targets: tuple[tuple[Target, int], ...]
    order: int
    func_info: bytes = b""
    lines: tuple[tuple[int, int, int], ...] = ()
    attach_btf: str = ""
    returning: int = 0


@frozen
class RecordLayout:
    """A record of the ring: u32 index of the action at 0, the fields at their offsets. The one description of what
    crosses from kernel to user space: the code generator stores through it and the consumer decodes through it.

    Records of urgent actions go to a ring of their own, the control ring, and into the other one only when that is
    full. They say where they belong among the other records (`URGENT_HEADER`): behind those that had been reserved
    when they were sent. On each CPU this is exactly the order of the script."""

    size: int
    fields: tuple[tuple[int, Type], ...]


@frozen
class Place:
    """Where an action stands in the script, for messages at run time: the text of the diagnostic's location and
    source block, and one more for each macro it was expanded from."""

    name: str
    line: int
    column: int
    blocks: tuple[tuple[str, str], ...]


@frozen
class Action:
    """What user space does with a record: `kind` and `static` as in `core.Emit`. `probe` is the order of its
    program."""

    kind: str
    static: tuple[object, ...]
    layout: RecordLayout
    place: Place
    probe: int
    urgent: bool = False


@frozen
class Loss:
    """Something that programs lose now and then, and count in the map `drops`.

    `kind` is "map_full" or "map_memory" (`subject` is the script's map), "string" (`subject` is the limit in bytes)
    or "stack" (`subject` is "kstack" or "ustack"), "packet" (`subject` is the file), "inside" (`subject` is the target
    of a program that was not run because it interrupted another one of the script); `place` is where in the script,
    unless it concerns a map.
    """

    kind: str
    subject: str
    place: str = ""


@frozen
class Image:
    """`btf` is the type information of all programs together.

    Of an image from the cache, what is only wanted once there are results is made when it is first asked for: until
    then it is among `waiting`."""

    programs: tuple[ProgramImage, ...]
    maps: tuple[MapImage, ...]
    script_maps: tuple[ScriptMap, ...]
    actions: tuple[Action, ...]
    config: Config
    strings: tuple[str, ...] = ()
    structs: dict[Struct, StructDef] = field(default_factory=dict)
    enums: dict[Enum, dict[int, str]] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    """What the last elements of the map `drops` count, one each. Those before count lost records, by the number of the
    program."""
    btf: bytes = b""
    waiting: Mapping[str, Callable[[], Any]] | None = field(default=None, compare=False, repr=False)

    def __getattr__(self, name: str) -> Any:
        if name == "waiting" or not self.waiting or name not in self.waiting:
            raise AttributeError(name)
        value = self.waiting[name]()
        object.__setattr__(self, name, value)
        return value
