"""Maps of the script as user space reads and changes them; the kernel's part is played by plain writes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from pytrace.codegen.image import Image, MapImage, ScriptMap
from pytrace.kernel import bpf
from pytrace.runtime.loading import Loaded, SessionValues, load
from pytrace.runtime.maps import MapStore
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import I32, I64, U64, Aggregate, Str, Tuple, Type

pytestmark = pytest.mark.live

CPUS = bpf.possible_cpus()
NO_PREALLOC = 1


class Bench:
    """One map of the script, loaded."""

    def __init__(self, image: MapImage, key: Type | None, value: Type) -> None:
        script = ScriptMap("@m", "m", key, value, image.type.startswith("percpu"), image.max_entries)
        self.loaded: Loaded = load(Image((), (image,), (script,), (), Config()), SessionValues.now())
        self.store = MapStore(self.loaded)
        self.fd = self.loaded.maps["m"]

    def write(self, key: bytes, *copies: bytes) -> None:
        bpf.map_update(self.fd, key, b"".join(copies))

    def items(self, *, default: bool = False) -> dict[bytes, object]:
        return dict(self.store.contents("@m", default=default).items)


@pytest.fixture
def make() -> Iterator[type[Bench]]:
    made: list[Bench] = []

    class Kept(Bench):
        def __init__(self, image: MapImage, key: Type | None, value: Type) -> None:
            super().__init__(image, key, value)
            made.append(self)

    yield Kept
    for bench in made:
        bench.loaded.close()


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def spread(*values: int) -> list[bytes]:
    """Values of one word, one for each CPU; further CPUs have zero."""
    return [words(value) for value in (*values, *[0] * CPUS)[:CPUS]]


def test_the_cell_of_a_scalar_map(make):
    bench = make(MapImage("m", "array", 4, 16, 1, script_map=0), None, I64)
    assert bench.items() == {}
    assert bench.items(default=True) == {b"": 0}
    bench.write(bytes(4), words(0, 1))
    assert bench.items() == {b"": 0}
    bench.write(bytes(4), words(-5, 1))
    assert bench.items() == {b"": -5}
    bench.store.zero("@m")
    assert bench.items() == {b"": 0}
    bench.store.clear("@m")
    assert bench.items() == {}


def test_a_cell_keeps_small_values_apart_from_its_mark(make):
    bench = make(MapImage("m", "array", 4, 16, 1, script_map=0), None, Str(3))
    bench.write(bytes(4), b"abc" + bytes(5) + words(1))
    assert bench.items() == {b"": b"abc"}


def test_a_scalar_aggregation_is_folded(make):
    bench = make(MapImage("m", "percpu_array", 4, 8, 1, script_map=0), None, Aggregate("sum"))
    assert bench.items() == {}
    assert bench.items(default=True) == {b"": 0}
    bench.write(bytes(4), *spread(-3, 5))
    assert bench.items() == {b"": 2 if CPUS > 1 else -3}
    bench.store.zero("@m")
    assert bench.items() == {b"": 0}
    bench.store.clear("@m")
    assert bench.items() == {}


def test_tables_that_hold_nothing_are_not_made_up(make):
    bench = make(MapImage("m", "percpu_array", 4, 65 * 8, 1, script_map=0), None, Aggregate("hist", params=(0,)))
    assert bench.items(default=True) == {}


def test_a_hash_of_many_keys(make):
    bench = make(MapImage("m", "hash", 8, 8, 100_000, NO_PREALLOC, script_map=0), U64, I64)
    count = 50_000
    keys, values = struct.pack(f"<{count}Q", *range(count)), struct.pack(f"<{count}q", *range(0, -count, -1))
    bpf.map_update_batch(bench.fd, keys, values, count)
    assert bench.items() == {struct.pack("<Q", n): -n for n in range(count)}


@pytest.mark.parametrize("kind", ["hash", "lru_hash"])
def test_values_in_memory(make, kind: str):
    type_ = Tuple((I32, Str(4)))
    bench = make(MapImage("m", kind, 4, 8, 16, 0 if kind == "lru_hash" else NO_PREALLOC, script_map=0), I32, type_)
    bench.write(b"\1\0\0\0", b"\5\0\0\0ab\0\0")
    assert bench.items() == {b"\1\0\0\0": (5, b"ab")}


@pytest.mark.parametrize(
    ("type_", "copies", "value"),
    [
        (Aggregate("count"), spread(3, 4), 7),
        (Aggregate("sum"), spread(-3, 1), -2),
        (Aggregate("sum"), spread((1 << 63) - 1, 1), -(1 << 63)),
        (Aggregate("sum", signed=False), spread(-1, 0), (1 << 64) - 1),
        (Aggregate("avg"), [words(10, 2), words(5, 1)], (15, 3)),
    ],
)
@pytest.mark.skipif(CPUS < 2, reason="needs two CPUs to fold")
def test_a_keyed_aggregation_is_folded(make, type_: Aggregate, copies: list[bytes], value: object):
    size = len(copies[0])
    bench = make(MapImage("m", "percpu_hash", 4, size, 16, NO_PREALLOC, script_map=0), I32, type_)
    copies = [*copies, *[bytes(size)] * CPUS][:CPUS]
    bench.write(b"\1\0\0\0", *copies)
    assert bench.items() == {b"\1\0\0\0": value}
    bench.store.zero("@m")
    zero = bench.items()[b"\1\0\0\0"]
    assert zero in (0, (0, 0))
    bench.store.clear("@m")
    assert bench.items() == {}


def test_an_aggregation_in_a_shared_hash(make):
    bench = make(MapImage("m", "hash", 4, 8, 16, NO_PREALLOC, script_map=0), I32, Aggregate("count"))
    bench.write(b"\1\0\0\0", words(9))
    assert bench.items() == {b"\1\0\0\0": 9}


def test_a_single_value_of_stats(make):
    bench = make(MapImage("m", "percpu_hash", 4, 16, 16, NO_PREALLOC, script_map=0), I32, Aggregate("stats"))
    bench.write(b"\1\0\0\0", words(-7, 2), *[bytes(16)] * (CPUS - 1))
    assert bench.store.stats("@m", b"\1\0\0\0") == (2, -3, -7)
    assert bench.store.stats("@m", b"\2\0\0\0") == (0, 0, 0)


def test_zeroing_does_not_bring_back_what_is_deleted(make):
    bench = make(MapImage("m", "hash", 4, 8, 16, NO_PREALLOC, script_map=0), I32, I64)
    for n in range(3):
        bench.write(struct.pack("<i", n), words(n + 1))
    bpf.map_delete(bench.fd, struct.pack("<i", 1))
    bench.store.zero("@m")
    assert bench.items() == {struct.pack("<i", n): 0 for n in (0, 2)}
