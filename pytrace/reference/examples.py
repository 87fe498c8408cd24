"""An example for each builtin: a script that compiles, and shows what the builtin is for."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

_OPENAT = "tracepoint:syscalls:sys_enter_openat"
_READ = "tracepoint:syscalls:sys_exit_read"
_KILL = "tracepoint:syscalls:sys_enter_kill"
_LIBC = "uprobe:/lib/x86_64-linux-gnu/libc.so.6"

EXAMPLES: dict[str, str] = {
    # aggregations
    "count": f"{_OPENAT} {{ @[comm] = count(); }}",
    "sum": f"{_READ} /args.ret > 0/ {{ @bytes[comm] = sum(args.ret); }}",
    "min": f"{_READ} {{ @smallest = min(args.ret); }}",
    "max": f"{_READ} {{ @largest[comm] = max(args.ret); }}",
    "avg": f"{_READ} {{ @usual[comm] = avg(args.ret); }}",
    "stats": f"{_READ} {{ @[comm] = stats(args.ret); }}",
    "hist": f"{_READ} {{ @sizes = hist(args.ret); }}",
    "lhist": f"{_READ} {{ @sizes = lhist(args.ret, 0, 4096, 256); }}",
    "tseries": f'config = {{ unstable_tseries = enable }} {_READ} {{ @ = tseries(args.ret, 1s, 10, "sum"); }}',
    # configuration
    "config": "begin { print(config.max_strlen); }",
    # context
    "args": f'{_OPENAT} {{ printf("%s %s\\n", comm, str(args.filename)); }}',
    "retval": "uretprobe:/bin/bash:readline { print(str(retval)); }",
    "ctx": "profile:hz:9 { print(ctx.addr); }",
    "reg": 'profile:hz:9 { printf("%p\\n", (int8*)reg("ip")); }',
    "usermode": "profile:hz:99 { @[usermode] = count(); }",
    "func": f"{_LIBC}:malloc {{ @[func] = count(); }}",
    "probe": "tracepoint:syscalls:sys_enter_open* { @[probe] = count(); }",
    "probetype": "begin { print(probetype); }",
    # control
    "signal": f'{_OPENAT} /comm == "bad"/ {{ signal("KILL"); }}',
    "signal_thread": f'{_OPENAT} /comm == "bad"/ {{ signal_thread("STOP"); }}'.replace("STOP", "SIGSTOP"),
    "override": "kprobe:__x64_sys_getuid /pid == 1234/ { override(-1); }",
    "unwatch": "begin { unwatch(0); }",
    "cgroupid": f'{_OPENAT} /cgroup == cgroupid("/sys/fs/cgroup")/ {{ @[comm] = count(); }}',
    "cgroup_path": f"{_OPENAT} {{ @[cgroup_path(cgroup)] = count(); }}",
    # CPUs
    "ncpus": "begin { print(ncpus); }",
    "cpu": "profile:hz:99 { @[cpu] = count(); }",
    "numaid": "profile:hz:99 { @[numaid] = count(); }",
    "rand": f"{_OPENAT} /rand % 100 == 0/ {{ print(comm); }}",
    # introspection
    "is_str": "macro show(x) { if comptime (is_str(x)) { x } else { str(x) } } begin { print(show(\"text\")); }",
    "is_ptr": "begin { print(is_ptr(curtask)); }",
    "is_array": 'begin { print(is_array(pton("::1"))); }',
    "is_integer": "begin { print(is_integer(pid)); }",
    "is_unsigned_integer": "begin { print(is_unsigned_integer(pid)); }",
    "is_literal": "begin { print((is_literal(5), is_literal(pid))); }",
    "kfunc_exist": 'begin { print(kfunc_exist("bpf_task_from_pid")); }',
    "kfunc_allowed": 'begin { print(kfunc_allowed("bpf_task_from_pid")); }',
    "getopt": f'{_OPENAT} /comm == getopt("comm", "cat", "whom to trace")/ {{ @ = count(); }}',
    # maps
    "len": f"{_OPENAT} {{ @[tid] = 1; }} interval:s:1 {{ print(len(@)); }}",
    "has_key": f"{_OPENAT} {{ if (!has_key(@seen, comm)) {{ print(comm); }} @seen[comm] = true; }}",
    "find": "begin { @m[1] = 10; let $v; if (find(@m, 1, $v)) { print($v); } }",
    "delete": (
        "tracepoint:syscalls:sys_enter_read { @start[tid] = nsecs; } "
        f"{_READ} {{ if (delete(@start, tid)) {{ @ends = count(); }} }}"
    ),
    "clear": f"{_OPENAT} {{ @[comm] = count(); }} interval:s:1 {{ print(@); clear(@); }}",
    "zero": f"{_OPENAT} {{ @[comm] = count(); }} interval:s:1 {{ print(@); zero(@); }}",
    "is_scalar": "begin { @a = 1; @b[1] = 1; print((is_scalar(@a), is_scalar(@b))); }",
    # memory
    "buf": 'tracepoint:syscalls:sys_enter_write { printf("%r\\n", buf(args.buf, args.count)); }',
    "bswap": 'begin { printf("%x\\n", bswap((uint16)0x1234)); }',
    "kptr": "profile:hz:9 { print(*(uint64*)kptr(curtask)); }",
    "uptr": f"{_OPENAT} {{ print(str(uptr(args.filename))); }}",
    "path": "iter:task_file /ctx.file != 0/ { print(path(ctx.file.f_path)); }",
    "write_user": f"{_LIBC}:time {{ if (arg0 != 0) {{ $zero = (uint64)0; write_user(arg0, &$zero, 8); }} }}",
    # processes
    "pid": f"{_OPENAT} {{ @[pid] = count(); }}",
    "tid": f"{_OPENAT} {{ @[tid] = count(); }}",
    "uid": f"{_OPENAT} /uid == 0/ {{ @[comm] = count(); }}",
    "gid": f"{_OPENAT} {{ @[gid] = count(); }}",
    "username": f"{_OPENAT} {{ @[username] = count(); }}",
    "curtask": f"{_OPENAT} {{ @[curtask.nr_cpus_allowed] = count(); }}",
    "ppid": f"{_OPENAT} {{ @[comm, ppid] = count(); }}",
    "pcomm": f"{_OPENAT} {{ @[comm, pcomm] = count(); }}",
    "leader_tid": f"{_OPENAT} /tid != leader_tid/ {{ @[comm] = count(); }}",
    "leader_comm": f"{_OPENAT} {{ @[leader_comm, comm] = count(); }}",
    "comm": f"{_OPENAT} {{ @[comm] = count(); }}",
    "cgroup": f"{_OPENAT} {{ @[cgroup] = count(); }}",
    "cpid": f"{_OPENAT} /pid == cpid/ {{ print(str(args.filename)); }}",
    "has_cpid": f"{_OPENAT} /!has_cpid || pid == cpid/ {{ @ = count(); }}",
    # network
    "ntop": 'begin { print(ntop(pton("2001:db8::1"))); }',
    "pton": 'begin { print(pton("127.0.0.1")); }',
    "macaddr": 'begin { print(macaddr(pton("102:304:506::"))); }',
    "socket_cookie": "rawtracepoint:tcp_destroy_sock { print(socket_cookie(args.sk)); }",
    "skboutput": 'rawtracepoint:netif_receive_skb { $n = skboutput("packets.pcap", args.skb, 128, 0); print($n); }',
    # output
    "printf": f'{_OPENAT} {{ printf("%-16s %6d %s\\n", comm, pid, str(args.filename)); }}',
    "errorf": f'{_READ} /args.ret < 0/ {{ errorf("read: %s", strerror(args.ret)); }}',
    "warnf": f'{_READ} /args.ret == 0/ {{ warnf("%s is at the end", comm); }}',
    "cat": 'begin { cat("/proc/loadavg"); }',
    "system": 'interval:s:5 { system("uptime"); }',
    "debugf": 'begin { debugf("started as %d", pid); }',
    "fail": 'begin { if comptime (!kfunc_exist("bpf_task_from_pid")) { fail("needs Linux 6.2"); } }',
    "time": 'interval:s:1 { time("%H:%M:%S "); print(@); } tracepoint:syscalls:sys_enter_read { @ = count(); }',
    "join": "tracepoint:syscalls:sys_enter_execve { join(args.argv); }",
    "exit": f"{_OPENAT} {{ @ = count(); if (@ >= 100) {{ exit(); }} }}",
    "print": f"{_OPENAT} {{ @[comm] = count(); }} interval:s:1 {{ print(@, 5); }}",
    # stacks
    "kstack": "profile:hz:99 { @[kstack(5)] = count(); }",
    "ustack": "profile:hz:99 /pid == 1234/ { @[ustack(perf)] = count(); }",
    "dw_ustack": "profile:hz:99 { @[dw_ustack] = count(); }",
    # strings
    "str": f"{_OPENAT} {{ print(str(args.filename)); }}",
    "strlen": f"{_OPENAT} {{ @ = hist(strlen(str(args.filename))); }}",
    "strcap": 'begin { print(strcap("hello")); }',
    "str_concat": 'begin { print(str_concat("foo", "bar")); }',
    "strerror": f"{_READ} /args.ret < 0/ {{ @[strerror(args.ret)] = count(); }}",
    "signal_name": f"{_KILL} {{ print(signal_name(args.sig)); }}",
    "syscall_name": "tracepoint:raw_syscalls:sys_enter { @[syscall_name(args.id)] = count(); }",
    "strstr": 'begin { print(strstr("hello", "lo")); }',
    "strcontains": f'{_OPENAT} /strcontains(str(args.filename), ".so")/ {{ @[comm] = count(); }}',
    "strncmp": f'{_OPENAT} /strncmp(str(args.filename), "/etc/", 5) == 0/ {{ @[comm] = count(); }}',
    "memcmp": 'begin { print(memcmp("abc", "abd", 3)); }',
    # symbols
    "ksym": "begin { print(ksym(kaddr(\"schedule\"))); }",
    "usym": f"{_LIBC}:malloc {{ @[usym(reg(\"ip\"))] = count(); }}",
    "kaddr": 'begin { printf("%p\\n", (int8*)kaddr("schedule")); }',
    "percpu_kaddr": 'begin { printf("%p\\n", (int8*)percpu_kaddr("runqueues")); }',
    "uaddr": f'{_LIBC}:malloc {{ print(*uaddr("environ")); exit(); }}',
    # time
    "nsecs": (
        "tracepoint:syscalls:sys_enter_read { @start[tid] = nsecs; } "
        f"{_READ} {{ @ = hist(nsecs - @start[tid]); }}"
    ),
    "elapsed": f"{_OPENAT} {{ print((elapsed / 1ms, comm)); }}",
    "jiffies": "begin { print(jiffies); }",
    "strftime": f'{_OPENAT} {{ printf("%s %s\\n", strftime("%H:%M:%S.%l", nsecs), comm); }}',
    # of the syntax
    "sizeof": "struct pair { int a; char b; } begin { print((sizeof(struct pair), sizeof(uint16))); }",
    "offsetof": "struct pair { int a; char b; } begin { print(offsetof(struct pair, b)); }",
    "typeof": f"{_OPENAT} {{ let $flags: typeof(args.flags) = args.flags; print($flags); }}",
    "typeinfo": "config = { unstable_typeinfo = enable } begin { print(typeinfo(pid).full_type); }",
    # macros of the library
    "assert": 'begin { assert(ncpus > 0, "a machine has CPUs"); }',
    "assert_str": "macro first(s) { assert_str(s); print(s); } begin { first(\"text\"); }",
    "container_of": (
        "struct pair { int a; int b; } "
        "begin { print(container_of((int8*)104, typeof(struct pair), b)); }"
    ),
    "default_str_length": "begin { print(default_str_length()); }",
    "is_err": "begin { print((is_err(-1), is_err(1))); }",
    "static_assert": 'begin { static_assert(sizeof(pid) == 4, "process ids have 32 bits"); }',
}
for _number in range(10):
    _place = f"{_LIBC}:malloc" if _number < 6 else "usdt:./program:name"
    EXAMPLES[f"arg{_number}"] = f"{_place} {{ print(arg{_number}); }}"
