"""pytrace: a tracing language for Linux.

Scripts in bpftrace's language are compiled to BPF bytecode, run in the kernel, and their results printed or handed
to Python. `pytrace.cli` is the command.
"""

__version__ = "0.1.0"
