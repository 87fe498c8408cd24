"""BTF as C: one-line types for listings, and whole definitions.

The layout of definitions is that of libbpf's and bpftool's dumps, padding included, so that the text compiles to the
same layout.
"""

from __future__ import annotations

from pytrace.kernel.btf import Btf, BtfType, Kind, Member
from pytrace.once import cache

__all__ = ["align_of", "declaration", "definition", "is_packed", "type_text"]

_QUALIFIERS = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "restrict"}
_PADDING = (("long", 64), ("int", 32), ("short", 16), ("char", 8))


def type_text(btf: Btf, id: int) -> str:
    """A type without a name: `struct task_struct *`, `const char *`, `int (*)(void *)`."""
    return _declare(btf, id, "", 0)


def declaration(btf: Btf, id: int, name: str, level: int = 0) -> str:
    """A declaration of `name` in C: `char comm[16]`, `struct list_head *next`, `int (*fn)(void *)`."""
    return _declare(btf, id, name, level)


def _declare(btf: Btf, id: int, name: str, level: int) -> str:
    # From the outside in: the chain of what the name is, down to the type that stands in front.
    chain: list[BtfType] = []
    while True:
        type = btf.type(id)
        chain.append(type)
        if type.kind == Kind.ARRAY:
            id = btf.array(type)[0]
        elif type.kind in (Kind.PTR, Kind.FUNC_PROTO, *Kind.MODIFIERS):
            id = type.value
        else:
            break
    base = chain.pop()
    front = ""
    while chain and chain[-1].kind in _QUALIFIERS:
        front += _QUALIFIERS[chain.pop().kind] + " "
    return front + _base(btf, base, level) + _behind(btf, chain, name, False, level)


def _base(btf: Btf, type: BtfType, level: int) -> str:
    match type.kind:
        case Kind.STRUCT | Kind.UNION if not type.name:
            return _composite(btf, type, level)
        case Kind.ENUM | Kind.ENUM64 if not type.name:
            return _enumeration(btf, type, level)
        case Kind.STRUCT:
            return f"struct {type.name}"
        case Kind.UNION:
            return f"union {type.name}"
        case Kind.ENUM | Kind.ENUM64:
            return f"enum {type.name}"
        case Kind.FWD:
            return f"{'union' if type.flag else 'struct'} {type.name}"
        case _:
            return type.name


def _named(name: str, after_star: bool) -> str:
    return f" {name}" if name and not after_star else name


def _behind(btf: Btf, chain: list[BtfType], name: str, after_star: bool, level: int) -> str:
    """What follows the base type, for the rest of the chain (its last element is next)."""
    text = ""
    while chain:
        type = chain.pop()
        if type.kind == Kind.PTR:
            text += "*" if after_star else " *"
            after_star = True
        elif type.kind in _QUALIFIERS:
            text += f" {_QUALIFIERS[type.kind]}"
            after_star = False
        elif type.kind == Kind.TYPE_TAG:
            tag = type.name if type.flag else f'btf_type_tag("{type.name}")'
            text += f" __attribute__(({tag}))"
            after_star = False
        else:
            # Qualifiers of an array or a function are those of its elements or meaningless: compilers emit both.
            while chain and chain[-1].kind in _QUALIFIERS:
                chain.pop()
            if type.kind == Kind.ARRAY:
                return text + _array(btf, type, chain, name, after_star, level)
            inner = f" ({_behind(btf, chain, name, True, level).lstrip(' ')})" if chain else _named(name, after_star)
            return text + inner + _parameters(btf, type, level)
    return text + _named(name, after_star)


def _array(btf: Btf, type: BtfType, chain: list[BtfType], name: str, after_star: bool, level: int) -> str:
    length = btf.array(type)[1]
    if not chain:
        return f"{_named(name, after_star)}[{length}]"
    space = " " if name and not after_star else ""
    nested = chain[-1].kind == Kind.ARRAY
    inner = _behind(btf, chain, name, nested, level)
    return f"{space}{inner}[{length}]" if nested else f"{space}({inner.lstrip(' ')})[{length}]"


def _parameters(btf: Btf, type: BtfType, level: int) -> str:
    parameters = btf.parameters(type)
    if not parameters or (len(parameters) == 1 and not parameters[0].type):
        return "(void)"
    texts = [_declare(btf, p.type, p.name, level) for p in parameters[:-1]]
    last = parameters[-1]
    texts.append(_declare(btf, last.type, last.name, level) if last.type else "...")
    return f"({', '.join(texts)})"


