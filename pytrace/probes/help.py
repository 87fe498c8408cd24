"""What help says about each provider: how its probes are spelled, when they fire, what they see, an example."""

from __future__ import annotations

from pytrace.frozen import frozen

__all__ = ["HELP", "ProviderHelp"]


@frozen
class ProviderHelp:
    """`summary` is half a line, `doc` some sentences, `example` a script."""

    syntax: tuple[str, ...]
    summary: str
    doc: str
    example: str


HELP: dict[str, ProviderHelp] = {
    "begin": ProviderHelp(
        ("begin",), "once, before anything is attached",
        "Runs in the context of pytrace itself, before all other probes.",
        'begin { printf("tracing\\n"); }',
    ),
    "end": ProviderHelp(
        ("end",), "once, after everything is detached",
        "Runs in the context of pytrace itself, after all other probes; maps are printed behind it.",
        "kprobe:vfs_read { @start[tid] = nsecs; } end { clear(@start); }",
    ),
    "self": ProviderHelp(
        ("self:signal:SIGUSR1",), "when pytrace receives a signal",
        "Runs when SIGUSR1 is sent to pytrace.",
        "kprobe:vfs_read { @ = count(); } self:signal:SIGUSR1 { print(@); }",
    ),
    "test": ProviderHelp(
        ("test:NAME",), "a test of a script, run by --test",
        "The test passes unless its probe returns a number other than 0. Without --test nothing runs it.",
        "test:sums { if (1 + 1 != 2) { return 1; } }",
    ),
    "bench": ProviderHelp(
        ("bench:NAME",), "a piece of a script whose time --bench measures",
        "Without --bench nothing runs it.",
        "bench:count { @ = count(); }",
    ),
    "kprobe": ProviderHelp(
        ("kprobe:[MODULE:]FUNCTION", "kprobe:[MODULE:]FUNCTION+OFFSET", "kprobe:ADDRESS"),
        "a kernel function is entered",
        "Arguments are arg0, arg1, … as they are passed in registers. FUNCTION may be a pattern; OFFSET is in bytes; "
        "an ADDRESS needs --unsafe.",
        "kprobe:vfs_read { @[comm] = count(); }",
    ),
    "kretprobe": ProviderHelp(
        ("kretprobe:[MODULE:]FUNCTION",), "a kernel function returns",
        "What it returns is retval. Arguments are gone by then: keep them in a map by tid when it is entered.",
        "kretprobe:vfs_read { @bytes = hist(retval); }",
    ),
    "fentry": ProviderHelp(
        ("fentry:[MODULE:]FUNCTION", "fentry:bpf:[ID:]PROGRAM"), "a kernel function or a BPF program is entered",
        "Arguments have their names and types: args.NAME. Needs the kernel's type information and costs less than "
        "kprobe.",
        "fentry:vfs_read { @[str(args.file.f_path.dentry.d_name.name)] = sum(args.count); }",
    ),
    "fexit": ProviderHelp(
        ("fexit:[MODULE:]FUNCTION", "fexit:bpf:[ID:]PROGRAM"), "a kernel function or a BPF program returns",
        "Arguments are args.NAME, what it returns is retval with its type.",
        "fexit:vfs_read /retval > 0/ { @[comm] = sum(retval); }",
    ),
    "rawtracepoint": ProviderHelp(
        ("rawtracepoint:[MODULE:]EVENT",), "a static tracepoint, with the kernel's own arguments",
        "args.NAME are the arguments of the kernel's trace call, pointers to its structures included; arg0, arg1, … "
        "are the same as numbers. Costs less than tracepoint, and its arguments change more from kernel to kernel.",
        "rawtracepoint:sched_switch { @[args.next.comm] = count(); }",
    ),
    "tracepoint": ProviderHelp(
        ("tracepoint:CATEGORY:EVENT",), "a static tracepoint of the kernel",
        "args.NAME are the fields of its record (`:lv tracepoint:CATEGORY:EVENT` lists them). Both parts may be "
        "patterns.",
        'tracepoint:syscalls:sys_enter_openat { printf("%s %s\\n", comm, str(args.filename)); }',
    ),
    "uprobe": ProviderHelp(
        ("uprobe:FILE:FUNCTION", "uprobe:FILE:FUNCTION+OFFSET", "uprobe:FILE:ADDRESS", 'uprobe:FILE:cpp:"NAME"',
         "uprobe:FILE@SOURCE:LINE"),
        "a function of a program or library is entered",
        "FILE is a path, a program of $PATH, or a library (`libc`). Arguments are arg0, arg1, …, with debug "
        "information also args.NAME. Behind `cpp` NAME is a name of C++ or Rust as its author wrote it.",
        'uprobe:libc:getenv { printf("%s %s\\n", comm, str(arg0)); }',
    ),
    "uretprobe": ProviderHelp(
        ("uretprobe:FILE:FUNCTION",), "a function of a program or library returns",
        "What it returns is retval, 64 bits wide: cast it to what it is.",
        "uretprobe:libc:malloc { @[comm] = count(); }",
    ),
    "usdt": ProviderHelp(
        ("usdt:FILE:[NAMESPACE:]NAME",), "a static probe of a program or library",
        "Arguments are arg0, arg1, … FILE is as for uprobe, or * for all that is in use.",
        "usdt:libc:setjmp { @[comm] = count(); }",
    ),
    "profile": ProviderHelp(
        ("profile:hz:RATE", "profile:s:N", "profile:ms:N", "profile:us:N", "profile:DURATION"),
        "a timer on every CPU",
        "Interrupts what runs there, for sampling. 99 times a second does not run in step with other timers.",
        "profile:hz:99 { @[kstack] = count(); }",
    ),
    "interval": ProviderHelp(
        ("interval:hz:RATE", "interval:s:N", "interval:ms:N", "interval:us:N", "interval:DURATION"),
        "a timer on one CPU", "For printing in intervals, or for ending after some time.",
        "kprobe:vfs_read { @ = count(); } interval:s:1 { print(@); clear(@); }",
    ),
    "software": ProviderHelp(
        ("software:EVENT[:COUNT]",), "an event that the kernel counts",
        "Every COUNTth event fires; without it a number that is usual for the event.",
        "software:page-faults:1 { @[comm] = count(); }",
    ),
    "hardware": ProviderHelp(
        ("hardware:EVENT[:COUNT]",), "an event that the processor counts",
        "Every COUNTth event fires; without it a number that is usual for the event. Virtual machines often have none.",
        "hardware:cache-misses:1000000 { @[comm] = count(); }",
    ),
    "watchpoint": ProviderHelp(
        ("watchpoint:ADDRESS:LENGTH:MODE",), "memory is read, written or executed",
        "LENGTH is 1, 2, 4 or 8 bytes; MODE has the letters r, w and x, as far as the processor knows them. Processors "
        "have few of these.",
        "watchpoint:0xffffffff82000000:8:w { @[kstack] = count(); }",
    ),
    "iter": ProviderHelp(
        ("iter:NAME[:PIN]",), "once for each object that the kernel has of a kind",
        "ctx.NAME is the object: ctx.task of iter:task. With PIN the iterator becomes a file below /sys/fs/bpf that "
        "runs it when it is read.",
        'iter:task { printf("%d %s\\n", ctx.task.pid, ctx.task.comm); }',
    ),
}  # fmt: skip
