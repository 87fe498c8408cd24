"""What a run lost: counted where it happened, and said at the end.

Programs count in the map `drops`, in the rare cases only: an element for each program with the records for which the
ring buffer had no room, then one for each of the image's `losses`. The kernel counts by itself how often it did not
run a program because one was running on that CPU already.
"""

from __future__ import annotations

from pytrace.codegen.image import Loss, ProgramImage
from pytrace.hints import Iterable
from pytrace.kernel import bpf
from pytrace.probes.provider import Attachment
from pytrace.runtime.loading import Loaded

__all__ = ["DROPS", "Losses"]

DROPS = "drops"
"""Symbol of the map of counters."""
_MANY = 8
"""Programs whose counters are read one by one."""
_FULL = "The map was full: raise max_map_keys, or declare the map with room for more keys, e.g. `let {} = {}({});`."
_NO_MEMORY = "The kernel had no memory at hand for a new key."
_KINDS = {"hash": "hash", "lru_hash": "lruhash", "percpu_hash": "percpuhash", "lru_percpu_hash": "percpulruhash"}
"""How the language calls the kernel's types of maps."""


class Losses:
    """The counters of an image that is loaded."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.image = loaded.image
        self._fd = loaded.maps.get(DROPS, -1)
        self._count = next((map_.max_entries for map_ in self.image.maps if map_.symbol == DROPS), 0)
        self._stored = bpf.stored_size("percpu_array", 8)
        self._seen = 0
        self._given_up = 0
        self._shares: dict[str, int] = {}

    @property
    def _programs(self) -> int:
        """How many of the counters are about records."""
        return self._count - len(self.image.losses)

    def _read(self, number: int) -> int:
        value = bpf.map_lookup(self._fd, number.to_bytes(4, "little"), self._stored)
        return sum(memoryview(value).cast("Q")) if value is not None else 0

    def new_records(self) -> int:
        """How many records were lost since this was last asked."""
        total = self._all_records()
        fresh, self._seen = total - self._seen, total
        return fresh

    def _all_records(self) -> int:
        """The counters of all programs, with one system call where there are many and the kernel can do that."""
        programs = self._programs
        if programs > _MANY:
            try:
                batches = bpf.map_batches(self._fd, 4, self._stored)
                words = [word for _, values, _ in batches for word in values.cast("Q")]
            except bpf.BpfError:
                return sum(map(self._read, range(programs)))
            return sum(words[: programs * self._stored // 8])
        return sum(map(self._read, range(programs)))

    def give_up(self, count: int) -> None:
        """That so many addresses of processes have no names because these had ended."""
        self._given_up = count

    def look_at(self, attachments: Iterable[Attachment]) -> None:
        """Takes in how long counters counted, before they are closed."""
        times: dict[str, tuple[int, int]] = {}
        for attachment in attachments:
            if attachment.counter:
                from pytrace.kernel.perf import counting_times

                for fd in attachment.fds:
                    wanted, counted = times.get(attachment.counter, (0, 0))
                    more = counting_times(fd)
                    times[attachment.counter] = wanted + more[0], counted + more[1]
        self._shares = {
            name: 100 * counted // wanted for name, (wanted, counted) in times.items() if counted * 100 < wanted * 99
        }

    def records(self) -> dict[str, int]:
        """Records that were lost, by program; only where there are any."""
        found: dict[str, int] = {}
        for program in self.image.programs:
            for number in {program.order, program.returning or program.order}:
                if number < self._programs and (count := self._read(number)):
                    found[_probe(program)] = found.get(_probe(program), 0) + count
        return found

    def others(self) -> list[tuple[Loss, int]]:
        """Everything else that programs lost."""
        counted = [(loss, self._read(number)) for number, loss in enumerate(self.image.losses, self._programs)]
        return [(loss, count) for loss, count in counted if count]

    def skipped(self) -> dict[str, int]:
        """How often programs were not run, by program."""
        found: dict[str, int] = {}
        for program, fd in zip(self.image.programs, self.loaded.programs, strict=True):
            if fd >= 0 and (count := bpf.prog_info(fd).recursion_misses):
                found[_probe(program)] = found.get(_probe(program), 0) + count
        return found

    # saying it

    def summary(self, events: int) -> dict[str, dict[str, int] | int]:
        """All kinds, also those of which nothing was lost. `events` is how many records were lost altogether."""
        kinds: dict[str, dict[str, int]] = {
            "map_full": {}, "map_memory": {}, "string": {}, "stack": {}, "packet": {}, "inside": self.skipped(),
        }  # fmt: skip
        for loss, count in self.others():
            place = loss.subject if loss.kind == "inside" else loss.place or loss.subject
            kinds[loss.kind][place] = kinds[loss.kind].get(place, 0) + count
        return {
            "events": events, "records": self.records(), "map_full": kinds["map_full"],
            "map_memory": kinds["map_memory"], "strings_cut": kinds["string"], "stacks_cut": kinds["stack"],
            "packets": kinds["packet"],
            "runs_skipped": kinds["inside"], "symbols_given_up": self._given_up,
            "counted_percent": self._shares,
        }  # fmt: skip

    def texts(self) -> list[str]:
        """A sentence for each loss, and the way out."""
        texts = [
            f"{name}: {_some(count, 'record')} lost. The ring buffer was full: print less, or raise perf_rb_pages."
            for name, count in self.records().items()
        ]
        texts += [self._text(loss, count) for loss, count in self.others()]
        texts += [
            f"{name}: {_some(count, 'run')} skipped, each because the same processor was inside a BPF program or map."
            for name, count in self.skipped().items()
        ]
        texts += [
            f"{name}: counted for {share} % of the time only. The processor has fewer counters than are in use."
            for name, share in self._shares.items()
        ]
        if count := self._given_up:
            texts.append(f"{_some(count, 'address', 'es')} not named: the process had ended before it was looked up.")
        return texts

    def _text(self, loss: Loss, count: int) -> str:
        match loss.kind:
            case "map_full":
                return f"{loss.subject}: {_some(count, 'update')} lost. {self._full(loss.subject)}"
            case "map_memory":
                return f"{loss.subject}: {_some(count, 'update')} lost. {_NO_MEMORY}"
            case "inside":
                return (
                    f"{loss.subject}: {_some(count, 'run')} skipped, each because the same processor was inside "
                    "another program of the script, which traces what programs do themselves."
                )
            case "packet":
                return f"{loss.place}: {_some(count, 'packet')} lost, not written to '{loss.subject}': no room."
            case "string":
                return f"{loss.place}: {_some(count, 'string')} cut at {loss.subject} bytes, which is max_strlen."
        return (
            f"{loss.place}: {_some(count, loss.subject)} perhaps cut, having as many frames as the kernel gives "
            "(kernel.perf_event_max_stack)."
        )

    def _full(self, name: str) -> str:
        images = {map_.symbol: map_ for map_ in self.image.maps}
        script = next(each for each in self.image.script_maps if each.name == name)
        map_ = images[script.symbol]
        kind = "percpuhash" if script.by_cpu and map_.type == "hash" else _KINDS[map_.type]
        return _FULL.format(name, kind, 4 * max(script.size, map_.max_entries if script.by_cpu else 0))


def _probe(program: ProgramImage) -> str:
    """What a program is called in the script."""
    (first, _), *others = program.targets
    return f"{first.name} and {len(others)} more" if others else first.name


def _some(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{'' if count == 1 else plural} {'was' if count == 1 else 'were'}"
