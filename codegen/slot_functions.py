"""What happens to slots when it is not simple (`slots.py`): functions in LLVM's language, one pair for each map.

Every step is tried a number of times. A step fails when something else happened to the same slot within the few
instructions since it was looked at; none of the failing tries has changed anything.
"""

from __future__ import annotations

from pytrace.codegen.helpers import HELPERS
from pytrace.codegen.image import SLOTS_AT

__all__ = ["KEY", "LIVE", "LOCK", "OTHER", "OTHERS", "VERSION", "slot_functions"]

KEY = (1 << 32) - 1
LOCK = 1 << 32
LIVE = 1 << 33
OTHER = 1 << 34
OTHERS = ((1 << 20) - 1) << 34
VERSION = ((1 << 10) - 1) << 54
"""The parts of a slot's first word. `OTHER` is one more key in the hash."""

_TRIES = 64
_NOEXIST, _EXIST = 1, 2
_ENOENT, _E2BIG, _EBUSY, _EEXIST = 2, 7, 16, 17

_ATTRIBUTES = 'nounwind noinline "no-jump-tables"="true"'


def _helper(name: str, *args: str) -> str:
    """A call that gives an int, whose upper half older kernels leave undefined."""
    return f"call i64 inttoptr (i64 {HELPERS[name]} to ptr)({', '.join(args)})"


def _begin(name: str, parameters: str, key: str, slots: str, count: int, failures: dict[str, int]) -> str:
    """The function's start: the key in memory (`%k`), the address of its slot (`%slot`), and the look at it. `failures`
    are the blocks from which it is looked at again, and what the function gives when it was for the last time."""
    verdicts = "".join(f", [ {result}, %{block} ]" for block, result in failures.items())
    shift = 32 - count.bit_length() + 1
    narrow = "%key32" if key == "i32" else "%kept"
    keep = "" if key == "i32" else f"%kept = trunc i64 %key to {key}\n"
    return f"""define internal i64 @{name}({parameters}) {_ATTRIBUTES} {{
entry:
%k = alloca i64, align 8
%v = alloca i64, align 8
%rows = alloca i64, align 8
%tries = alloca i64, align 8
%key32 = trunc i64 %key to i32
{keep}store {key} {narrow}, ptr %k, align 4
%mixed = mul i32 %key32, {0x9E3779B1 - (1 << 32)}
%index32 = lshr i32 %mixed, {shift}
%index = zext i32 %index32 to i64
%scaled = shl i64 %index, 4
%first = getelementptr i8, ptr {slots}, i64 {SLOTS_AT}
%slot = getelementptr i8, ptr %first, i64 %scaled
%tries_started = call i32 @bpf_iter_num_new(ptr %tries, i32 0, i32 {_TRIES})
br label %again
again:
%verdict = phi i64 [ 0, %entry ]{verdicts}
%one_more = call ptr @bpf_iter_num_next(ptr %tries)
%given_up = icmp eq ptr %one_more, null
br i1 %given_up, label %out, label %look
look:
%word = load volatile i64, ptr %slot, align 8
%owner = and i64 %word, {KEY}
%same = icmp eq i64 %owner, %key
%state = and i64 %word, {LOCK | LIVE}
%taken = icmp ne i64 %state, 0
%own = and i1 %same, %taken
br i1 %own, label %own_slot, label %other_slot
"""


def _end(verdict: str, results: dict[str, str]) -> str:
    """The function's only end: `results` by the blocks that lead there."""
    incoming = ", ".join(f"[ {result}, %{block} ]" for block, result in results.items())
    return f"""out:
%result_out = phi i64 [ {verdict}, %again ], {incoming}
call void @bpf_iter_num_destroy(ptr %tries)
ret i64 %result_out
}}
"""


def slot_functions(symbol: str, hash_: str, slots: str, key: str, value: str, size: int, count: int) -> dict[str, str]:
    """The functions for the map of that symbol, by their names: `slot_set_…(key, value)` gives 0 or an error,
    `slot_delete_…(key)` 1 if the element was there. `hash_` and `slots` are the hash and the memory of its `count`
    slots, `key` and `value` LLVM's types in memory, `size` the number of keys that the map may have."""
    names = {what: f"slot_{what}_{symbol}" for what in ("set", "delete")}
    return {
        names["set"]: _set(names["set"], hash_, slots, key, value, size, count),
        names["delete"]: _delete(names["delete"], hash_, slots, key, count),
    }


