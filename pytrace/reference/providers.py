"""What the reference says of the probe providers; their short names are those of `pytrace.probes`."""

from __future__ import annotations

__all__ = ["PROVIDERS"]

PROVIDERS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "begin": (("begin",), "Runs once, before any other probe is attached.", 'begin { printf("tracing\\n"); }'),
    "end": (
        ("end",), "Runs once, when tracing has ended and before the maps are printed.",
        'end { printf("traced for %d s\\n", elapsed / 1s); }',
    ),
    "self": (
        ("self:signal:SIGUSR1",), "Runs when pytrace itself gets the signal.",
        'self:signal:SIGUSR1 { time("%H:%M:%S\\n"); }',
    ),
    "test": (("test:NAME",), "Runs once with --test; it passes if it returns 0.", "test:one { return 1 - 1; }"),
    "bench": (("bench:NAME",), "Is measured with --bench.", "bench:count { @ = count(); }"),
    "kprobe": (
        ("kprobe:[MODULE:]FUNCTION[+OFFSET]", "kprobe:ADDRESS"),
        "A kernel function when it is called, or an instruction in it. Arguments are arg0, arg1, …",
        "kprobe:vfs_read { @[comm] = count(); }",
    ),
    "kretprobe": (
        ("kretprobe:[MODULE:]FUNCTION",), "A kernel function when it returns, with `retval`.",
        "kretprobe:vfs_read { @ = hist(retval); }",
    ),
    "fentry": (
        ("fentry:[MODULE:]FUNCTION", "fentry:bpf:[ID:]PROGRAM"),
        "A kernel function, or a BPF program, when it is called; the arguments are in `args`, with their types.",
        "fentry:vfs_read { @ = hist(args.count); }",
    ),
    "fexit": (
        ("fexit:[MODULE:]FUNCTION", "fexit:bpf:[ID:]PROGRAM"), "The same when it returns: arguments and `retval`.",
        "fexit:vfs_read { @[args.count] = hist(retval); }",
    ),
    "rawtracepoint": (
        ("rawtracepoint:[MODULE:]NAME",), "A tracepoint of the kernel with the arguments that the kernel passes to it.",
        "rawtracepoint:sched_switch { @[args.next.comm] = count(); }",
    ),
    "tracepoint": (
        ("tracepoint:CATEGORY:NAME",), "A tracepoint of the kernel with the fields of its record.",
        'tracepoint:syscalls:sys_enter_openat { printf("%s\\n", str(args.filename)); }',
    ),
    "uprobe": (
        (
            "uprobe:BINARY:FUNCTION[+OFFSET]", "uprobe:BINARY:ADDRESS", 'uprobe:BINARY:cpp:"NAME"',
            "uprobe:BINARY@FILE:LINE[:COLUMN]",
        ),
        "A function or instruction of a program or library. BINARY is a path, or a name that is looked for in PATH, or "
        "ARCHIVE!/MEMBER in a zip archive. Behind `cpp` NAME is a name of C++ or Rust as it was written.",
        "uprobe:/bin/bash:readline { @ = count(); }",
    ),
    "uretprobe": (
        ("uretprobe:BINARY:FUNCTION",), "A function of a program or library when it returns, with `retval`.",
        "uretprobe:/bin/bash:readline { print(str(retval)); }",
    ),
    "usdt": (
        ("usdt:BINARY:[PROVIDER:]NAME",), "A static probe of a program or library. Arguments are arg0, arg1, …",
        "usdt:/lib/x86_64-linux-gnu/libc.so.6:setjmp { @ = count(); }",
    ),
    "profile": (
        ("profile:hz:RATE", "profile:UNIT:COUNT", "profile:DURATION"),
        "A timer on every CPU. UNIT is s, ms, us or ns.", "profile:hz:99 { @[kstack] = count(); }",
    ),
    "interval": (
        ("interval:hz:RATE", "interval:UNIT:COUNT", "interval:DURATION"), "A timer on one CPU.",
        'interval:s:1 { time("%H:%M:%S\\n"); }',
    ),
    "software": (
        ("software:EVENT[:COUNT]",), "Every COUNT-th event of the kernel's counters.",
        "software:page-faults:100 { @[comm] = count(); }",
    ),
    "hardware": (
        ("hardware:EVENT[:COUNT]",), "Every COUNT-th event of the processor's counters.",
        "hardware:cache-misses:1000000 { @[comm] = count(); }",
    ),
    "watchpoint": (
        ("watchpoint:ADDRESS:LENGTH:MODE",), "Memory that is read (r), written (w) or executed (x).",
        "watchpoint:0x10000000:8:rw { print(comm); exit(); }",
    ),
    "iter": (
        ("iter:KIND[:PIN]",), "Runs once for each object of a kind that the kernel holds, such as each task.",
        'iter:task { printf("%s %d\\n", ctx.task.comm, ctx.task.pid); }',
    ),
}
"""By name: how it is spelled, what it is, and an example."""
