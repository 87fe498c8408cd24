"""What the entries of large maps are folded, ordered and found by, in LLVM's language."""

from __future__ import annotations

__all__ = ["COUNTS", "SORTING"]

COUNTS = 256 * 8
"""Bytes that sorting needs besides the room for its result."""

SORTING = """
; Adds up n words, of which there is at least one, each `step` words behind the one before.
define internal i64 @sum(ptr %at, i64 %n, i64 %step) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %total = phi i64 [ 0, %entry ], [ %more, %loop ]
  %skip = mul i64 %i, %step
  %p = getelementptr i64, ptr %at, i64 %skip
  %word = load i64, ptr %p, align 8
  %more = add i64 %total, %word
  %next = add i64 %i, 1
  %again = icmp ult i64 %next, %n
  br i1 %again, label %loop, label %done
done:
  ret i64 %more
}

; Adds n words, of which there is at least one, to those at `to`.
define internal void @add_words(ptr %to, ptr %from, i64 %n) #0 {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %f = getelementptr i64, ptr %from, i64 %i
  %t = getelementptr i64, ptr %to, i64 %i
  %word = load i64, ptr %f, align 8
  %old = load i64, ptr %t, align 8
  %new = add i64 %word, %old
  store i64 %new, ptr %t, align 8
  %next = add i64 %i, 1
  %again = icmp ult i64 %next, %n
  br i1 %again, label %loop, label %done
done:
  ret void
}

; Orders pairs of words by the first one (by = 0) or the second (by = 1), those with equal ones as they are: byte by
; byte from the lowest, without those that are the same in all of them. Gives where the result is.
define internal ptr @sort(ptr %pairs, ptr %spare, ptr %counts, i64 %n, i64 %by) #0 {
entry:
  %some = icmp ugt i64 %n, 1
  br i1 %some, label %differences, label %none
none:
  ret ptr %pairs
differences:
  %onep = getelementptr i64, ptr %pairs, i64 %by
  %one = load i64, ptr %onep, align 8
  br label %compare
compare:
  %c = phi i64 [ 1, %differences ], [ %c1, %compare ]
  %seen = phi i64 [ 0, %differences ], [ %seen1, %compare ]
  %cp = getelementptr [2 x i64], ptr %pairs, i64 %c
  %cwp = getelementptr i64, ptr %cp, i64 %by
  %cw = load i64, ptr %cwp, align 8
  %other = xor i64 %cw, %one
  %seen1 = or i64 %seen, %other
  %c1 = add i64 %c, 1
  %cm = icmp ult i64 %c1, %n
  br i1 %cm, label %compare, label %pass
pass:
  %p = phi i64 [ 0, %compare ], [ %p1, %passed ]
  %from = phi ptr [ %pairs, %compare ], [ %from1, %passed ]
  %to = phi ptr [ %spare, %compare ], [ %to1, %passed ]
  %shift = shl i64 %p, 3
  %rest = lshr i64 %seen1, %shift
  %differing = and i64 %rest, 255
  %all = icmp eq i64 %differing, 0
  br i1 %all, label %passed, label %zero
zero:
  %z = phi i64 [ 0, %pass ], [ %z1, %zero ]
  %zp = getelementptr i64, ptr %counts, i64 %z
  store i64 0, ptr %zp, align 8
  %z1 = add i64 %z, 1
  %zm = icmp ult i64 %z1, 256
  br i1 %zm, label %zero, label %count
count:
  %k = phi i64 [ 0, %zero ], [ %k1, %count ]
  %kp = getelementptr [2 x i64], ptr %from, i64 %k
  %kwp = getelementptr i64, ptr %kp, i64 %by
  %kw = load i64, ptr %kwp, align 8
  %ks = lshr i64 %kw, %shift
  %kb = and i64 %ks, 255
  %cell = getelementptr i64, ptr %counts, i64 %kb
  %old = load i64, ptr %cell, align 8
  %new = add i64 %old, 1
  store i64 %new, ptr %cell, align 8
  %k1 = add i64 %k, 1
  %km = icmp ult i64 %k1, %n
  br i1 %km, label %count, label %places
places:
  %s = phi i64 [ 0, %count ], [ %s1, %places ]
  %total = phi i64 [ 0, %count ], [ %total1, %places ]
  %sp = getelementptr i64, ptr %counts, i64 %s
  %many = load i64, ptr %sp, align 8
  store i64 %total, ptr %sp, align 8
  %total1 = add i64 %total, %many
  %s1 = add i64 %s, 1
  %sm = icmp ult i64 %s1, 256
  br i1 %sm, label %places, label %move
move:
  %m = phi i64 [ 0, %places ], [ %m1, %move ]
  %mp = getelementptr [2 x i64], ptr %from, i64 %m
  %firstw = load i64, ptr %mp, align 8
  %mp1 = getelementptr i64, ptr %mp, i64 1
  %secondw = load i64, ptr %mp1, align 8
  %mwp = getelementptr i64, ptr %mp, i64 %by
  %mw = load i64, ptr %mwp, align 8
  %ms = lshr i64 %mw, %shift
  %mb = and i64 %ms, 255
  %bp = getelementptr i64, ptr %counts, i64 %mb
  %place = load i64, ptr %bp, align 8
  %following = add i64 %place, 1
  store i64 %following, ptr %bp, align 8
  %tp = getelementptr [2 x i64], ptr %to, i64 %place
  store i64 %firstw, ptr %tp, align 8
  %tp1 = getelementptr i64, ptr %tp, i64 1
  store i64 %secondw, ptr %tp1, align 8
  %m1 = add i64 %m, 1
  %mm = icmp ult i64 %m1, %n
  br i1 %mm, label %move, label %swap
swap:
  br label %passed
passed:
  %from1 = phi ptr [ %from, %pass ], [ %to, %swap ]
  %to1 = phi ptr [ %to, %pass ], [ %from, %swap ]
  %p1 = add i64 %p, 1
  %pm = icmp ult i64 %p1, 8
  br i1 %pm, label %pass, label %done
done:
  ret ptr %from1
}
"""
