"""Comparing and searching bytes (LIBRARY 6)."""

from __future__ import annotations

from pytrace.builtins import substring
from pytrace.builtins.checks import address_space, argument, as_u64, kernel_function_exists, kind, unknown
from pytrace.builtins.registry import Builtin, CallSite, Typer, declare
from pytrace.builtins.strings import FAMILY, string_like, terminated
from pytrace.hints import TYPE_CHECKING
from pytrace.semantics import program as core
from pytrace.semantics.types import BOOL, I32, I64, Array, Buffer, Int, Pointer, Space, Str, Struct, size_of

if TYPE_CHECKING:
    from pytrace.codegen.emitter import Emitter, Value

NO_ENTRY = -2
"""What the kernel's own search gives where nothing is found (-ENOENT)."""

NATIVE_SEARCH = "bpf_strnstr"
"""The kernel function that searches (Linux 6.17)."""


# --- searching ----------------------------------------------------------------------------------------------------


def _search(site: CallSite, t: Typer) -> core.Expr | None:
    """Where the second string starts in the first: int32, negative if nowhere. None after an error."""
    values = [string_like(t, site, index) for index in (0, 1)]
    hay, needle = values
    if hay is None or needle is None:
        return None
    if unknown(hay) or unknown(needle):
        return core.Zero(I32, site.span)
    native = kernel_function_exists(NATIVE_SEARCH)
    found, missing = t.literal_of(hay), t.literal_of(needle)
    if isinstance(found, bytes) and isinstance(missing, bytes):
        at = found.partition(b"\0")[0].find(missing.partition(b"\0")[0])
        return core.Const(I32, site.span, at if at >= 0 or not native else NO_ENTRY)
    return core.Call(I32, site.span, "strstr", (hay, needle), (native,))


def _check_strstr(site: CallSite, t: Typer) -> core.Expr:
    return _search(site, t) or core.Zero(I32, site.span)


def _check_strcontains(site: CallSite, t: Typer) -> core.Expr:
    found = _search(site, t)
    if found is None:
        return core.Zero(BOOL, site.span)
    return core.Compare(BOOL, site.span, "ge", found, core.Const(I32, site.span, 0))


def _lower_strstr(e: Emitter, call: core.Call) -> Value:
    hay, needle = (terminated(e, arg, substring.room(size_of(arg.type))) for arg in call.args)
    if call.static[0]:
        # The length is one more than that of the text: the kernel takes it as the end of a string without NUL.
        found = e.kfunc(NATIVE_SEARCH, hay[0], needle[0], e.b.add(hay[1], 1))
    else:
        found = substring.find(e, hay, needle)
    return e.b.trunc(found, "i32")


declare(Builtin(
    "strstr", _check_strstr, _lower_strstr, ("strstr(haystack, needle)",),
    "Where a string first occurs in another one, counted from 0; negative if it does not.", FAMILY, (2, 2),
))  # fmt: skip
declare(Builtin(
    "strcontains", _check_strcontains, None, ("strcontains(haystack, needle)",), "Whether a string occurs in another.",
    FAMILY, (2, 2),
))  # fmt: skip


# --- comparing ----------------------------------------------------------------------------------------------------


def _check_strncmp(site: CallSite, t: Typer) -> core.Expr:
    values = [argument(t, site, index) for index in (0, 1)]
    first, second = values
    for value in values:
        if not unknown(value) and not isinstance(value.type, Str):
            return t.error(site.span, f"strncmp() only supports string arguments ({kind(value.type)} provided)")
    count = t.literal(site.given[2])
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        return t.error(site.span, "Builtin strncmp requires a non-negative literal")
    if unknown(first) or unknown(second):
        return core.Zero(I64, site.span)
    left, right = t.literal_of(first), t.literal_of(second)
    if isinstance(left, bytes) and isinstance(right, bytes):
        texts = [text.partition(b"\0")[0][:count] for text in (left, right)]
        return core.Const(I64, site.span, int(texts[0] != texts[1]))
    size = min(count, size_of(first.type), size_of(second.type))
    if size == 0:
        return core.Const(I64, site.span, 0)
    left_head, right_head = (core.Part(Str(size), value.span, value, 0) for value in values)
    return core.Convert(I64, site.span, core.Equal(BOOL, site.span, left_head, right_head, negate=True))


