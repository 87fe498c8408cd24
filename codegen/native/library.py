"""What formats share, in LLVM's language, and the constants that it reads.

Everything that the code reads besides records is in one block of bytes (`TABLES`, then literals), whose address is
passed along: the code has no data of its own and calls nothing outside, so it needs no relocations.

Functions take where to write and give where they stopped. They write in whole words, up to seven bytes beyond the end,
and read strings so: `SLACK` bytes must be writable and readable there.
"""

from __future__ import annotations

__all__ = ["ESCAPES", "LIBRARY", "LOWER", "SLACK", "TABLES", "UPPER", "module"]

SLACK = 64

_POWERS = b"".join((10**n).to_bytes(8, "little") for n in range(1, 20))
_PAIRS = b"".join(b"%02d" % n for n in range(100))
_PAIRS_AT = len(_POWERS)
LOWER = _PAIRS_AT + len(_PAIRS)
UPPER = LOWER + 16
ESCAPES = UPPER + 16


def _escape(byte: int) -> bytes:
    """How a byte is written in a JSON string: the length, then the text. Length 0: not a matter of single bytes."""
    named = {0x22: b'\\"', 0x5C: b"\\\\", 0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t"}
    if byte >= 0x80:
        text = b""
    elif byte in named:
        text = named[byte]
    else:
        text = b"\\u%04x" % byte if byte < 0x20 else bytes((byte,))
    return bytes((len(text),)) + text.ljust(7, b"\0")


TABLES = _POWERS + _PAIRS + b"0123456789abcdef" + b"0123456789ABCDEF" + b"".join(map(_escape, range(256)))
"""Powers of ten from 10; the digits of 00 … 99; hexadecimal digits; escapes of JSON."""

LIBRARY = f"""
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.cttz.i64(i64, i1)

; Copies n bytes.
define internal ptr @copy(ptr %to, ptr %from, i64 %n) #0 {{
entry:
  %some = icmp ne i64 %n, 0
  br i1 %some, label %loop, label %done
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %f = getelementptr i8, ptr %from, i64 %i
  %t = getelementptr i8, ptr %to, i64 %i
  %word = load i64, ptr %f, align 1
  store i64 %word, ptr %t, align 1
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  %end = getelementptr i8, ptr %to, i64 %n
  ret ptr %end
}}

; Writes the byte `how >> 8` n times, for n > 0.
define internal ptr @fill(ptr %to, i64 %n, i64 %how) #0 {{
entry:
  %shifted = lshr i64 %how, 8
  %byte = trunc i64 %shifted to i8
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %loop, label %none
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %t = getelementptr i8, ptr %to, i64 %i
  store i8 %byte, ptr %t, align 1
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  %end = getelementptr i8, ptr %to, i64 %n
  ret ptr %end
none:
  ret ptr %to
}}

; Padding in front: unless the lowest bit of `how` says that it goes behind.
define internal ptr @before(ptr %to, i64 %n, i64 %how) #0 {{
entry:
  %left = and i64 %how, 1
  %here = icmp eq i64 %left, 0
  br i1 %here, label %pad, label %not
pad:
  %end = call ptr @fill(ptr %to, i64 %n, i64 %how)
  ret ptr %end
not:
  ret ptr %to
}}

define internal ptr @behind(ptr %to, i64 %n, i64 %how) #0 {{
entry:
  %left = and i64 %how, 1
  %here = icmp ne i64 %left, 0
  br i1 %here, label %pad, label %not
pad:
  %end = call ptr @fill(ptr %to, i64 %n, i64 %how)
  ret ptr %end
not:
  ret ptr %to
}}

; How many decimal digits a number has.
define internal i64 @digits(i64 %value, ptr %tables) #0 {{
entry:
  br label %loop
loop:
  %n = phi i64 [ 1, %entry ], [ %next, %again ]
  %last = icmp eq i64 %n, 20
  br i1 %last, label %done, label %test
test:
  %index = sub i64 %n, 1
  %at = getelementptr i64, ptr %tables, i64 %index
  %power = load i64, ptr %at, align 8
  %less = icmp ult i64 %value, %power
  br i1 %less, label %done, label %again
again:
  %next = add i64 %n, 1
  br label %loop
done:
  ret i64 %n
}}

; Writes a number that has n decimal digits, from the last pair to the first.
define internal ptr @decimal(ptr %to, i64 %value, i64 %n, ptr %tables) #0 {{
entry:
  %end = getelementptr i8, ptr %to, i64 %n
  %pairs = getelementptr i8, ptr %tables, i64 {_PAIRS_AT}
  br label %test
test:
  %v = phi i64 [ %value, %entry ], [ %quotient, %pair ]
  %p = phi ptr [ %end, %entry ], [ %q, %pair ]
  %many = icmp uge i64 %v, 100
  br i1 %many, label %pair, label %rest
pair:
  %quotient = udiv i64 %v, 100
  %product = mul i64 %quotient, 100
  %two = sub i64 %v, %product
  %from = getelementptr i16, ptr %pairs, i64 %two
  %text = load i16, ptr %from, align 1
  %q = getelementptr i8, ptr %p, i64 -2
  store i16 %text, ptr %q, align 1
  br label %test
rest:
  %couple = icmp uge i64 %v, 10
  br i1 %couple, label %last2, label %last1
last2:
  %from2 = getelementptr i16, ptr %pairs, i64 %v
  %text2 = load i16, ptr %from2, align 1
  %q2 = getelementptr i8, ptr %p, i64 -2
  store i16 %text2, ptr %q2, align 1
  ret ptr %end
last1:
  %narrow = trunc i64 %v to i8
  %digit = add i8 %narrow, 48
  %q1 = getelementptr i8, ptr %p, i64 -1
  store i8 %digit, ptr %q1, align 1
  ret ptr %end
}}

; A sign (0: none) and a number, padded.
define internal ptr @number(ptr %to, i64 %value, i64 %sign, i64 %width, i64 %how, ptr %tables) #0 {{
entry:
  %n = call i64 @digits(i64 %value, ptr %tables)
  %is_signed = icmp ne i64 %sign, 0
  %one = zext i1 %is_signed to i64
  %total = add i64 %n, %one
  %gap = sub i64 %width, %total
  %a = call ptr @before(ptr %to, i64 %gap, i64 %how)
  %character = trunc i64 %sign to i8
  store i8 %character, ptr %a, align 1
  %b = getelementptr i8, ptr %a, i64 %one
  %c = call ptr @decimal(ptr %b, i64 %value, i64 %n, ptr %tables)
  %d = call ptr @behind(ptr %c, i64 %gap, i64 %how)
  ret ptr %d
}}

; A prefix of so many bytes (in its order from the lowest), and a number in digits of `shift` bits.
define internal ptr @radix(ptr %to, i64 %value, i64 %shift, ptr %alphabet, i64 %prefix, i64 %length, i64 %width,
    i64 %how) #0 {{
entry:
  %safe = or i64 %value, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %safe, i1 true)
  %bits = sub i64 63, %zeros
  %whole = udiv i64 %bits, %shift
  %n = add i64 %whole, 1
  %total = add i64 %n, %length
  %gap = sub i64 %width, %total
  %a = call ptr @before(ptr %to, i64 %gap, i64 %how)
  store i64 %prefix, ptr %a, align 1
  %b = getelementptr i8, ptr %a, i64 %length
  %one = shl i64 1, %shift
  %mask = sub i64 %one, 1
  br label %loop
loop:
  %i = phi i64 [ %n, %entry ], [ %j, %loop ]
  %v = phi i64 [ %value, %entry ], [ %w, %loop ]
  %j = sub i64 %i, 1
  %digit = and i64 %v, %mask
  %from = getelementptr i8, ptr %alphabet, i64 %digit
  %text = load i8, ptr %from, align 1
  %at = getelementptr i8, ptr %b, i64 %j
  store i8 %text, ptr %at, align 1
  %w = lshr i64 %v, %shift
  %more = icmp ne i64 %j, 0
  br i1 %more, label %loop, label %done
done:
  %c = getelementptr i8, ptr %b, i64 %n
  %d = call ptr @behind(ptr %c, i64 %gap, i64 %how)
  ret ptr %d
}}

; The number of bytes before the NUL, at most `size`.
define internal i64 @length(ptr %from, i64 %size) #0 {{
entry:
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %again ]
  %inside = icmp ult i64 %i, %size
  br i1 %inside, label %look, label %full
look:
  %at = getelementptr i8, ptr %from, i64 %i
  %word = load i64, ptr %at, align 1
  %less = sub i64 %word, {0x0101010101010101}
  %not = xor i64 %word, -1
  %both = and i64 %less, %not
  %marks = and i64 %both, {0x8080808080808080 - (1 << 64)}
  %none = icmp eq i64 %marks, 0
  br i1 %none, label %again, label %found
again:
  %next = add i64 %i, 8
  br label %test
found:
  %bit = call i64 @llvm.cttz.i64(i64 %marks, i1 true)
  %byte = lshr i64 %bit, 3
  %n = add i64 %i, %byte
  %short = icmp ult i64 %n, %size
  %result = select i1 %short, i64 %n, i64 %size
  ret i64 %result
full:
  ret i64 %size
}}

; A string, with the trailer if it fills its type to the end, padded.
define internal ptr @text(ptr %to, ptr %from, i64 %size, ptr %trailer, i64 %extra, i64 %width, i64 %how) #0 {{
entry:
  %n = call i64 @length(ptr %from, i64 %size)
  %cut = icmp eq i64 %n, %size
  %more = select i1 %cut, i64 %extra, i64 0
  %total = add i64 %n, %more
  %gap = sub i64 %width, %total
  %a = call ptr @before(ptr %to, i64 %gap, i64 %how)
  %b = call ptr @copy(ptr %a, ptr %from, i64 %n)
  %c = call ptr @copy(ptr %b, ptr %trailer, i64 %more)
  %d = call ptr @behind(ptr %c, i64 %gap, i64 %how)
  ret ptr %d
}}

; n bytes as the inside of a JSON string; null if they are not all ASCII.
define internal ptr @escape(ptr %to, ptr %from, i64 %n, ptr %tables) #0 {{
entry:
  %escapes = getelementptr i8, ptr %tables, i64 {ESCAPES}
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %put ]
  %t = phi ptr [ %to, %entry ], [ %u, %put ]
  %inside = icmp ult i64 %i, %n
  br i1 %inside, label %look, label %done
look:
  %at = getelementptr i8, ptr %from, i64 %i
  %byte = load i8, ptr %at, align 1
  %index = zext i8 %byte to i64
  %entry_at = getelementptr i64, ptr %escapes, i64 %index
  %escape = load i64, ptr %entry_at, align 1
  %length = and i64 %escape, 255
  %none = icmp eq i64 %length, 0
  br i1 %none, label %other, label %put
put:
  %text = lshr i64 %escape, 8
  store i64 %text, ptr %t, align 1
  %u = getelementptr i8, ptr %t, i64 %length
  %next = add i64 %i, 1
  br label %test
done:
  ret ptr %t
other:
  ret ptr null
}}
"""


def _names(text: str, before: str) -> list[str]:
    """The functions whose names stand behind such words."""
    return [part.partition("@")[2].partition("(")[0] for part in text.split(before)[1:]]


def module(library: str, function: str) -> str:
    """A function and what it calls of the functions of a library: to compile the others takes LLVM as long."""
    texts = {}
    for part in library.split("\ndefine ")[1:]:
        text = "define " + part[: part.index("\n}\n") + 3]
        texts[_names(text, "define ")[0]] = text
    needed: dict[str, str] = {}
    missing = _names(function, "call ")
    while missing:
        name = missing.pop()
        if name in texts and name not in needed:
            needed[name] = texts[name]
            missing += _names(texts[name], "call ")
    declared = [line for line in library.split("\n") if line.startswith("declare ")]
    return "\n\n".join(("\n".join(declared), *needed.values(), function))
