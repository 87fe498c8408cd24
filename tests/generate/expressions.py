"""Expressions of a wanted shape, from the grammar and the rules of types."""

from __future__ import annotations

import random

from tests.generate.scope import MapShape, Place
from tests.generate.shapes import (
    INTEGERS,
    Array,
    Data,
    Enumerator,
    Opaque,
    Pointer,
    Record,
    Shape,
    Stack,
    Structure,
    Text,
    Truth,
    Tuple,
    Whole,
    random_shape,
)

__all__ = ["Expressions"]

_NUMBERS = (
    "0", "1", "2", "3", "7", "63", "64", "127", "128", "255", "256", "0xffff", "65536", "2147483647", "2147483648",
    "4294967295", "1e9", "5ms", "9223372036854775807", "9223372036854775808", "18446744073709551615", "0777", "1_000",
)  # fmt: skip
_BUILTINS = (
    "pid", "tid", "nsecs", "elapsed", "cpu", "ncpus", "uid", "gid", "rand", "jiffies", "cgroup", "numaid", "ppid",
    "leader_tid", "nsecs(monotonic)", "nsecs(sw_tai)", "pid(init)", "tid(init)", "$#", "$1", "$3",
    "curtask->pid", "curtask.parent.pid", "curtask->prio", "curtask->__state", "config.max_strlen",
)  # fmt: skip
_TEXTS = ('""', '"a"', '"abc"', '"some text"', '"h\\xff\\0i"', '"%d"', '"e\\n"', "probetype", "$2", "str($1)")
_WORDS = ("comm", "comm", "pcomm", "leader_comm", "curtask->comm", "curtask->parent.comm")
_MEMBERS = ("a", "b", "c", "tag[1]", "in.x", "in.y", "u", "v[2]", "wide", "tag[(pid & 1)]")
_ARITH = ("+", "-", "*", "/", "%", "&", "|", "^")
_COMPARE = ("==", "!=", "<", "<=", ">", ">=")


