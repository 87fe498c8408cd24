"""Why the kernel refused a program, for its author (OUTPUT 7.3)."""

from __future__ import annotations

import errno
import re

from pytrace.codegen.image import ProgramImage
from pytrace.kernel import bpf
from pytrace.lazy import pattern
from pytrace.runtime.errors import RunError, TooComplex

__all__ = ["refusal"]

_AT_INSN = pattern(r"^(\d+): \(", re.MULTILINE)
_STACK = pattern(r"(combined )?stack size of|stack limit|invalid .*stack.* off=-(5[2-9]\d|[6-9]\d\d|\d{4,})")
_TOO_COMPLEX = pattern(r"BPF program is too large|is too complex")
_UNKNOWN_HELPER = pattern(r"(?:unknown func|program of this type cannot use helper|invalid func) (?:bpf_)?(\w+)#(\d+)")


def refusal(program: ProgramImage, error: bpf.VerifierError, *, verbose: bool) -> RunError:
    """What the user is told about a program that was not accepted."""
    number = error.errno or errno.EINVAL
    helper = _UNKNOWN_HELPER.search(error.log)
    if helper:
        where = _script_place(program, error.log)
        log = error.log if verbose else ""
        if helper[1] == "unknown":
            return RunError(f"{where}this kernel has no helper {_helper_name(int(helper[2]))}", log=log)
        return RunError(f"{where}helper {helper[1]} not allowed in probe", log=log)
    head = f"Error loading BPF program for {program.name}. Error code: -{number} ({error.strerror})."
    kind = TooComplex if _TOO_COMPLEX.search(error.log) else RunError
    hints = []
    if _STACK.search(error.log):
        hints.append("HINT: The program needs too much stack. Try a lower on_stack_limit.")
    elif not error.log:
        hints.append("HINT: The kernel gave no reason. Use `-d libbpf` for details.")
    else:
        hints.append(f"HINT: {_script_place(program, error.log)}{error.reason}")
    if verbose:
        return kind(head, log="".join(f"{hint}\n" for hint in hints) + f"Kernel error log: \n{error.log}\n")
    return kind(f"{head} Use -v for full kernel error log.", log="".join(f"{hint}\n" for hint in hints))


def _helper_name(number: int) -> str:
    from pytrace.codegen.helpers import HELPER_NAMES

    return f"bpf_{HELPER_NAMES[number]}" if number < len(HELPER_NAMES) else f"number {number}"


def _script_place(program: ProgramImage, log: str) -> str:
    """The place in the script that the verifier looked at last, or an empty string."""
    at = [int(number) for number in _AT_INSN.findall(log)]
    lines = [(slot, line, column) for slot, line, column in program.lines if at and slot <= at[-1]]
    if not lines:
        return ""
    _, line, column = max(lines)
    return f"line {line}, column {column}: "
