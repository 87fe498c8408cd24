"""Scripts with integers whose results are known: each expression is made together with what it means.

What that is, `integers.py` says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.generate.integers import BOOL, COMPARE, I64, TYPES, U64, Env, Expr, Type, join, literal, operate, result

__all__ = ["Calculation", "calculate"]

_WIDTHS = {"hh": 8, "h": 16, "": 32, "l": 64, "ll": 64}
_VALUES = (
    0, 1, 2, 3, 7, 8, 31, 63, 64, 100, 127, 128, 129, 255, 256, 1000, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31,
    2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1,
)  # fmt: skip


@dataclass
class Calculation:
    """A script, and the lines that it prints."""

    text: str
    lines: list[str]


@dataclass
class _Writer:
    rng: random.Random
    env: Env = field(default_factory=dict)
    readable: list[Expr] = field(default_factory=list)
    declared: list[tuple[str, Type]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    made: int = 0

    def name(self, prefix: str = "$v") -> str:
        self.made += 1
        return f"{prefix}{self.made}"

    # expressions

    def number(self) -> int:
        rng = self.rng
        value = rng.choice(_VALUES) if rng.random() < 0.7 else rng.getrandbits(rng.choice((8, 33, 63)))
        return -value if rng.random() < 0.4 else value

    def leaf(self) -> Expr:
        if self.rng.random() < 0.75:
            return self.rng.choice(self.readable)
        value = self.number() if self.rng.random() < 0.9 else self.rng.choice((2**63, 2**64 - 1))
        return literal(value)

    def solid(self, depth: int) -> Expr:
        """An integer that is no literal."""
        for _ in range(20):
            found = self.whole(depth)
            if found.literal is None:
                return found
        return self.rng.choice(self.readable)

    def whole(self, depth: int) -> Expr:
        rng = self.rng
        if depth <= 0:
            return self.leaf()
        less = depth - 1
        match rng.randrange(14):
            case 0 | 1 | 2 | 3:
                return self.binary(self.whole(less), rng.choice("+-*/%&|^"), self.solid(less), rng.random() < 0.5)
            case 4:
                shift = rng.choice((0, 1, 7, 31, 32, 63))
                return self.binary(self.solid(less), rng.choice(("<<", ">>")), literal(shift), False)
            case 5:
                count = self.binary(self.solid(less), "&", literal(63), False)
                return self.binary(self.whole(less), rng.choice(("<<", ">>")), count, False)
            case 6:
                return self.unary(rng.choice("-~"), self.solid(less))
            case 7 | 8:
                return self.cast(rng.choice(TYPES), self.solid(less))
            case 9:
                return self.choice(self.truth(less), self.whole(less), self.whole(less))
            case 10:
                return self.element(self.solid(less))
            case 11:
                inner, name = self.solid(less), self.name()
                return Expr(f"({{ let {name} = {inner.text}; {name} }})", inner.type, inner.run)
            case 12 if self.declared:
                return self.step(*rng.choice(self.declared))
            case 13:
                other, inner = self.whole(less), self.solid(less)
                at = rng.randrange(2)
                items = (inner, other) if at == 0 else (other, inner)

                def both(env: Env) -> int:
                    values = [item.run(env) for item in items]
                    return values[at]

                return Expr(f"({items[0].text}, {items[1].text}).{at}", inner.type, both)
            case _:
                truth = self.truth(less)
                return self.binary(truth, rng.choice("+-*&|^"), self.solid(less), rng.random() < 0.5)

    def binary(self, left: Expr, op: str, right: Expr, swap: bool) -> Expr:
        if swap:
            left, right = right, left
        type_ = result(op, left.type, right.type)

        def run(env: Env) -> int:
            a = left.run(env)
            return type_.wrap(operate(op, a, right.run(env)))

        return Expr(f"({left.text} {op} {right.text})", type_, run)

    def unary(self, op: str, inner: Expr) -> Expr:
        type_ = I64 if inner.type.signed else U64
        return Expr(
            f"({op}{inner.text})", type_,
            lambda env: type_.wrap(-inner.run(env) if op == "-" else ~inner.run(env)),
        )

    def cast(self, type_: Type, inner: Expr) -> Expr:
        return Expr(f"({type_})({inner.text})", type_, lambda env: type_.wrap(inner.run(env)))

    def choice(self, cond: Expr, then: Expr, orelse: Expr) -> Expr:
        type_ = join(then.type, orelse.type)
        if self.rng.random() < 0.5:
            text = f"({cond.text} ? {then.text} : {orelse.text})"
        else:
            text = f"(if ({cond.text}) {{ {then.text} }} else {{ {orelse.text} }})"
        return Expr(text, type_, lambda env: type_.wrap(then.run(env) if cond.run(env) else orelse.run(env)))

    def element(self, inner: Expr) -> Expr:
        rng = self.rng
        type_ = Type(rng.choice((1, 2, 4)), rng.random() < 0.5)
        total = rng.choice([size for size in (2, 4, 8) if size > type_.size])
        count = total // type_.size
        whole = Type(total, False)
        array = f"(({type_}[{count}])({whole})({inner.text}))"
        if rng.random() < 0.5:
            at = rng.randrange(count)
            return Expr(
                f"{array}[{at}]", type_, lambda env: type_.wrap(whole.wrap(inner.run(env)) >> 8 * type_.size * at)
            )
        index = self.binary(self.cast(U64, self.solid(0)), "&", literal(count - 1), False)

        def run(env: Env) -> int:
            value = whole.wrap(inner.run(env))
            return type_.wrap(value >> 8 * type_.size * index.run(env))

        return Expr(f"{array}[{index.text}]", type_, run)

    def step(self, name: str, type_: Type) -> Expr:
        delta, prefix = self.rng.choice((1, -1)), self.rng.random() < 0.5
        op = "++" if delta > 0 else "--"

        def run(env: Env) -> int:
            before = env[name]
            env[name] = type_.wrap(before + delta)
            return env[name] if prefix else before

        return Expr(f"({op}{name})" if prefix else f"({name}{op})", type_, run)

    def truth(self, depth: int) -> Expr:
        rng = self.rng
        less = depth - 1
        match rng.randrange(8) if depth > 0 else 0:
            case 0 | 1 | 2 | 3:
                return self.compare(self.whole(less), rng.choice(tuple(COMPARE)), self.solid(less))
            case 4 | 5:
                left, right = self.condition(less), self.condition(less)
                if rng.random() < 0.5:
                    return Expr(
                        f"({left.text} && {right.text})", BOOL,
                        lambda env: int(left.run(env) != 0 and right.run(env) != 0),
                    )
                return Expr(
                    f"({left.text} || {right.text})", BOOL, lambda env: int(left.run(env) != 0 or right.run(env) != 0)
                )
            case 6:
                inner = self.condition(less)
                return Expr(f"(!{inner.text})", BOOL, lambda env: int(inner.run(env) == 0))
            case _:
                return self.cast(BOOL, self.solid(less))

    def condition(self, depth: int) -> Expr:
        return self.truth(depth) if self.rng.random() < 0.6 else self.solid(depth)

    def compare(self, left: Expr, op: str, right: Expr) -> Expr:
        type_ = join(left.type, right.type)

        def run(env: Env) -> int:
            a = type_.wrap(left.run(env))
            return int(COMPARE[op](a, type_.wrap(right.run(env))))

        return Expr(f"({left.text} {op} {right.text})", BOOL, run)

    # statements

    def say(self, expr: Expr, value: int) -> str:
        return str(value) if expr.type.size else ("false", "true")[value]

    def print(self) -> None:
        rng = self.rng
        if rng.random() < 0.3:
            exprs = [self.whole(2) for _ in range(rng.randint(1, 3))]
            pieces, parts = [], []
            for each in exprs:
                width, how = rng.choice(tuple(_WIDTHS)), rng.choice("duxXo")
                bits = _WIDTHS[width]
                parts.append(f"%{width}{how}")
                value = each.run(self.env) % (1 << bits)
                if how == "d" and value >> (bits - 1):
                    value -= 1 << bits
                pieces.append(f"{value:{'d' if how == 'u' else how}}")
            self.text.append(f'printf("{"|".join(parts)}\\n", {", ".join(each.text for each in exprs)});')
            self.lines.append("|".join(pieces))
            return
        if rng.random() < 0.15:
            inner = self.solid(2)
            self.text.append(f"print(sizeof({inner.text}));")
            self.lines.append(str(inner.type.size))
            return
        expr = self.truth(3) if rng.random() < 0.25 else self.whole(4)
        self.text.append(f"print({expr.text});")
        self.lines.append(self.say(expr, expr.run(self.env)))

    def declare(self) -> None:
        type_ = self.rng.choice(TYPES)
        inner = self.cast(type_, self.solid(2))
        name = self.name("$d")
        self.text.append(f"let {name}: {type_} = {inner.text};")
        self.env[name] = inner.run(self.env)
        self.declared.append((name, type_))
        self.readable.append(Expr(name, type_, lambda env: env[name]))

    def assignment(self, depth: int = 2) -> tuple[str, Callable[[Env], None]]:
        """A statement that changes a declared variable, and what it does."""
        rng = self.rng
        name, type_ = rng.choice(self.declared)
        here = Expr(name, type_, lambda env: env[name])
        if rng.random() < 0.4:
            op = rng.choice("+-*/%&|^")
            value = self.binary(here, op, self.solid(depth), False)
            text = f"{name} {op}= {self._right(value, here, op)};"
        else:
            value = self.cast(type_, self.solid(depth))
            text = f"{name} = {value.text};"

        def run(env: Env) -> None:
            env[name] = type_.wrap(value.run(env))

        return text, run

    @staticmethod
    def _right(value: Expr, here: Expr, op: str) -> str:
        return value.text[len(f"({here.text} {op} ") : -1]

    def branch(self) -> None:
        cond = self.truth(2)
        then, orelse = [self.assignment() for _ in range(2)], [self.assignment()]
        self.text.append(
            f"if ({cond.text}) {{ {' '.join(t for t, _ in then)} }} else {{ {' '.join(t for t, _ in orelse)} }};"
        )
        for _, run in then if cond.run(self.env) else orelse:
            run(self.env)

    def loop(self) -> None:
        rng = self.rng
        first = rng.randint(-3, 3)
        rounds = rng.randint(0, 9)
        name = self.name("$i")
        outer = Expr(f"(int64){name}", I64, lambda env: env[name])
        kind = rng.randrange(3)
        self.readable.append(outer)
        body = [self.assignment(1) for _ in range(rng.randint(1, 3))]
        self.readable.pop()
        inside = " ".join(text for text, _ in body)
        if kind == 0:
            low = str(first) if first >= 0 else f"({first})"
            high = str(first + rounds) if first + rounds >= 0 else f"({first + rounds})"
            self.text.append(f"for ({name} : {low}..{high}) {{ {inside} }}")
        elif kind == 1:
            self.text.append(
                f"let {name}: int64 = {first}; while ({name} < {first + rounds}) {{ {inside} {name}++; }}"
            )
        else:
            rounds = rng.randint(1, 4)
            self.text.append(f"let {name}: int64 = {first}; unroll({rounds}) {{ {inside} {name}++; }}")
        for at in range(first, first + rounds):
            self.env[name] = at
            for _, run in body:
                run(self.env)
        self.env[name] = first + rounds

    def store(self) -> None:
        """A value through a map of its own, with a key that is computed."""
        inner, key, name = self.solid(3), self.solid(1), self.name("@s")
        if inner.type.flexible:
            return
        value = inner.run(self.env)
        at = key.run(self.env)
        self.text.append(f"{name}[{key.text}] = {inner.text};")
        again = literal(at)
        if key.type.signed or at < 1 << 63:
            self.text.append(f"print({name}[({key.type}){again.text}]);")
            self.lines.append(str(value))


def calculate(rng: random.Random, size: int = 12) -> Calculation:
    """A script of about `size` statements."""
    writer = _Writer(rng)
    hidden = []
    for number in range(rng.randint(4, 8)):
        value = writer.number()
        hidden.append(f"@h[{number}] = {value};")
        type_ = rng.choice(TYPES)
        name = f"$h{number}"
        writer.env[name] = type_.wrap(value)
        writer.text.append(f"{name} = ({type_})(int64)@h[{number}];" if type_ != I64 else f"{name} = @h[{number}];")
        writer.readable.append(Expr(name, type_, lambda env, name=name: env[name]))  # type: ignore[misc]
    # One value of full width, so that the map is one of int64: nothing is known of what comes out of it.
    hidden.append("@h[99] = (-9223372036854775807);")
    writer.declare()
    for _ in range(size):
        match rng.randrange(12):
            case 0 | 1:
                writer.declare()
            case 2 | 3:
                text, run = writer.assignment()
                writer.text.append(text)
                run(writer.env)
            case 4:
                writer.branch()
            case 5:
                writer.loop()
            case 6:
                writer.store()
            case _:
                writer.print()
    for name, _ in writer.declared:
        writer.text.append(f"print({name});")
        writer.lines.append(str(writer.env[name]))
    body = "\n  ".join(line for line in (*hidden, *writer.text) if line)
    return Calculation(f"config = {{ print_maps_on_exit=false }}\nbegin {{\n  {body}\n}}\n", writer.lines)