class Expressions:
    """Writes expressions. `enums` says that the script has the enum `lamp`, `macros` that it has the macros of
    `scripts.MACROS`. `strings` is the capacity of strings."""

    def __init__(self, rng: random.Random, *, enums: bool, macros: bool, strings: int) -> None:
        self.rng = rng
        self.enums = enums
        self.macros = macros
        self.strings = strings

    def shape(self) -> Shape:
        return random_shape(self.rng, enums=self.enums)

    def expr(self, place: Place, shape: Shape, depth: int = 3) -> str:
        """An expression of the shape; operators come in parentheses."""
        rng = self.rng
        if depth > 0 and rng.random() < 0.14:
            return self._anything(place, shape, depth - 1)
        if rng.random() < 0.4:
            if found := place.pick(rng, shape):
                return found[0]
            if depth > 0 and (maps := place.maps_of(shape)):
                return self.read(place, rng.choice(maps), depth)
        match shape:
            case Whole():
                return self._whole(place, depth)
            case Truth():
                return self._truth(place, depth)
            case Text():
                return self._text(place, depth)
            case Enumerator():
                return rng.choice(("RED", "AMBER", "GREEN", "(enum lamp)4"))
            case Tuple(items=items):
                inner = [self.expr(place, item, depth - 1) for item in items]
                return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
            case Record(items=named):
                pairs = [(name, self.expr(place, item, depth - 1)) for name, item in named]
                if rng.random() < 0.3:
                    rng.shuffle(pairs)
                return f"({', '.join(f'{name}={value}' for name, value in pairs)})"
            case Array(elem=elem, count=count):
                return self._array(place, elem, count, depth)
            case Pointer(to=to):
                return self._pointer(place, to, depth)
            case Stack(call=call):
                return call
            case Data():
                return self._data(place, depth)
            case Structure():
                return f"(*(struct mix *)({self.expr(place, Whole(), depth - 1)}))"
            case Opaque(name=name):
                return self._opaque(place, name, depth)
        raise AssertionError(shape)

    def _anything(self, place: Place, shape: Shape, depth: int) -> str:
        """Forms that every shape has."""
        rng = self.rng
        match rng.randrange(6):
            case 0:
                cond = self.condition(place, depth)
                return f"({cond} ? {self.expr(place, shape, depth)} : {self.expr(place, shape, depth)})"
            case 1:
                cond = self.condition(place, depth)
                then, orelse = self.expr(place, shape, depth), self.expr(place, shape, depth)
                return f"(if ({cond}) {{ {then} }} else {{ {orelse} }})"
            case 2:
                name = place.fresh()
                text = f"{{ let {name} = {self.expr(place, shape, depth)}; {name} }}"
                return f"({text})"
            case 3:
                items = [self.expr(place, self.shape(), depth - 1), self.expr(place, shape, depth - 1)]
                at = rng.randrange(2)
                return f"({', '.join(items if at else reversed(items))}).{at}"
            case 4:
                other = self.expr(place, self.shape(), depth - 1)
                return f"(a={other}, b={self.expr(place, shape, depth - 1)}).b"
            case _ if self.macros:
                return f"{rng.choice(('same', 'kept'))}({self.expr(place, shape, depth)})"
            case _:
                return self.expr(place, shape, depth)

    def condition(self, place: Place, depth: int) -> str:
        """Something that `if` takes."""
        return self.expr(place, self.rng.choice((Truth(), Truth(), Whole(), Pointer("int8"))), depth)

    # maps

    def key(self, place: Place, map_: MapShape, depth: int) -> str:
        """`[key, …]`, or nothing for a scalar map."""
        if not map_.keys:
            return ""
        return f"[{', '.join(self.expr(place, shape, min(depth, 2) - 1) for shape in map_.keys)}]"

    def read(self, place: Place, map_: MapShape, depth: int) -> str:
        return map_.name + self.key(place, map_, depth)

    # integers

    def _whole(self, place: Place, depth: int) -> str:
        rng = self.rng
        inside = place.probe.wholes if not place.bodies else ()
        if depth <= 0 or rng.random() < 0.25:
            pool = rng.choice((_NUMBERS, _NUMBERS, _BUILTINS, inside or _NUMBERS))
            return rng.choice(pool)
        less = depth - 1
        match rng.randrange(20):
            case 0 | 1 | 2 | 3:
                left = self.expr(place, rng.choice((Whole(), Whole(), Truth())), less)
                return f"({left} {rng.choice(_ARITH)} {self.expr(place, Whole(), less)})"
            case 4:
                return f"({self.expr(place, Whole(), less)} {rng.choice(('<<', '>>'))} {rng.choice((0, 1, 8, 31, 63))})"
            case 5:
                count = f"({self.expr(place, Whole(), less)} & 63)"
                return f"({self.expr(place, Whole(), less)} {rng.choice(('<<', '>>'))} {count})"
            case 6:
                return f"({rng.choice('-~')}{self.expr(place, Whole(), less)})"
            case 7 | 8:
                castable: Shape = rng.choice((Whole(), Whole(), Truth(), Pointer("int8")))
                return f"({rng.choice(INTEGERS)})({self.expr(place, castable, less)})"
            case 9:
                found = place.pick(rng, Whole())
                if found and found[0] not in place.fixed:
                    return rng.choice((f"({found[0]}++)", f"(++{found[0]})", f"({found[0]}--)", f"(--{found[0]})"))
                return self.expr(place, Whole(), less)
            case 10:
                counts = [each for each in place.maps if each.castable]
                if counts:
                    read = self.read(place, rng.choice(counts), less)
                    return rng.choice((f"(int64){read}", f"({read} + 1)", f"(uint8){read}"))
                return "nsecs"
            case 11:
                return self._length(place, less)
            case 12:
                wanted = Array(rng.choice(INTEGERS[:3] + INTEGERS[4:7]), 2)
                known = place.pick(rng, wanted)
                array = known[0] if known else f"({self._array(place, wanted.elem, 2, less)})"
                return f"{array}[{rng.choice(('0', '1', '(rand % 2)', '(uint64)(pid & 1)'))}]"
            case 13:
                found = place.pick(rng, Text())
                if found:
                    return f"{found[0]}[0]"
                texts = f"{self.expr(place, Text(), less)}, {self.expr(place, Text(), less)}"
                return f"strncmp({texts}, {rng.randint(0, 9)})"
            case 14:
                to = rng.choice(INTEGERS)
                return f"(*{self._pointer(place, to, less)})"
            case 15:
                to = rng.choice(INTEGERS)
                return f"(({self._pointer(place, to, less)})[{rng.choice(('0', '1', 'cpu'))}])"
            case 16:
                return f"bswap({self.expr(place, Whole(), less)})"
            case 17 if self.enums:
                return f"{self.expr(place, Structure(), less)}.{rng.choice(_MEMBERS)}"
            case 17:
                pair = f"({self.expr(place, Whole(), less)}, 1)"
                return f"sizeof({rng.choice((*INTEGERS, 'struct task_struct', 'int8[3]', pair))})"
            case 18:
                members = [(name, have) for name, have, _ in place.variables if isinstance(have, Tuple)]
                for name, have in members:
                    for at, item in enumerate(have.items):
                        if item == Whole():
                            return f"{name}.{at}"
                return f"strstr({self.expr(place, Text(), less)}, {self.expr(place, Text(), less)})"
            case _ if self.macros:
                return f"twice({self.expr(place, Whole(), less)})"
            case _:
                return f"({self.expr(place, Truth(), less)} + {self.expr(place, Whole(), less)})"

    def _length(self, place: Place, depth: int) -> str:
        rng = self.rng
        keyed = [each for each in place.maps if each.keys]
        match rng.randrange(3):
            case 0 if keyed:
                return f"len({rng.choice(keyed).name})"
            case 1:
                return f"len({rng.choice(('kstack', 'ustack(2)', 'kstack(raw)'))})"
            case _:
                return f"strlen({self.expr(place, Text(), depth)})"

    # booleans

    def _truth(self, place: Place, depth: int) -> str:
        rng = self.rng
        if depth <= 0:
            return rng.choice(("true", "false", "(pid > 1)", "(nsecs != 0)"))
        less = depth - 1
        match rng.randrange(11):
            case 0 | 1 | 2:
                left = self.expr(place, rng.choice((Whole(), Whole(), Truth())), less)
                return f"({left} {rng.choice(_COMPARE)} {self.expr(place, Whole(), less)})"
            case 3 | 4:
                return f"({self.condition(place, less)} {rng.choice(('&&', '||'))} {self.condition(place, less)})"
            case 5:
                return f"(!{self.expr(place, rng.choice((Whole(), Truth())), less)})"
            case 6:
                return f"({self.expr(place, Text(), less)} {rng.choice(('==', '!='))} {self.expr(place, Text(), less)})"
            case 7:
                shape = rng.choice((
                    Tuple((Whole(), Text())), Tuple((Truth(),)), Record((("f0", Whole()), ("f1", Truth()))),
                    Array("uint8", 4), Pointer("int16"), Stack("kstack(3)"), Opaque("ksym"), Data(), Pointer("int16"),
                ))  # fmt: skip
                return f"({self.expr(place, shape, less)} {rng.choice(('==', '!='))} {self.expr(place, shape, less)})"
            case 8:
                keyed = [each for each in place.maps if each.keys]
                if not keyed:
                    return "has_cpid"
                map_ = rng.choice(keyed)
                keys = self.key(place, map_, less)[1:-1]
                return f"has_key({map_.name}, {keys if len(map_.keys) == 1 else f'({keys})'})"
            case 9:
                return f"strcontains({self.expr(place, Text(), less)}, {self.expr(place, Text(), less)})"
            case _:
                source: Shape = rng.choice((Whole(), Text(), Pointer("int32")))
                return f"(bool)({self.expr(place, source, less)})"

    # strings and bytes

    def _text(self, place: Place, depth: int) -> str:
        rng = self.rng
        inside = (*place.probe.texts, *_WORDS) if not place.bodies else _WORDS
        if depth <= 0 or rng.random() < 0.4:
            return rng.choice(rng.choice((_TEXTS, inside)))
        less = depth - 1
        whole = self.expr(place, Whole(), less)
        match rng.randrange(9):
            case 8 if self.enums:
                return f"{self.expr(place, Structure(), less)}.name"
            case 0:
                return f"str({self.address(place, less)})"
            case 1:
                return f"str({self.address(place, less)}, {rng.choice((0, 1, 5, 15, whole))})"
            case 2:
                return f"strerror({whole})"
            case 3:
                return f"signal_name({whole})"
            case 4:
                return f"syscall_name({whole})"
            case 5:
                return f"str_concat({self.expr(place, Text(), less)}, {self.expr(place, Text(), less)})"
            case 6:
                return f"(string[{rng.choice((16, 64))}])({rng.choice(_TEXTS[:4])})"
            case _:
                return rng.choice(_TEXTS)

    def address(self, place: Place, depth: int) -> str:
        """Something that `str` and `buf` read from."""
        rng = self.rng
        inside = place.probe.addresses if not place.bodies else ()
        if inside and rng.random() < 0.6:
            return rng.choice(inside)
        return self.expr(place, rng.choice((Pointer("int8"), Pointer("uint8"))), depth)

    def _data(self, place: Place, depth: int) -> str:
        rng = self.rng
        count = rng.choice(("1", "4", "12", f"({self.expr(place, Whole(), depth - 1)} & 7)"))
        if rng.random() < 0.3:
            return f"buf({self.expr(place, Text(), depth - 1)}, {count})"
        return f"buf({self.address(place, depth - 1)}, {count})"

    def _array(self, place: Place, elem: str, count: int, depth: int) -> str:
        rng = self.rng
        size = int(elem.lstrip("uint")) // 8 * count
        if elem == "uint8" and count == 4 and rng.random() < 0.3:
            return 'pton("127.0.0.1")'
        if elem == "int8" and count == 4 and rng.random() < 0.2:
            return '(int8[4])"abc"'
        whole = f"(uint{size * 8})({self.expr(place, Whole(), depth - 1)})"
        return f"({elem}[{count if rng.random() < 0.8 else ''}]){whole}"

    def _pointer(self, place: Place, to: str, depth: int) -> str:
        rng = self.rng
        if to == "struct task_struct" and rng.random() < 0.7:
            return rng.choice(("curtask", "curtask->parent", "curtask.group_leader"))
        found = [name for name, shape, type_ in place.variables if type_ == to and isinstance(shape, Whole)]
        if found and rng.random() < 0.7:
            return f"(&{rng.choice(found)})"
        if depth > 0 and rng.random() < 0.3:
            return f"({self._pointer(place, to, depth - 1)} {rng.choice('+-')} {self.expr(place, Whole(), depth - 1)})"
        whole = self.expr(place, Whole(), depth - 1)
        return rng.choice((f"({to}*)({whole})", f"({to}*)kptr((uint64)({whole}))", f"({to}*)uptr((uint64)({whole}))"))

    def _opaque(self, place: Place, name: str, depth: int) -> str:
        whole = self.expr(place, Whole(), depth - 1)
        match name:
            case "ksym" | "usym":
                return f"{name}({whole})"
            case "username":
                return "username"
            case "strftime":
                return f'strftime("%H:%M:%S.%f", {self.rng.choice(("nsecs", "nsecs - 1", "nsecs(sw_tai)"))})'
            case "ntop":
                return f"ntop({whole})"
            case "ntop6":
                return 'ntop(pton("::1"))'
            case "macaddr":
                return f"macaddr({self._pointer(place, 'uint8', depth - 1)})"
            case "cgroup_path":
                return f"cgroup_path({whole})"
        raise AssertionError(name)
