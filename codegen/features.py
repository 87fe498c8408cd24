"""What the kernel that will run a program offers, as far as code generation depends on it."""

from __future__ import annotations

from pytrace.frozen import frozen
from pytrace.hints import Protocol

__all__ = ["Features", "Offers"]


class Offers(Protocol):
    """What is asked of the kernel. Code generation reads an attribute only when a script depends on it, so that they
    can be found out on demand. What is missing is replaced by something slower where there is such a thing."""

    @property
    def cpus(self) -> int:
        """Possible CPUs: how many values an element of a per-CPU map has."""

    @property
    def cpus_in_a_row(self) -> bool:
        """Whether their numbers are those below `cpus`."""

    @property
    def memory(self) -> int:
        """Available memory in bytes; bounds the automatic size of the ring buffer."""

    @property
    def page_size(self) -> int: ...

    @property
    def instruction_set(self) -> str:
        """The version of the instruction set: "v4" needs Linux 6.6, "v3" 5.1."""

    @property
    def number_iterator(self) -> bool:
        """The kernel functions `bpf_iter_num_*` (Linux 6.4)."""

    @property
    def loop(self) -> bool:
        """The helper `bpf_loop` (Linux 5.17)."""

    @property
    def fetching(self) -> bool:
        """Atomic instructions that give what was there before (Linux 5.12)."""

    @property
    def for_each(self) -> bool:
        """The helper `bpf_for_each_map_elem` (Linux 5.13); nothing replaces it."""

    @property
    def lookup_percpu(self) -> bool:
        """The helper `bpf_map_lookup_percpu_elem` (Linux 5.19)."""

    @property
    def lazy_maps(self) -> bool:
        """Whether hash maps that allocate elements on demand may be used by every program (Linux 6.1)."""

    @property
    def count_elements(self) -> bool:
        """The kernel function `bpf_map_sum_elem_count` (Linux 6.6)."""

    def function_number(self, name: str) -> int:
        """The number of a function in the kernel's BTF, so that it need not be searched whenever a program is loaded;
        0 if that is not known."""


@frozen
class Features:
    """The answers as plain data; the defaults are those of a recent kernel."""

    cpus: int = 1
    cpus_in_a_row: bool = True
    memory: int = 1 << 34
    page_size: int = 4096
    instruction_set: str = "v4"
    number_iterator: bool = True
    loop: bool = True
    fetching: bool = True
    for_each: bool = True
    lookup_percpu: bool = True
    lazy_maps: bool = True
    count_elements: bool = True

    def function_number(self, name: str) -> int:
        return 0
