"""BPF objects: everything about maps, programs and links in one name space.

Creation gives file descriptors (close-on-exec, as the kernel makes them); errors are `BpfError`, and `VerifierError`
where the verifier has something to say.
"""

from __future__ import annotations

from pytrace.kernel.abi import AttachType, LinkType, MapFlags, MapType, ProgType
from pytrace.kernel.links import (
    LinkInfo,
    MapInfo,
    ProgInfo,
    btf_info,
    fd_by_id,
    ids,
    iter_create,
    link_info,
    link_iter,
    link_kprobe_multi,
    link_perf_event,
    link_tracing,
    link_uprobe_multi,
    map_info,
    obj_get,
    obj_pin,
    prog_info,
    raw_tracepoint_open,
)
from pytrace.kernel.maps import (
    map_batches,
    map_clear,
    map_create,
    map_delete,
    map_freeze,
    map_items,
    map_keys,
    map_lookup,
    map_memory,
    map_next_key,
    map_update,
    map_update_batch,
    online_cpus,
    possible_cpus,
    stored_size,
)
from pytrace.kernel.programs import (
    TestRun,
    VerifierError,
    btf_load,
    close,
    enable_stats,
    prog_load,
    prog_load_verbose,
    prog_test_run,
)
from pytrace.kernel.syscall import ENOTSUPP, BpfError

__all__ = [
    "ENOTSUPP", "AttachType", "BpfError", "LinkInfo", "LinkType", "MapFlags", "MapInfo", "MapType", "ProgInfo",
    "ProgType", "TestRun", "VerifierError", "btf_info", "btf_load", "close", "enable_stats", "fd_by_id", "ids",
    "iter_create", "link_info", "link_iter", "link_kprobe_multi", "link_perf_event", "link_tracing",
    "link_uprobe_multi", "map_batches", "map_clear", "map_create", "map_delete", "map_freeze", "map_info", "map_items",
    "map_keys", "map_lookup", "map_memory", "map_next_key", "map_update", "map_update_batch", "obj_get", "obj_pin",
    "online_cpus", "possible_cpus", "prog_info", "prog_load", "prog_load_verbose", "prog_test_run",
    "raw_tracepoint_open", "stored_size",
]
