"""A short script for each value and function of the language, as help shows them."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

EXAMPLES: dict[str, str] = {
    # aggregations
    "count": "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
    "sum": "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @[comm] = sum(args.ret); }",
    "min": "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @smallest = min(args.ret); }",
    "max": "tracepoint:syscalls:sys_exit_read { @largest[comm] = max(args.ret); }",
    "avg": "tracepoint:syscalls:sys_enter_write { @[comm] = avg(args.count); }",
    "stats": "tracepoint:syscalls:sys_enter_write { @[comm] = stats(args.count); }",
    "hist": "tracepoint:syscalls:sys_exit_read /args.ret > 0/ { @bytes[comm] = hist(args.ret); }",
    "lhist": "tracepoint:syscalls:sys_exit_read { @ = lhist(args.ret, 0, 1000, 100); }",
    "tseries": 'config = { unstable_tseries = enable } '
               'tracepoint:raw_syscalls:sys_enter { @ = tseries(1, 1s, 10, "sum"); }',
    # configuration
    "config": "begin { print(config.max_strlen); }",
    # context
    "args": "tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }",
    **{f"arg{n}": f"kprobe:vfs_read {{ @ = hist(arg{n}); }}" for n in range(6)},
    **{f"arg{n}": f"usdt:./app:event {{ print(arg{n}); }}" for n in range(6, 10)},
    "retval": "kretprobe:vfs_read { @bytes = hist(retval); }",
    "ctx": "kprobe:vfs_read { print(ctx.ip); }",
    "reg": 'kprobe:vfs_read { print((void *)reg("sp")); }',
    "usermode": "profile:hz:99 { @[usermode ? \"user\" : \"kernel\"] = count(); }",
    "func": "kprobe:vfs_* { @[func] = count(); }",
    "probe": "kprobe:vfs_* { @[probe] = count(); }",
    "probetype": "begin { print(probetype); }",
    # control
    "signal": 'kprobe:vfs_read /comm == "runaway"/ { signal("SIGSTOP"); }',
    "signal_thread": 'kprobe:vfs_read /comm == "runaway"/ { signal_thread("SIGUSR1"); }',
    "override": 'kprobe:__x64_sys_getuid /comm == "id"/ { override(1000); }',
    "unwatch": "begin { unwatch(0x1000); }",
    "cgroupid": 'tracepoint:raw_syscalls:sys_enter /cgroup == cgroupid("/sys/fs/cgroup")/ { @ = count(); }',
    "cgroup_path": "tracepoint:raw_syscalls:sys_enter { @[cgroup_path(cgroup)] = count(); }",
    # cpu
    "ncpus": "begin { print(ncpus); }",
    "cpu": "profile:hz:99 { @[cpu] = count(); }",
    "numaid": "profile:hz:99 { @[numaid] = count(); }",
    "rand": "tracepoint:raw_syscalls:sys_enter /rand % 100 == 0/ { @[comm] = count(); }",
    # introspection
    "is_str": "begin { print(is_str(comm)); }",
    "is_ptr": "begin { print(is_ptr(curtask)); }",
    "is_array": "begin { print(is_array(curtask.cpus_mask.bits)); }",
    "is_integer": "begin { print(is_integer(pid)); }",
    "is_unsigned_integer": "begin { print(is_unsigned_integer(nsecs)); }",
    "is_literal": "begin { print(is_literal(7)); }",
    "kfunc_exist": 'begin { print(kfunc_exist("bpf_rcu_read_lock")); }',
    "kfunc_allowed": 'begin { print(kfunc_allowed("bpf_rcu_read_lock")); }',
    "getopt": 'begin { print(getopt("size", 10)); }',
    # maps
    "len": "interval:s:1 { print(len(@start)); } kprobe:vfs_read { @start[tid] = nsecs; }",
    "has_key": "kprobe:vfs_read { @start[tid] = nsecs; } kretprobe:vfs_read /has_key(@start, tid)/ { @ = count(); }",
    "find": "kprobe:vfs_read { @start[tid] = nsecs; } "
            "kretprobe:vfs_read { let $at: uint64; if (find(@start, tid, $at)) { @since = max($at); } }",
    "delete": "kprobe:vfs_read { @start[tid] = nsecs; } kretprobe:vfs_read { _ = delete(@start, tid); }",
    "clear": "kprobe:vfs_read { @[comm] = count(); } interval:s:1 { print(@); clear(@); }",
    "zero": "kprobe:vfs_read { @[comm] = count(); } interval:s:1 { print(@); zero(@); }",
    "is_scalar": "begin { @total = 1; print(is_scalar(@total)); }",
    # memory
    "buf": 'tracepoint:syscalls:sys_enter_write { printf("%r\\n", buf(args.buf, args.count)); }',
    "bswap": "begin { print(bswap((uint16)0x1234)); }",
    "kptr": "begin { print(*kptr((uint64 *)curtask)); }",
    "uptr": 'kprobe:do_sys_openat2 { printf("%s\\n", str(uptr(arg1))); }',
    "path": "fentry:vfs_read { print(path(args.file.f_path)); }",
    "write_user": "tracepoint:syscalls:sys_enter_read { $zero = (uint8)0; _ = write_user(args.buf, &$zero, 1); }",
    # process
    "pid": "tracepoint:raw_syscalls:sys_enter { @[pid] = count(); }",
    "tid": "kprobe:vfs_read { @start[tid] = nsecs; }",
    "uid": "tracepoint:raw_syscalls:sys_enter { @[uid] = count(); }",
    "gid": "tracepoint:raw_syscalls:sys_enter { @[gid] = count(); }",
    "username": "tracepoint:raw_syscalls:sys_enter { @[username] = count(); }",
    "curtask": "profile:hz:99 { @[curtask.real_parent.comm] = count(); }",
    "ppid": "tracepoint:raw_syscalls:sys_enter { @[ppid] = count(); }",
    "pcomm": "tracepoint:raw_syscalls:sys_enter { @[pcomm, comm] = count(); }",
    "leader_tid": "tracepoint:raw_syscalls:sys_enter { @[leader_tid] = count(); }",
    "leader_comm": "tracepoint:raw_syscalls:sys_enter { @[leader_comm, comm] = count(); }",
    "comm": "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
    "cgroup": "tracepoint:raw_syscalls:sys_enter { @[cgroup] = count(); }",
    "cpid": "tracepoint:raw_syscalls:sys_enter /pid == cpid/ { @ = count(); }",
    "has_cpid": "begin { if (has_cpid) { print(cpid); } }",
    # network
    "ntop": "begin { print(ntop(0x0100007f)); }",
    "pton": 'begin { print(ntop(pton("::1"))); }',
    "macaddr": "fentry:ip_rcv { @[macaddr(args.dev.dev_addr)] = count(); }",
    "socket_cookie": "fentry:tcp_sendmsg { @[socket_cookie(args.sk)] = sum(args.size); }",
    "skboutput": 'fentry:__netif_receive_skb { _ = skboutput("in.pcap", args.skb, args.skb.len, 0); }',
    # output
    "printf": 'tracepoint:syscalls:sys_enter_openat { printf("%-6d %s\\n", pid, str(args.filename)); }',
    "errorf": 'begin { errorf("nothing to do: %d", 1); }',
    "warnf": 'begin { warnf("%d is much", 1000); }',
    "cat": 'begin { cat("/proc/%d/status", pid); }',
    "system": 'interval:s:10 { system("uptime"); }',
    "debugf": 'begin { debugf("pid %d\\n", pid); }',
    "fail": 'begin { if comptime (!is_str(comm)) { fail("no text: %s", "comm"); } }',
    "time": 'interval:s:1 { time("%H:%M:%S\\n"); print(@); } kprobe:vfs_read { @ = count(); }',
    "join": "tracepoint:syscalls:sys_enter_execve { join(args.argv); }",
    "exit": "interval:s:10 { exit(); }",
    "print": "kprobe:vfs_read { @[comm] = count(); } interval:s:1 { print(@, 5); }",
    # strings
    "str": "tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }",
    "strlen": "tracepoint:syscalls:sys_enter_openat { @ = hist(strlen(str(args.filename))); }",
    "strcap": "begin { print(strcap(comm)); }",
    "str_concat": 'begin { print(str_concat(comm, "!")); }',
    "strerror": "tracepoint:syscalls:sys_exit_openat /args.ret < 0/ { @[strerror((int32)args.ret)] = count(); }",
    "signal_name": "tracepoint:signal:signal_generate { @[signal_name(args.sig)] = count(); }",
    "syscall_name": "tracepoint:raw_syscalls:sys_enter { @[syscall_name(args.id)] = count(); }",
    "strstr": 'tracepoint:syscalls:sys_enter_openat { print(strstr(str(args.filename), ".so")); }',
    "strcontains": 'tracepoint:syscalls:sys_enter_openat /strcontains(str(args.filename), "etc")/ { @ = count(); }',
    "strncmp": 'tracepoint:raw_syscalls:sys_enter /strncmp(comm, "py", 2) == 0/ { @[comm] = count(); }',
    "memcmp": 'begin { print(memcmp(comm, "pytrace", 2)); }',
    # stacks
    "kstack": "profile:hz:99 { @[kstack(5)] = count(); }",
    "ustack": "profile:hz:99 { @[ustack(perf, 8)] = count(); }",
    "dw_ustack": "profile:hz:99 { @[dw_ustack] = count(); }",
    # symbols
    "ksym": "kprobe:vfs_read { @[ksym(reg(\"ip\"))] = count(); }",
    "usym": "profile:hz:99 /usermode/ { @[usym(reg(\"ip\"))] = count(); }",
    "kaddr": 'begin { print(*(uint64 *)kaddr("jiffies")); }',
    "percpu_kaddr": 'begin { print((void *)percpu_kaddr("runqueues")); }',
    "uaddr": 'uprobe:/bin/bash:readline { print(*(int32 *)uaddr("rl_readline_version")); }',
    # time
    "nsecs": "kprobe:vfs_read { @start[tid] = nsecs; }",
    "elapsed": "interval:s:1 { print(elapsed / 1s); }",
    "jiffies": "begin { print(jiffies); }",
    "strftime": 'interval:s:1 { printf("%s\\n", strftime("%H:%M:%S.%f", nsecs)); }',
    # macros of the library
    "assert": 'begin { assert(ncpus > 0, "no processor"); }',
    "assert_str": "begin { assert_str(comm); }",
    "container_of": "fentry:vfs_getattr "
                    "{ $file = container_of(args.path, typeof(struct file), f_path); print($file.f_flags); }",
    "default_str_length": "begin { print(default_str_length()); }",
    "is_err": "kretprobe:filp_open /is_err(retval)/ { @ = count(); }",
    "static_assert": 'begin { static_assert(sizeof(int64) == 8, "not 64 bits"); }',
}  # fmt: skip
