"""Keys that come and go, in slots before the hash: `@start[tid] = nsecs`, and a little later `delete(@start, tid)`.

The kernel's hash takes and gives back memory, locks a bucket and counts, for each element that is made or deleted:
most of what such a pair of probes costs. So a small key has a slot, found by a multiplication, in an array that
programs reach without a call, and is in the hash only while another key has the slot. A slot is two words: one that
says whose it is, and the value. All that happens to a slot is one atomic step of its first word:

| bits | |
|---|---|
| 0–31 | the key |
| 32 | `LOCK`: somebody writes the value |
| 33 | `LIVE`: the element is there |
| 34–53 | how many keys of this slot are in the hash, or on their way there |
| 54–63 | a version, counted up whenever the slot is taken |

A slot without `LOCK` and `LIVE` is free; it is taken only while no key of its own is in the hash. So the word tells,
at any moment, in which of both a key is, if it is anywhere, and a key is never in both. Only who set `LOCK` writes the
value. Others that want to write the same key wait for it a little; if that does not help (it was interrupted by them,
or is preempted), their value counts as written just before. Who reads looks at the word again afterwards: when it
has changed hands, the key was not there in between, and is missing. Deleting takes `LIVE` away, in one step.

The first word of the array counts what is in the hash, or about to be, which costs only those that go there. As long
as slots and hash together cannot exceed the size of the map, nobody has to count the slots.
"""

from __future__ import annotations

import os

from pytrace.codegen.compare import Comparison
from pytrace.codegen.control import symbol_of
from pytrace.codegen.emitter import Value
from pytrace.codegen.features import Offers
from pytrace.codegen.image import SLOTS_AT, MapImage
from pytrace.codegen.layout import memory_type, register_type
from pytrace.codegen.slot_functions import KEY, LIVE, LOCK, OTHERS, VERSION, slot_functions
from pytrace.codegen.visit import nodes
from pytrace.kernel.abi import MapFlags
from pytrace.semantics import program as core
from pytrace.semantics.types import Int, size_of

__all__ = ["SLOTS", "Slots", "slots_image", "slots_symbol", "slotted_maps"]

SLOTS = 1024
"""Slots of a map: room for as many threads at once, and 16 KiB. A power of two."""
_SMALLEST, _LARGEST = 4 * SLOTS, 1 << 19
"""Sizes of the maps that have them: what is in the hash must fit into its bits."""
_ORDERED = os.uname().machine in ("x86_64", "AMD64", "i686", "s390x")
"""Whether loads are done in their order."""


def slots_symbol(map_: core.Map) -> str:
    return f"{symbol_of(map_)}.slots"


def slotted_maps(program: core.Program, features: Offers) -> frozenset[int]:
    """The indices of the maps with slots: keys of 32 bits at most, scalar values, elements that are deleted again, and
    nothing else done with the map than to set, read and print single elements or all of it.

    The kernel must have iterators (Linux 6.4). The verifier walks through what is tried, and through the slots when
    they are counted, in less than a millisecond; through loops it takes 20."""
    if program.shared:
        return frozenset()
    deleted, unfit = set(), set()
    for probe in program.probes:
        for node in nodes(probe.body):
            match node:
                case core.MapCall(name="delete", map=map_):
                    deleted.add(map_.index)
                case core.MapLoop(map=map_) | core.MapCall(name="len", map=map_):
                    unfit.add(map_.index)
                case core.AddressOf(of=core.Map() as map_) | core.Step(target=core.Map() as map_):
                    unfit.add(map_.index)
                case core.Emit(kind="clear" | "zero", static=static):
                    unfit |= {map_.index for map_ in program.maps if map_.name in static}
    fit = {map_.index for map_ in program.maps if map_.index in deleted - unfit and _fits(map_)}
    return frozenset(fit) if fit and features.number_iterator else frozenset()


def _fits(map_: core.Map) -> bool:
    return (
        isinstance(map_.key, Int)
        and size_of(map_.key) <= 4
        and isinstance(map_.value, Int)
        and not map_.kind
        and _SMALLEST <= map_.size <= _LARGEST
    )


def slots_image(map_: core.Map) -> MapImage:
    return MapImage(slots_symbol(map_), "array", 4, SLOTS_AT + 16 * SLOTS, 1, MapFlags.MMAPABLE)


