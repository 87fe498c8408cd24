"""BPF object files as `clang -target bpf -g` makes them, made by LLVM without clang."""

from __future__ import annotations

from pytrace.codegen.llvm import compile_modules

CODE = """
@counter = global i32 5, align 4, !dbg !30
define internal i32 @square(i32 %x) noinline nounwind !dbg !13 {
  %r = mul i32 %x, %x
  ret i32 %r
}
define i64 @sum_of_squares(i32 %a, i8 zeroext %b) nounwind noinline !dbg !10 {
  %w = zext i8 %b to i32
  %s = call i32 @square(i32 %a), !dbg !50
  %t = call i32 @square(i32 %w), !dbg !50
  %u = add i32 %s, %t
  %r = sext i32 %u to i64
  ret i64 %r
}
define i32 @bump(i32 %by) nounwind !dbg !14 {
  %old = load i32, ptr @counter, align 4
  %new = add i32 %old, %by
  store i32 %new, ptr @counter, align 4
  ret i32 %new
}
define i32 @is_null(ptr %task) nounwind !dbg !15 {
  %c = icmp eq ptr %task, null
  %r = zext i1 %c to i32
  ret i32 %r
}
define void @reset() nounwind !dbg !16 {
  store i32 0, ptr @counter, align 4
  ret void
}
"""

TYPES = """
!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!2}
!0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !1, producer: "test", isOptimized: true, runtimeVersion: 0,
  emissionKind: FullDebug, globals: !33)
!1 = !DIFile(filename: "tiny.c", directory: "/")
!2 = !{i32 2, !"Debug Info Version", i32 3}
!3 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!4 = !DIBasicType(name: "long long", size: 64, encoding: DW_ATE_signed)
!5 = !DIBasicType(name: "unsigned char", size: 8, encoding: DW_ATE_unsigned_char)
!6 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !7, size: 64)
!7 = !DICompositeType(tag: DW_TAG_structure_type, name: "task_struct", file: !1, line: 1, flags: DIFlagFwdDecl)
!10 = distinct !DISubprogram(name: "sum_of_squares", scope: !1, file: !1, line: 1, type: !17, unit: !0,
  spFlags: DISPFlagDefinition, retainedNodes: !24)
!13 = distinct !DISubprogram(name: "square", scope: !1, file: !1, line: 1, type: !18, unit: !0,
  spFlags: DISPFlagLocalToUnit | DISPFlagDefinition, retainedNodes: !25)
!14 = distinct !DISubprogram(name: "bump", scope: !1, file: !1, line: 1, type: !18, unit: !0,
  spFlags: DISPFlagDefinition, retainedNodes: !26)
!15 = distinct !DISubprogram(name: "is_null", scope: !1, file: !1, line: 1, type: !19, unit: !0,
  spFlags: DISPFlagDefinition, retainedNodes: !27)
!16 = distinct !DISubprogram(name: "reset", scope: !1, file: !1, line: 1, type: !20, unit: !0,
  spFlags: DISPFlagDefinition)
!17 = !DISubroutineType(types: !{!4, !3, !5})
!18 = !DISubroutineType(types: !{!3, !3})
!19 = !DISubroutineType(types: !{!3, !6})
!20 = !DISubroutineType(types: !{null})
!24 = !{!40, !41}
!25 = !{!42}
!26 = !{!43}
!27 = !{!44}
!50 = !DILocation(line: 1, column: 1, scope: !10)
!30 = !DIGlobalVariableExpression(var: !31, expr: !DIExpression())
!31 = distinct !DIGlobalVariable(name: "counter", scope: !0, file: !1, line: 1, type: !3, isDefinition: true)
!33 = !{!30}
!40 = !DILocalVariable(name: "a", arg: 1, scope: !10, file: !1, line: 1, type: !3)
!41 = !DILocalVariable(name: "b", arg: 2, scope: !10, file: !1, line: 1, type: !5)
!42 = !DILocalVariable(name: "x", arg: 1, scope: !13, file: !1, line: 1, type: !3)
!43 = !DILocalVariable(name: "by", arg: 1, scope: !14, file: !1, line: 1, type: !3)
!44 = !DILocalVariable(name: "task", arg: 1, scope: !15, file: !1, line: 1, type: !6)
"""


def object_file(code: str = CODE, types: str = TYPES) -> bytes:
    """The object file of a module in LLVM's language: functions `sum_of_squares`, `bump`, `is_null`, `reset`."""
    return compile_modules([code + types], "v3")[0]
