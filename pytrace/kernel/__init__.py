"""The running kernel and the files that describe it: the only package that makes system calls about tracing.

| file | what it talks to |
|---|---|
| `abi.py`, `syscall.py`, `assemble.py` | numbers of the BPF interface; `bpf(2)` and its errors; instructions by hand |
| `bpf.py` | BPF objects: maps (`maps.py`), programs (`programs.py`), links and pins (`links.py`) |
| `perf.py`, `closing.py` | perf events with programs attached; letting go of them fast |
| `ring.py` | a BPF ring buffer, mapped |
| `btf.py`, `btf_records.py`, `btf_check.py` | kernel types in their binary form |
| `btf_print.py`, `btf_types.py` | the same spelled in C, and as the language's types |
| `tracefs.py`, `functions.py` | tracepoints and their records; traceable functions |
| `kallsyms.py`, `symbols.py` | the kernel's symbol table; names for addresses in the kernel and in processes |
| `elf.py`, `archives.py`, `usdt.py`, `operands.py` | programs: symbols, archives, static probes and arguments |
| `demangle.py`, `rust_names.py`, `bcc.py` | names of C++ and Rust; BCC's runtime library |
| `features.py`, `host.py` | what this kernel can do; what is missing to trace at all |

Nothing here knows the language except `btf_types.py`, which translates into `pytrace.semantics.types`.
"""

BCC_LIBRARY = "libbcc_bpf.so.0"
"""What the dynamic loader calls BCC's runtime library (Debian package libbpfcc)."""
