"""What the running kernel offers to code generation, found out when it is asked for."""

from __future__ import annotations

import os

from pytrace.once import cached_property

__all__ = ["ThisKernel"]


class ThisKernel:
    """`features.Offers` of the running kernel, through `pytrace.kernel.features`. With `callbacks` its iterator over
    numbers is not used: the verifier has less to check in loops that are functions of their own."""

    def __init__(self, *, callbacks: bool = False) -> None:
        self._callbacks = callbacks

    page_size = os.sysconf("SC_PAGE_SIZE")

    @cached_property
    def cpus(self) -> int:
        from pytrace.kernel.maps import possible_cpus

        return possible_cpus()

    @cached_property
    def cpus_in_a_row(self) -> bool:
        from pytrace.kernel.maps import cpus_in_a_row

        return cpus_in_a_row()

    @cached_property
    def memory(self) -> int:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
        return os.sysconf("SC_AVPHYS_PAGES") * self.page_size

    @cached_property
    def instruction_set(self) -> str:
        from pytrace.kernel.features import instruction_set

        return instruction_set()

    @cached_property
    def number_iterator(self) -> bool:
        from pytrace.kernel.features import number_iterator

        return number_iterator() and not (self._callbacks and self.loop)

    @cached_property
    def loop(self) -> bool:
        from pytrace.kernel.features import loop

        return loop()

    @property
    def fetching(self) -> bool:
        return self.for_each  # which came one release later

    @cached_property
    def for_each(self) -> bool:
        from pytrace.kernel.features import helper

        return helper("for_each_map_elem")

    @cached_property
    def lookup_percpu(self) -> bool:
        from pytrace.kernel.features import lookup_percpu_elem

        return lookup_percpu_elem()

    @cached_property
    def lazy_maps(self) -> bool:
        from pytrace.kernel.features import lazy_maps

        return lazy_maps()

    @cached_property
    def count_elements(self) -> bool:
        from pytrace.kernel.features import kfunc

        return kfunc("bpf_map_sum_elem_count")

    def function_number(self, name: str) -> int:
        from pytrace.kernel.features import kfunc_id

        return kfunc_id(name) or 0
