"""The configuration variables and their defaults; an image carries them to the run."""

from __future__ import annotations

from pytrace.frozen import frozen


@frozen
class Config:
    """The configuration variables (LIBRARY 10), after the config block and the environment."""

    cache_user_symbols: str = "PER_PID"
    cpp_demangle: bool = True
    lazy_symbolication: bool = True
    license: str = "GPL"
    log_size: int = 1000000
    max_bpf_progs: int = 1024
    max_cat_bytes: int = 10240
    max_map_keys: int = 4096
    max_probes: int = 1024
    max_strlen: int = 1024
    missing_probes: str = "error"
    on_stack_limit: int = 32
    perf_rb_pages: int = 0
    print_maps_on_exit: bool = True
    show_debug_info: bool = False
    stack_mode: str = "bpftrace"
    str_trunc_trailer: str = ".."
    use_blazesym: bool = False
    unstable_tseries: str = "warn"
    unstable_dw_ustack: str = "warn"
    unstable_typeinfo: str = "error"
    unstable_import_statement: str = "error"
    dummy_ts_map: str = ""
    """A switch for tests, from the environment only: the map whose value is the time of `tseries`, in nanoseconds since
    1970, so that what it prints does not depend on when it ran."""
