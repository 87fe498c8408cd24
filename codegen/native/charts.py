"""The lines of a histogram: what `output/charts.py` does, in LLVM's language.

Bars are measured in single precision, as there: sums are rounded to double, then to single precision. The processor's
own instructions do that without constants, which the code could not reach.
"""

from __future__ import annotations

import struct

from pytrace.frozen import frozen
from pytrace.hints import Sequence

__all__ = ["CHART", "LABEL", "Chart", "chart_of"]

_BAR = 52
LABEL = 16
"""Bytes that a bucket's label is padded to."""
_FEET = 3 * 20 + _BAR
"""Bytes of a line besides the label, at most."""

CHART = f"""
; Adds up copies of n words each, into words at `to`.
define internal void @add_rows(ptr %to, ptr %from, i64 %n, i64 %copies) #0 {{
entry:
  br label %row
row:
  %i = phi i64 [ 0, %entry ], [ %i1, %put ]
  %start = getelementptr i64, ptr %from, i64 %i
  br label %copy
copy:
  %c = phi i64 [ 0, %row ], [ %c1, %copy ]
  %total = phi i64 [ 0, %row ], [ %more, %copy ]
  %skip = mul i64 %c, %n
  %p = getelementptr i64, ptr %start, i64 %skip
  %word = load i64, ptr %p, align 8
  %more = add i64 %total, %word
  %c1 = add i64 %c, 1
  %cm = icmp ult i64 %c1, %copies
  br i1 %cm, label %copy, label %put
put:
  %tp = getelementptr i64, ptr %to, i64 %i
  store i64 %more, ptr %tp, align 8
  %i1 = add i64 %i, 1
  %im = icmp ult i64 %i1, %n
  br i1 %im, label %row, label %done
done:
  ret void
}}

; The nearest float of the nearest double.
define internal float @single(i64 %value) #0 {{
entry:
  %large = icmp slt i64 %value, 0
  br i1 %large, label %halve, label %whole
halve:
  %half = lshr i64 %value, 1
  %low = and i64 %value, 1
  %sticky = or i64 %half, %low
  %d = sitofp i64 %sticky to double
  %twice = fadd double %d, %d
  br label %done
whole:
  %e = sitofp i64 %value to double
  br label %done
done:
  %result = phi double [ %twice, %halve ], [ %e, %whole ]
  %single = fptrunc double %result to float
  ret float %single
}}

; The lines from the first of n rows that is not 0 to the last. `chart` has the bar's full length, then a full bar and
; an empty one; `labels` the labels, `stride` bytes each, the first eight of which are the label's length.
define internal ptr @chart(ptr %start, ptr %rows, i64 %n, ptr %labels, i64 %stride, ptr %chart, ptr %tables) #0 {{
entry:
  br label %scan
scan:
  %i = phi i64 [ 0, %entry ], [ %i1, %scan ]
  %first = phi i64 [ -1, %entry ], [ %first1, %scan ]
  %last = phi i64 [ 0, %entry ], [ %last1, %scan ]
  %most = phi i64 [ 0, %entry ], [ %most1, %scan ]
  %ip = getelementptr i64, ptr %rows, i64 %i
  %iw = load i64, ptr %ip, align 8
  %used = icmp ne i64 %iw, 0
  %mine = select i1 %used, i64 %i, i64 -1
  %earlier = icmp ult i64 %first, %mine
  %first1 = select i1 %earlier, i64 %first, i64 %mine
  %last1 = select i1 %used, i64 %i, i64 %last
  %higher = icmp ugt i64 %iw, %most
  %most1 = select i1 %higher, i64 %iw, i64 %most
  %i1 = add i64 %i, 1
  %im = icmp ult i64 %i1, %n
  br i1 %im, label %scan, label %scanned
scanned:
  %any = icmp ne i64 %most1, 0
  br i1 %any, label %draw, label %empty
empty:
  ret ptr %start
draw:
  %greatest = call float @single(i64 %most1)
  %length = load float, ptr %chart, align 1
  %bars = getelementptr i8, ptr %chart, i64 {8 + _BAR}
  br label %line
line:
  %r = phi i64 [ %first1, %draw ], [ %r1, %line ]
  %to = phi ptr [ %start, %draw ], [ %to5, %line ]
  %offset = mul i64 %r, %stride
  %label = getelementptr i8, ptr %labels, i64 %offset
  %size = load i64, ptr %label, align 1
  %text = getelementptr i8, ptr %label, i64 8
  %to1 = call ptr @copy(ptr %to, ptr %text, i64 %size)
  %rp = getelementptr i64, ptr %rows, i64 %r
  %count = load i64, ptr %rp, align 8
  %to2 = call ptr @number(ptr %to1, i64 %count, i64 0, i64 8, i64 {ord(" ") << 8}, ptr %tables)
  store i16 {int.from_bytes(b" |", "little")}, ptr %to2, align 1
  %to3 = getelementptr i8, ptr %to2, i64 2
  %share = call float @single(i64 %count)
  %part = fdiv float %share, %greatest
  %scaled = fmul float %part, %length
  %whole = fptosi float %scaled to i64
  %less = sub i64 0, %whole
  %bar = getelementptr i8, ptr %bars, i64 %less
  %to4 = call ptr @copy(ptr %to3, ptr %bar, i64 {_BAR})
  store i16 {int.from_bytes(b"|" + chr(10).encode(), "little")}, ptr %to4, align 1
  %to5 = getelementptr i8, ptr %to4, i64 2
  %r1 = add i64 %r, 1
  %over = icmp ugt i64 %r1, %last1
  br i1 %over, label %done, label %line
done:
  ret ptr %to5
}}
"""


@frozen
class Chart:
    """How histograms of a type are drawn: from so many words, with these bytes of constants, of which the labels begin
    at `labels` and are `stride` bytes each; `most` are the bytes of one at most."""

    words: int
    data: bytes
    labels: int
    stride: int
    most: int


def chart_of(labels: Sequence[str]) -> Chart:
    """For buckets with these labels."""
    texts = [label.encode().ljust(LABEL) for label in labels]
    longest = max(map(len, texts))
    stride = 8 + (longest + 7) // 8 * 8
    head = struct.pack("<fxxxx", _BAR) + b"@" * _BAR + b" " * (_BAR + 8)
    body = b"".join([len(text).to_bytes(8, "little") + text.ljust(stride - 8) for text in texts])
    return Chart(len(texts), head + body, len(head), stride, len(texts) * (longest + _FEET))
