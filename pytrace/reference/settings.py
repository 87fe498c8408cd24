"""What the reference says of the configuration variables; their names and defaults are those of `Config`."""

from __future__ import annotations

__all__ = ["ENVIRONMENT", "SETTINGS"]

SETTINGS: dict[str, tuple[str, str]] = {
    "cache_user_symbols": ("PER_PID, PER_PROGRAM, NONE", "For how long symbols of traced processes are kept: for each "
    "process, for each program, or not at all. With -c the default is PER_PROGRAM."),
    "cpp_demangle": ("true, false", "Whether names of C++ and Rust are shown as they were written."),
    "lazy_symbolication": ("true, false", "Whether symbols of a traced process are read when they are first needed."),
    "license": ("GPL, GPL v2, …", "The licence that the BPF programs are loaded with."),
    "log_size": ("a number of bytes", "The room for the verifier's log."),
    "max_bpf_progs": ("a number", "How many BPF programs a script may become."),
    "max_cat_bytes": ("a number of bytes", "How much of a file `cat` prints at most."),
    "max_map_keys": ("a number", "How many keys a map may have, unless it is declared with a size."),
    "max_probes": ("a number", "How many probes a script may attach."),
    "max_strlen": ("a number of bytes", "The capacity of strings and buffers."),
    "missing_probes": ("error, warn, ignore", "What to do when a probe named without a wildcard does not exist."),
    "on_stack_limit": ("a number of bytes", "Larger values are kept outside of the BPF program's stack."),
    "perf_rb_pages": ("a number of pages", "The size of the ring buffer between the kernel and pytrace; 0 chooses one "
    "by the memory that is available."),
    "print_maps_on_exit": ("true, false", "Whether maps are printed at the end of a run."),
    "show_debug_info": ("true, false", "Whether stacks show files and lines, where debug information is found."),
    "stack_mode": ("bpftrace, perf, raw, build_id", "How stacks are printed."),
    "str_trunc_trailer": ("text", "What stands behind a string that was cut."),
    "use_blazesym": ("true, false", "Accepted; pytrace reads symbols by itself."),
    "unstable_tseries": ("enable, warn, error", "What to do when a script uses `tseries`."),
    "unstable_dw_ustack": ("enable, warn, error", "What to do when a script uses `dw_ustack`."),
    "unstable_typeinfo": ("enable, warn, error", "What to do when a script uses `typeinfo`."),
    "unstable_import_statement": ("enable, warn, error", "What to do when a script uses `import`."),
}  # fmt: skip
"""By name: which values it takes, and what it does."""

ENVIRONMENT: dict[str, str] = {
    "BPFTRACE_NAME, PYTRACE_NAME": "Sets the configuration variable NAME, before the script's config block.",
    "BPFTRACE_COLOR, PYTRACE_COLOR": "Whether messages are coloured: `always`, `never`, `auto` (on a terminal).",
    "NO_COLOR": "If it is set and not empty, messages are not coloured, unless BPFTRACE_COLOR asks for it.",
    "BPFTRACE_BTF": "A file to read kernel types from.",
    "BPFTRACE_VMLINUX": "A kernel image, for places in kernel functions.",
    "PATH": "Where programs named in probes and with -c are looked for.",
    "TZ": "The time zone of printed times.",
    "XDG_CACHE_HOME": "Where compiled scripts are kept, in a folder `pytrace`; by default `~/.cache`.",
    "XDG_STATE_HOME": "Where the history of sessions is kept, in a folder `pytrace`; by default `~/.local/state`.",
    "PYTRACE_KEYS": "`vi` for the keys of vi at the prompt of a session.",
    "EDITOR, PAGER": "What Ctrl-X Ctrl-E and `:log` of a session start.",
    "__BPFTRACE_NOTIFY_PROBES_ATTACHED": "If it is set, a line of this name is printed once all probes are attached.",
    "BPFTRACE_DUMMY_TS_MAP": "For tests: the map whose value, in nanoseconds since 1970, is the time of `tseries`.",
}
"""The variables of the environment, with what they do."""
