"""C by a real C compiler: headers that scripts include, read through libclang.

Loaded only for scripts that include what the small grammar of `pytrace/syntax/cdefs.py` does not take.

library.py    finds libclang and declares the functions of it that are used
parsed.py     a source that libclang has parsed: declarations, complaints, files
search.py     where headers are looked for, and what else the compiler is told
types.py      the declarations as types of the language
preamble.py   the preamble of a script: kernel types where it needs them, `#define`s, complaints as diagnostics
"""
