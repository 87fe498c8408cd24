"""The flags of kernel memory allocations by name (`%gr`), as in include/linux/gfp_types.h."""

from __future__ import annotations

__all__ = ["gfp_flags"]

_BITS = {
    name: 1 << bit
    for bit, name in {
        0: "DMA", 1: "HIGHMEM", 2: "DMA32", 3: "MOVABLE", 4: "RECLAIMABLE", 5: "HIGH", 6: "IO", 7: "FS", 8: "ZERO",
        10: "DIRECT_RECLAIM", 11: "KSWAPD_RECLAIM", 12: "WRITE", 13: "NOWARN", 14: "RETRY_MAYFAIL", 15: "NOFAIL",
        16: "NORETRY", 17: "MEMALLOC", 18: "COMP", 19: "NOMEMALLOC", 20: "HARDWALL", 21: "THISNODE", 22: "ACCOUNT",
        23: "ZEROTAGS", 24: "SKIP_ZERO", 25: "SKIP_KASAN", 26: "NO_OBJ_EXT",
    }.items()
}


def _compounds() -> dict[str, int]:
    b = _BITS
    reclaim = b["DIRECT_RECLAIM"] | b["KSWAPD_RECLAIM"]
    noio = reclaim
    nofs = noio | b["IO"]
    kernel = nofs | b["FS"]
    user = kernel | b["HARDWALL"]
    highuser = user | b["HIGHMEM"]
    movable = highuser | b["MOVABLE"] | b["SKIP_KASAN"]
    light = (movable | b["COMP"] | b["NOMEMALLOC"] | b["NOWARN"]) & ~reclaim
    return {
        "GFP_TRANSHUGE": light | b["DIRECT_RECLAIM"],
        "GFP_TRANSHUGE_LIGHT": light,
        "GFP_HIGHUSER_MOVABLE": movable,
        "GFP_HIGHUSER": highuser,
        "GFP_USER": user,
        "GFP_KERNEL_ACCOUNT": kernel | b["ACCOUNT"],
        "GFP_KERNEL": kernel,
        "GFP_NOFS": nofs,
        "GFP_ATOMIC": b["HIGH"] | b["KSWAPD_RECLAIM"],
        "GFP_NOIO": noio,
        "GFP_NOWAIT": b["KSWAPD_RECLAIM"] | b["NOWARN"],
        "GFP_DMA": b["DMA"],
        "__GFP_HIGHMEM": b["HIGHMEM"],
        "GFP_DMA32": b["DMA32"],
    }


# The order in which names are taken out of a value: compound flags first.
_SINGLE = (
    "HIGH", "IO", "FS", "ZERO", "DIRECT_RECLAIM", "KSWAPD_RECLAIM", "WRITE", "NOWARN", "RETRY_MAYFAIL", "NOFAIL",
    "NORETRY", "MEMALLOC", "COMP", "NOMEMALLOC", "HARDWALL", "THISNODE", "ACCOUNT", "ZEROTAGS", "SKIP_ZERO",
    "SKIP_KASAN", "NO_OBJ_EXT",
)
_NAMES = [*_compounds().items(), *((f"__GFP_{name}", _BITS[name]) for name in _SINGLE)]


def gfp_flags(value: int) -> bytes:
    """The names of the flags in a value, joined by `|`; what has no name comes last in hex."""
    left, found = value & (1 << 64) - 1, []
    if not left:
        return b"0"
    for name, mask in _NAMES:
        if left & mask == mask:
            found.append(name)
            left &= ~mask
    if left:
        found.append(f"0x{left:x}")
    return "|".join(found).encode()