class Slots(Comparison):
    def in_slots(self, map_: core.Map) -> bool:
        return map_.index in self.module.slotted

    def _slot(self, map_: core.Map, key: Value) -> Value:
        b = self.b
        shift = 32 - SLOTS.bit_length() + 1
        index = b.zext(b.lshr(b.mul(b.trunc(key, "i32"), self.const(0x9E3779B1, "i32")), shift))
        return b.gep(b.gep(self.module.data(slots_symbol(map_)), SLOTS_AT), b.shl(index, 4))

    def _word(self, slot: Value) -> Value:
        """The first word of a slot, read before whatever is read behind it."""
        if _ORDERED:
            return self.b.load("i64", slot, volatile=True)
        return self.b.compare_exchange(slot, self.const(0), self.const(0))

    def small_key(self, map_: core.Map, key: core.Expr | None) -> Value:
        """The key's bits (i64)."""
        assert key is not None and map_.key is not None
        return self.b.zext(self.b.resize(self.eval(key), register_type(map_.key)))

    def slot_find(self, map_: core.Map, key: Value) -> tuple[Value, Value]:
        """Whether the element is there (i1), and its value (i64; 0 without it)."""
        b, slot, zero = self.b, self._slot(map_, key), self.const(0)
        held, other, beyond, there, join = (b.block(hint) for hint in ("held", "other", "beyond", "there", "join"))
        word = self._word(slot)
        b.cond_br(b.eq(b.and_(word, KEY | LIVE), b.or_(key, LIVE)), held, other)
        b.place(held)
        value = b.load("i64", slot, 8, volatile=True)
        stayed = b.eq(b.and_(b.xor(word, self._word(slot)), VERSION | LIVE), 0)
        in_slot = b.current
        b.br(join)
        b.place(other)
        nowhere = b.current
        b.cond_br(b.eq(b.and_(word, OTHERS), 0), join, beyond)
        b.place(beyond)
        assert map_.key is not None
        at = self.temporary(map_.key)
        self.store_scalar(b.resize(key, register_type(map_.key)), map_.key, at)
        found = self.pointer_helper("map_lookup_elem", self.map_pointer(map_), at)
        missing = b.current
        b.cond_br(b.is_null(found), join, there)
        b.place(there)
        hashed = b.zext(b.load(memory_type(map_.value), found))
        in_hash = b.current
        b.br(join)
        b.place(join)
        no, yes = self.const(0, "i1"), self.const(1, "i1")
        found_it = b.phi((stayed, in_slot), (no, nowhere), (no, missing), (yes, in_hash))
        return found_it, b.phi((value, in_slot), (zero, nowhere), (zero, missing), (hashed, in_hash))

    def slot_set(self, map_: core.Map, key: Value, value: Value) -> Value:
        """Writes an element; gives 0 or the helper's error (i64). A free slot is taken here, all else is a function."""
        b, slot, zero = self.b, self._slot(map_, key), self.const(0)
        value = b.zext(b.resize(value, memory_type(map_.value)))
        maybe, taken, otherwise, join = (b.block(hint) for hint in ("maybe", "taken", "otherwise", "join"))
        word = b.load("i64", slot, volatile=True)
        b.cond_br(b.eq(b.and_(word, LOCK | LIVE | OTHERS), 0), maybe, otherwise)
        b.place(maybe)
        locked = b.or_(b.add(b.and_(word, VERSION), VERSION & -VERSION), b.or_(key, LOCK))
        hashed = b.load("i64", self.module.data(slots_symbol(map_)), volatile=True)
        swap = b.block("swap")
        b.cond_br(b.ugt(hashed, map_.size - SLOTS), otherwise, swap)
        b.place(swap)
        b.cond_br(b.eq(b.compare_exchange(slot, word, locked), word), taken, otherwise)
        b.place(taken)
        b.store(value, slot, 8, volatile=True)
        b.barrier(b.fetch_add(slot, LIVE - LOCK))
        b.br(join)
        b.place(otherwise)
        result = self._call(map_, "set", key, value)
        b.br(join)
        b.place(join)
        return b.phi((zero, taken), (result, otherwise))

    def slot_delete(self, map_: core.Map, key: Value) -> Value:
        """Deletes an element; whether it was there (i1)."""
        b, slot = self.b, self._slot(map_, key)
        word = b.load("i64", slot, volatile=True)
        held, otherwise, join = b.block("held"), b.block("otherwise"), b.block("join")
        b.cond_br(b.eq(b.and_(word, KEY | LIVE | LOCK), b.or_(key, LIVE)), held, otherwise)
        b.place(held)
        b.cond_br(b.eq(b.compare_exchange(slot, word, b.xor(word, LIVE)), word), join, otherwise)
        b.place(otherwise)
        result = b.ne(self._call(map_, "delete", key), 0)
        b.br(join)
        b.place(join)
        return b.phi((self.const(1, "i1"), held), (result, otherwise))

    def _call(self, map_: core.Map, what: str, *args: Value) -> Value:
        assert map_.key is not None
        key, value, symbol = memory_type(map_.key), memory_type(map_.value), symbol_of(map_)
        hash_, slots = self.module.map(symbol), self.module.data(slots_symbol(map_))
        self.module.kfunc("bpf_iter_num_new", ("ptr", "i32", "i32"), "i32")
        self.module.kfunc("bpf_iter_num_next", ("ptr",), "ptr")
        self.module.kfunc("bpf_iter_num_destroy", ("ptr",), "void")
        name = f"slot_{what}_{symbol}"
        if name not in self.module.helpers:
            made = slot_functions(symbol, hash_.text, slots.text, key, value, map_.size, SLOTS)
            self.module.add_helper(name, made[name])
        return self.b.call(f"@{name}", args)