def _update(result: str, hash_: str, flags: int) -> str:
    call = _helper("map_update_elem", f"ptr {hash_}", "ptr %k", "ptr %v", f"i64 {flags}")
    return f"%{result}_wide = {call}\n%{result}_half = trunc i64 %{result}_wide to i32\n" + (
        f"%{result} = sext i32 %{result}_half to i64"
    )


def _set(name: str, hash_: str, slots: str, key: str, value: str, size: int, count: int) -> str:
    narrow = "%value" if value == "i64" else "%narrow"
    keep = "" if value == "i64" else f"%narrow = trunc i64 %value to {value}\n"
    failures = {"own_slot": 0, "overwrite": -_EBUSY, "claim": -_EBUSY, "back": -_EBUSY}
    begin = _begin(name, "i64 %key, i64 %value", key, slots, count, failures)
    begin = begin.replace("%key32 =", f"{keep}store {value} {narrow}, ptr %v, align 8\n%key32 =", 1)
    undo = f"%undone_AT = atomicrmw add ptr %slot, i64 {-OTHER} monotonic"
    return (
        begin
        + f"""own_slot:
%lock = and i64 %word, {LOCK}
%busy = icmp ne i64 %lock, 0
br i1 %busy, label %again, label %overwrite
overwrite:
%locking = or i64 %word, {LOCK}
%locked_pair = cmpxchg ptr %slot, i64 %word, i64 %locking seq_cst seq_cst
%before_lock = extractvalue {{ i64, i1 }} %locked_pair, 0
%locked = icmp eq i64 %before_lock, %word
br i1 %locked, label %write, label %again
write:
%there = getelementptr i8, ptr %slot, i64 8
store volatile i64 %value, ptr %there, align 8
%was = atomicrmw or ptr %slot, i64 {LIVE} seq_cst
%used_was = call i64 asm sideeffect "", "=r,0"(i64 %was)
%unlocked = atomicrmw and ptr %slot, i64 {~LOCK} seq_cst
%used_unlocked = call i64 asm sideeffect "", "=r,0"(i64 %unlocked)
br label %out
other_slot:
%in_way = and i64 %word, {LOCK | LIVE | OTHERS}
%is_free = icmp eq i64 %in_way, 0
%hashed = load volatile i64, ptr {slots}, align 8
%roomy = icmp ule i64 %hashed, {size - count}
%claims = and i1 %is_free, %roomy
br i1 %claims, label %claim, label %spill
claim:
%version = and i64 %word, {VERSION - (1 << 64)}
%newer = add i64 %version, {VERSION & -VERSION}
%named = or i64 %newer, %key
%claiming = or i64 %named, {LOCK}
%claimed_pair = cmpxchg ptr %slot, i64 %word, i64 %claiming seq_cst seq_cst
%before_claim = extractvalue {{ i64, i1 }} %claimed_pair, 0
%claimed = icmp eq i64 %before_claim, %word
br i1 %claimed, label %fill, label %again
fill:
%at = getelementptr i8, ptr %slot, i64 8
store volatile i64 %value, ptr %at, align 8
%filled = atomicrmw add ptr %slot, i64 {LIVE - LOCK} seq_cst
%used_filled = call i64 asm sideeffect "", "=r,0"(i64 %filled)
br label %out
spill:
%found = atomicrmw add ptr %slot, i64 {OTHER} seq_cst
%found_owner = and i64 %found, {KEY}
%found_same = icmp eq i64 %found_owner, %key
%found_state = and i64 %found, {LOCK | LIVE}
%found_taken = icmp ne i64 %found_state, 0
%found_own = and i1 %found_same, %found_taken
br i1 %found_own, label %back, label %hash
back:
{undo.replace("AT", "back")}
br label %again
hash:
%many = atomicrmw add ptr {slots}, i64 1 seq_cst
%crowded = icmp uge i64 %many, {size - count}
br i1 %crowded, label %number, label %insert
number:
%first_row = getelementptr i8, ptr {slots}, i64 {SLOTS_AT}
%started = call i32 @bpf_iter_num_new(ptr %rows, i32 0, i32 {count})
br label %next
next:
%live = phi i64 [ 0, %number ], [ %live_next, %row ]
%n = call ptr @bpf_iter_num_next(ptr %rows)
%no_more = icmp eq ptr %n, null
br i1 %no_more, label %numbered, label %row
row:
%n32 = load i32, ptr %n, align 4
%n_wide = zext i32 %n32 to i64
%n_within = and i64 %n_wide, {count - 1}
%row_at = shl i64 %n_within, 4
%row_slot = getelementptr i8, ptr %first_row, i64 %row_at
%row_word = load volatile i64, ptr %row_slot, align 8
%row_shifted = lshr i64 %row_word, 33
%row_live = and i64 %row_shifted, 1
%live_next = add i64 %live, %row_live
br label %next
numbered:
call void @bpf_iter_num_destroy(ptr %rows)
%all = add i64 %live, %many
%full = icmp uge i64 %all, {size}
br i1 %full, label %replace, label %insert
replace:
{_update("replaced", hash_, _EXIST)}
{undo.replace("AT", "replace")}
%uncounted_replace = atomicrmw add ptr {slots}, i64 -1 monotonic
%none = icmp eq i64 %replaced, {-_ENOENT}
%answer = select i1 %none, i64 {-_E2BIG}, i64 %replaced
br label %out
insert:
%round = phi i32 [ 0, %hash ], [ 0, %numbered ], [ %round_next, %gone ]
{_update("made", hash_, _NOEXIST)}
%is_made = icmp eq i64 %made, 0
br i1 %is_made, label %inserted, label %not_made
inserted:
br label %out
not_made:
%exists = icmp eq i64 %made, {-_EEXIST}
br i1 %exists, label %exchange, label %refused
exchange:
{_update("exchanged", hash_, _EXIST)}
%is_gone = icmp eq i64 %exchanged, {-_ENOENT}
br i1 %is_gone, label %gone, label %refused
gone:
%round_next = add i32 %round, 1
%enough = icmp uge i32 %round_next, 8
br i1 %enough, label %refused, label %insert
refused:
%error = phi i64 [ %made, %not_made ], [ %exchanged, %exchange ], [ {-_EBUSY}, %gone ]
{undo.replace("AT", "refused")}
%uncounted_refused = atomicrmw add ptr {slots}, i64 -1 monotonic
br label %out
"""
        + _end(
            "%verdict",
            {"write": "0", "fill": "0", "replace": "%answer", "inserted": "0", "refused": "%error"},
        )
    )