def definition(btf: Btf, type: BtfType) -> str:
    """The definition of a struct, union or enumeration, ending in `;` without a newline."""
    if type.kind in (Kind.ENUM, Kind.ENUM64):
        return _enumeration(btf, type, 0) + ";"
    return _composite(btf, type, 0) + ";"


def _enumeration(btf: Btf, type: BtfType, level: int) -> str:
    tabs = "\t" * (level + 1)
    suffix = "LL" if type.kind == Kind.ENUM64 and type.flag else "ULL" if type.kind == Kind.ENUM64 else ""
    lines = [f"{tabs}{name} = {value}{suffix},\n" for name, value in btf.enumerators(type)]
    head = f"enum {type.name} {{" if type.name else "enum {"
    if not lines:
        return head.removesuffix(" {")
    end = "}"
    if type.value == 1:
        end = "} __attribute__((mode(byte)))"
    elif type.value == 8 and type.kind == Kind.ENUM:
        end = "} __attribute__((mode(word)))"
    return f"{head}\n{''.join(lines)}{tabs[1:]}{end}"


def _composite(btf: Btf, type: BtfType, level: int) -> str:
    members = btf.members(type)
    word = "struct" if type.kind == Kind.STRUCT else "union"
    packed = type.kind == Kind.STRUCT and is_packed(btf, type, members)
    tabs = "\t" * (level + 1)
    text = f"{word} {type.name} {{" if type.name else f"{word} {{"
    at, in_bits = 0, False
    for member in members:
        if type.kind == Kind.STRUCT:
            align = 1 if packed else align_of(btf, member.type)
            in_bits = in_bits and bool(member.bit_size)
            text += _pad(at, member.bit_offset, align, in_bits, tabs)
        text += f"\n{tabs}{_declare(btf, member.type, member.name, level + 1)}"
        if member.bit_size:
            text += f": {member.bit_size}"
            at, in_bits = member.bit_offset + member.bit_size, True
        else:
            at, in_bits = member.bit_offset + 8 * btf.size(member.type), False
        text += ";"
    if type.kind == Kind.STRUCT:
        text += _pad(at, type.value * 8, 1 if packed else align_of(btf, type.id), False, tabs)
    text += f"\n{tabs[1:]}}}" if members or (type.value and type.kind == Kind.STRUCT) else "}"
    return text + (" __attribute__((packed))" if packed else "")


def _pad(at: int, until: int, align: int, in_bits: bool, tabs: str) -> str:
    """Nameless bit-fields for the hole between two bit positions, where the compiler would not leave it by itself.

    First up to a boundary of the widest type that fits, if something must force that boundary, then whole units of
    that type, then the rest.
    """
    if at >= until:
        return ""
    text = ""
    name, width = next(((n, w) for n, w in _PADDING if -(-at // w) * w <= until), _PADDING[-1])
    boundary = -(-at // width) * width
    if at < boundary <= until:
        natural = -(-at // (align * 8)) * align * 8
        if in_bits or (boundary == until and natural != boundary) or (
            boundary != until and until - boundary <= boundary - at
        ):
            text += f"\n{tabs}{name}: {boundary - at if in_bits else 0};"
        at = boundary
    while at < until:
        rest = until - at
        if rest < width:
            name, _ = next((n, w) for n, w in reversed(_PADDING) if w >= rest)
            return text + f"\n{tabs}{name}: {rest};"
        text += f"\n{tabs}{name}: {width};"
        at += width
    return text


@cache
def align_of(btf: Btf, id: int) -> int:
    """The alignment that C gives a type, in bytes; BTF does not record it."""
    type = btf.resolve(id)
    match type.kind:
        case Kind.INT | Kind.ENUM | Kind.ENUM64 | Kind.FLOAT:
            return min(8, type.value) or 1
        case Kind.PTR:
            return 8
        case Kind.ARRAY:
            return align_of(btf, btf.array(type)[0])
        case Kind.STRUCT | Kind.UNION:
            widest = 1
            for member in btf.members(type):
                align = align_of(btf, member.type)
                widest = max(widest, align)
                if not member.bit_size and member.bit_offset % (8 * align):
                    return 1  # packed
            return widest if type.value % widest == 0 else 1
        case _:
            return 1


def is_packed(btf: Btf, type: BtfType, members: list[Member]) -> bool:
    """Whether a struct must have been declared packed: its size or a member contradicts natural alignment."""
    widest = 1
    for member in members:
        align = align_of(btf, member.type)
        widest = max(widest, align)
        if not member.bit_size and member.bit_offset % (8 * align):
            return True
    return type.value % widest != 0
