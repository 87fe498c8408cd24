"""The running kernel and the files that describe it: the only package that makes system calls about tracing.

| file | what it talks to |
|---|---|
| `abi.py`, `syscall.py` | numbers of the BPF interface; `bpf(2)` and its errors |
| `bpf.py` | BPF objects: maps (`maps.py`), programs (`programs.py`), links and pins (`links.py`) |
| `bcc.py` | BCC's runtime library through ctypes |
| `perf.py` | perf events, and programs attached to them |
| `ring.py` | a BPF ring buffer, mapped |
| `btf.py`, `btf_print.py`, `btf_types.py` | kernel types: the file format, C spelling, the language's types |
| `tracefs.py`, `formats.py` | tracepoints and traceable functions |
| `symbols.py`, `demangle.py`, `elf.py`, `usdt.py` | names for addresses and addresses for names |
| `features.py`, `host.py` | what this kernel can do; what is missing to trace at all |

Nothing here knows the language except `btf_types.py`, which translates into `pytrace.semantics.types`.
"""
