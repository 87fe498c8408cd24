"""Code generation: a checked program to an image of BPF bytecode, map specifications and record layouts.

Read it along the way of the data:

| file | |
|---|---|
| `image.py` | the result, which the runtime reads; `plain.py` makes it plain data and back |
| `emitter.py` | what builtins and aggregations program against |
| `driver.py` | the driver |
| `plan.py` | where variables live |
| `function.py` | the emitter, put together from the parts that `base.py` lists |
| `module.py`, `frame.py`; `builder.py`, `arithmetic.py` | the text of the whole, of a function; of an instruction |
| `prologue.py` | how a program finds its scratch memory |
| `llvm.py` | text to object file |
| `link.py`, `session.py`, `btf_out.py` | object file to programs; entry and return as one; their types |
| `disasm.py` | bytecode to text |
| `native/` | from record layouts to code for this processor that formats records |

A cached script is run without any of it: only `image` and `plain` are imported then.
"""

from __future__ import annotations

from pytrace.hints import TYPE_CHECKING, Any
from pytrace.once import imported

if TYPE_CHECKING:
    from pytrace.codegen.driver import generate as generate
    from pytrace.codegen.features import Features as Features
    from pytrace.codegen.llvm import preload as preload

__all__ = ["Features", "generate", "preload"]

_FROM = {"Features": "features", "generate": "driver", "preload": "llvm"}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(imported(f"{__name__}.{_FROM[name]}"), name)