def _delete(name: str, hash_: str, slots: str, key: str, count: int) -> str:
    return (
        _begin(name, "i64 %key", key, slots, count, {"take": 0})
        + f"""own_slot:
%live = and i64 %word, {LIVE}
%is_live = icmp ne i64 %live, 0
br i1 %is_live, label %take, label %nothing
take:
%dead = xor i64 %word, {LIVE}
%pair = cmpxchg ptr %slot, i64 %word, i64 %dead seq_cst seq_cst
%before = extractvalue {{ i64, i1 }} %pair, 0
%done = icmp eq i64 %before, %word
br i1 %done, label %deleted, label %again
deleted:
br label %out
other_slot:
%others = and i64 %word, {OTHERS}
%nowhere = icmp eq i64 %others, 0
br i1 %nowhere, label %nothing, label %hash
hash:
%result = {_helper("map_delete_elem", f"ptr {hash_}", "ptr %k")}
%half = trunc i64 %result to i32
%was_there = icmp eq i32 %half, 0
br i1 %was_there, label %count, label %nothing
count:
%fewer = atomicrmw add ptr %slot, i64 {-OTHER} monotonic
%counted = atomicrmw add ptr {slots}, i64 -1 monotonic
br label %out
nothing:
br label %out
"""
        + _end("%verdict", {"deleted": "1", "count": "1", "nothing": "0"})
    )
