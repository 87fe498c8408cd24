"""The other half of code generation: machine code for this processor, which turns records into text.

A script that prints from hot probes sends more records than Python can format. From the layouts of exactly its records
LLVM compiles one function that walks through the mapped ring, formats what it can into a buffer, and stops at a record
that needs Python: a symbol, a stack, a time, an action. What it writes is byte for byte what `output/printf.py` writes.

| file | |
|---|---|
| `library.py` | digits, padding, strings: what all formats share |
| `formats.py` | a format of one action to code |
| `drain.py` | the function; its contract with `runtime/native.py` |
| `entries.py` | the same for the entries of a large map, sorted; its contract with `runtime/entries.py` |
"""