declare(Builtin(
    "strncmp", _check_strncmp, None, ("strncmp(a, b, n)",), "0 if the first n bytes of two strings are equal, else 1.",
    FAMILY, (3, 3),
))  # fmt: skip


def _bytes_of(t: Typer, site: CallSite, index: int) -> core.Expr | None:
    """An argument as bytes in memory or an address; None after reporting."""
    value = argument(t, site, index)
    if isinstance(value.type, Int):
        return as_u64(value)
    if unknown(value) or isinstance(value.type, Str | Array | Buffer | Struct | Pointer):
        return value
    message = f"memcmp() expects strings, arrays, pointers or addresses ({kind(value.type)} provided)"
    t.error(site.span, message)
    return None


def _check_memcmp(site: CallSite, t: Typer) -> core.Expr:
    first, second = _bytes_of(t, site, 0), _bytes_of(t, site, 1)
    count = argument(t, site, 2)
    if first is None or second is None or unknown(first) or unknown(second) or unknown(count):
        return core.Zero(I32, site.span)
    if not isinstance(count.type, Int):
        return t.error(site.span, f"memcmp() only supports int arguments ({kind(count.type)} provided)")
    left, right, number = t.literal_of(first), t.literal_of(second), t.literal_of(count)
    if isinstance(left, bytes) and isinstance(right, bytes) and isinstance(number, int):
        pairs = zip((left + b"\0")[:number], (right + b"\0")[:number], strict=False)
        differing = next(((x ^ 128) - (y ^ 128) for x, y in pairs if x != y), 0)
        return core.Const(I32, site.span, differing)
    spaces = tuple(
        address_space(t, value).value if isinstance(value.type, Int | Pointer) else "" for value in (first, second)
    )
    limit = number if isinstance(number, int) and number >= 0 else t.config.max_strlen
    return core.Call(I32, site.span, "memcmp", (first, second, as_u64(count)), (*spaces, limit))


def _lower_memcmp(e: Emitter, call: core.Call) -> Value:
    """The difference of the first bytes that differ, as signed ones."""
    b = e.b
    first, second, count = call.args
    limit = call.static[2]
    assert isinstance(limit, int)
    values = list(zip((first, second), call.static[:2], strict=True))
    limit = min([limit, max(e.config.max_strlen, 1), *(size_of(value.type) for value, space in values if not space)])
    if limit <= 0:
        return e.const(0, "i32")
    length = e.clamp(e.eval64(count), limit)
    places = []
    for value, space in values:
        if space:
            place = e.scratch(limit)
            e.read(place, length, e.eval64(value), Space(space), call.span)
        else:
            place = e.place(value)
        # LLVM would make an addition to an aligned pointer into an "or", which the verifier refuses for pointers.
        places.append(b.barrier(place))
    result = e.scratch(8)
    b.store(0, result)

    def look(index: Value) -> None:
        left, right = (b.sext(b.load("i8", b.gep(place, index))) for place in places)
        # Masks instead of a branch: the verifier gives up after 8192 branches on one way.
        seen = b.load("i64", result)
        differed = b.barrier(b.ashr(b.barrier(b.or_(seen, b.sub(0, seen))), 63))
        b.store(b.or_(seen, b.and_(b.sub(left, right), b.not_(differed))), result)

    e.count_to(limit if isinstance(count, core.Const) else length, limit, look)
    return b.trunc(b.load("i64", result), "i32")


declare(Builtin(
    "memcmp", _check_memcmp, _lower_memcmp, ("memcmp(a, b, n)",),
    "0 if n bytes are equal, else the difference of the first two that differ, as signed bytes.", FAMILY, (3, 3),
))  # fmt: skip
