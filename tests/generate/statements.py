"""Statements of a generated script."""

from __future__ import annotations

from tests.generate.expressions import Expressions
from tests.generate.scope import MapShape, Place
from tests.generate.shapes import (
    INTEGERS,
    Data,
    Enumerator,
    Pointer,
    Shape,
    Stack,
    Text,
    Truth,
    Tuple,
    Whole,
)

__all__ = ["Statements"]

_OPS = ("+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=")


class Statements(Expressions):
    def block(self, place: Place, depth: int, *, loop: bool = False, body: bool = False, count: int = 3) -> str:
        """`{ … }` in a scope of its own."""
        with place.block(loop=loop, body=body):
            return f"{{ {self.statements(place, depth, self.rng.randint(0, count))} }}"

    def statements(self, place: Place, depth: int, count: int) -> str:
        return " ".join(self.statement(place, depth) for _ in range(count))

    def statement(self, place: Place, depth: int) -> str:
        rng = self.rng
        choice = rng.randrange(26 if depth > 0 else 16)
        match choice:
            case 0 | 1:
                return self._new_variable(place)
            case 2:
                return self._declaration(place)
            case 3 | 4:
                return self._assignment(place)
            case 5 | 6 | 7:
                return self.set_map(place, rng.choice(place.maps))
            case 8:
                return self._number_map(place)
            case 9 | 10:
                return self._print(place)
            case 11 | 12:
                return self.printf(place)
            case 13:
                return self._map_call(place)
            case 14:
                return self._other(place)
            case 15:
                return f"_ = {self.expr(place, self.shape())};"
            case 16 | 17:
                text = f"if ({self.condition(place, 2)}) {self.block(place, depth - 1)}"
                if rng.random() < 0.5:
                    text += f" else {self.block(place, depth - 1)}"
                elif rng.random() < 0.4:
                    text += f" else if ({self.condition(place, 2)}) {self.block(place, depth - 1)}"
                return text + ";"
            case 18:
                return self.block(place, depth - 1) + ";"
            case 19 | 20:
                return self._range(place, depth)
            case 21 | 22:
                return self._map_loop(place, depth)
            case 23:
                return self._while(place, depth)
            case 24:
                return f"unroll({rng.randint(1, 4)}) {self.block(place, depth - 1)}"
            case _:
                if rng.random() < 0.5:
                    return f"({self.condition(place, 2)}) ? {self._void(place)} : {self._void(place)};"
                then, orelse = self.block(place, depth - 1), self.block(place, depth - 1)
                return f"if comptime ({rng.choice(('sizeof(int32) == 4', '$# == 0', 'true'))}) {then} else {orelse};"

    def _void(self, place: Place) -> str:
        return self._print(place).rstrip(";")

    # variables

    def _new_variable(self, place: Place) -> str:
        shape = self.shape()
        value = self.expr(place, shape)
        name = place.fresh()
        place.variables.append((name, shape, ""))
        return f"{self.rng.choice(('', 'let '))}{name} = {value};"

    def _declaration(self, place: Place) -> str:
        rng = self.rng
        match rng.randrange(5):
            case 0 | 1 | 2:
                type_ = rng.choice(INTEGERS)
                value = f"({type_})({self.expr(place, Whole())})"
                name = place.fresh()
                place.variables.append((name, Whole(), type_))
                if rng.random() < 0.7:
                    return f"let {name}: {type_} = {value};"
                return f"let {name}: {type_}; {name} = {value};"
            case 3:
                value = rng.choice(('"abc"', '"a longer"'))
                name = place.fresh()
                place.variables.append((name, Text(), "string[16]"))
                return f"let {name}: string[16] = {value};"
            case _:
                shape = self.shape()
                value = self.expr(place, shape)
                name = place.fresh()
                place.variables.append((name, shape, ""))
                return f"let {name}; {name} = {value};"

    def _assignment(self, place: Place) -> str:
        rng = self.rng
        free = [each for each in place.variables if each[0] not in place.fixed]
        if not free:
            return self._new_variable(place)
        name, shape, type_ = rng.choice(free)
        if type_ and isinstance(shape, Text):
            return f'{name} = "other";'
        if not isinstance(shape, Whole):
            return f"{name} = {self.expr(place, shape)};"
        if rng.random() < 0.3:
            return rng.choice((f"{name}++;", f"--{name};"))
        if type_:
            return f"{name} = ({type_})({self.expr(place, Whole())});"
        if rng.random() < 0.4:
            return f"{name} {rng.choice(_OPS)} {self.expr(place, Whole())};"
        return f"{name} = {self.expr(place, Whole())};"

    # maps

    def set_map(self, place: Place, map_: MapShape) -> str:
        target = map_.name + self.key(place, map_, 2)
        if isinstance(map_.value, Shape):
            return f"{target} = {self.expr(place, map_.value)};"
        match map_.value:
            case "count":
                return f"{target} = count();"
            case "hist" | "tseries" | "lhist":
                return f"{target} = {map_.value}({self.expr(place, Whole(), 2)}{map_.arguments});"
            case name:
                return f"{target} = {name}({self.expr(place, Whole(), 2)});"

    def _number_map(self, place: Place) -> str:
        maps = place.maps_of(Whole())
        if not maps:
            return self._map_call(place)
        rng = self.rng
        map_ = rng.choice(maps)
        target = map_.name + self.key(place, map_, 2)
        match rng.randrange(3):
            case 0:
                return rng.choice((f"{target}++;", f"++{target};", f"{target}--;"))
            case 1:
                return f"{target} {rng.choice(_OPS)} {self.expr(place, Whole(), 2)};"
            case _:
                shape = rng.choice((f"{target}++", f"--{target}"))
                return f"print({shape});"

    def _map_call(self, place: Place) -> str:
        rng = self.rng
        map_ = rng.choice(place.maps)
        match rng.randrange(5):
            case 0:
                return f"clear({map_.name});"
            case 1:
                return f"zero({map_.name});"
            case 2:
                if map_.value in ("lhist", "hist", "tseries") and rng.random() < 0.5:
                    return f"print({map_.name});"
                more = f", {rng.randint(0, 5)}{rng.choice(('', ', 3'))}" if map_.keys else ""
                return f"print({map_.name}{more});"
            case 3 if map_.keys:
                keys = self.key(place, map_, 2)[1:-1]
                return f"_ = delete({map_.name}, {keys if len(map_.keys) == 1 else f'({keys})'});"
            case _:
                if not map_.keys:
                    return f"delete({map_.name});"
                return f"_ = len({map_.name});"

    # output

    def _print(self, place: Place) -> str:
        rng = self.rng
        castable = [each for each in place.maps if each.castable or each.value == "stats"]
        if castable and rng.random() < 0.2:
            return f"print({self.read(place, rng.choice(castable), 2)});"
        return f"print({self.expr(place, self.shape())});"

    def printf(self, place: Place, name: str = "printf") -> str:
        rng = self.rng
        text, values = "", []
        for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
            shape = self.shape()
            match shape:
                case Whole() | Truth() | Pointer() | Enumerator():
                    text += rng.choice(("%d ", "%5ld|", "%-8u ", "%lx ", "%hhu ", "%c", "%p ", "%o ", "%s "))
                case Data():
                    text += rng.choice(("%r ", "%rx", "%rh ", "%s"))
                case Stack():
                    text += "%s\\n"
                case _:
                    text += rng.choice(("%s ", "%10s|", "%-4s"))
            values.append(self.expr(place, shape, 2))
        return f'{name}("{text}\\n"{"".join(f", {value}" for value in values)});'

    def _other(self, place: Place) -> str:
        rng = self.rng
        match rng.randrange(9):
            case 0:
                return 'time("%H:%M:%S\\n");'
            case 1:
                return self.printf(place, rng.choice(("errorf", "warnf")))
            case 2 if place.loops:
                return rng.choice(("break;", "continue;"))
            case 3 if rng.random() < 0.3:
                return f"if ({self.condition(place, 1)}) {{ return; }};"
            case 4 if rng.random() < 0.3:
                return f"if ({self.condition(place, 1)}) {{ exit({rng.choice(('', '3'))}); }};"
            case 5:
                return f'cat("/proc/%d/comm", {self.expr(place, Whole(), 1)});'
            case 6:
                return "exit();" if rng.random() < 0.1 else ""
            case 7 if self.macros:
                found = place.pick(rng, Whole())
                if found and found[0] not in place.fixed:
                    return f"bump({found[0]}, {self.expr(place, Whole(), 1)});"
                return ""
            case _:
                if rng.random() < 0.8:
                    return ""
                return f"assert({self.condition(place, 1)}, {self.expr(place, Text(), 0)});"

    # loops

    def _range(self, place: Place, depth: int) -> str:
        rng = self.rng
        first = rng.choice(("0", "1", "(-3)", "(uint8)1", "ncpus"))
        last = rng.choice(("2", "5", "ncpus", "10", f"({self.expr(place, Whole(), 1)} & 15)", "(-1)", "300"))
        name = place.fresh()
        with place.block(loop=True, body=True):
            place.variables.append((name, Whole(), ""))
            inside = self.statements(place, depth - 1, rng.randint(0, 3))
        return f"for ({name} : {first}..{last}) {{ {inside} }}"

    def _map_loop(self, place: Place, depth: int) -> str:
        rng = self.rng
        maps = [each for each in place.maps if each.keys and (isinstance(each.value, Shape) or each.castable)]
        if not maps:
            return self._range(place, depth)
        map_ = rng.choice(maps)
        key = map_.keys[0] if len(map_.keys) == 1 else Tuple(map_.keys)
        value = map_.value if isinstance(map_.value, Shape) else Whole()
        name = place.fresh()
        with place.block(loop=True, body=True):
            place.variables.append((name, Tuple((key, value)), ""))
            place.fixed.add(name)
            inside = self.statements(place, depth - 1, rng.randint(0, 3))
        return f"for ({name} : {map_.name}) {{ {inside} }}"

    def _while(self, place: Place, depth: int) -> str:
        rng = self.rng
        name = place.fresh()
        with place.block(loop=True):
            place.variables.append((name, Whole(), ""))
            place.fixed.add(name)
            inside = self.statements(place, depth - 1, rng.randint(0, 3))
        extra = f" && {self.condition(place, 1)}" if rng.random() < 0.3 else ""
        place.variables.append((name, Whole(), ""))
        return f"{name} = 0; while ({name} < {rng.randint(1, 20)}{extra}) {{ {name}++; {inside} }}"
