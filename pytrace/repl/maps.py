"""The maps of a session: they belong to it, and outlive the blocks that made them.

A block is compiled with the types of all maps that others use, which stand; it gets their descriptors when it is
loaded. A map that nobody uses any more may change its type, and so may one that blocks only read: what they take its
values for is a guess until somebody stores one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from pytrace.codegen.image import Image, MapImage, ScriptMap
from pytrace.frozen import record
from pytrace.runtime.loading import Loaded
from pytrace.runtime.maps import MapStore
from pytrace.semantics.configuration import Config
from pytrace.semantics.types import Enum, Struct, StructDef

__all__ = ["SessionMap", "SessionMaps"]


@record
class SessionMap:
    """`users` are the numbers of the blocks that use it, `writers` of those that store into it; `maker` is the number
    of the one that made it."""

    map: ScriptMap
    image: MapImage
    fd: int
    maker: int
    users: set[int]
    writers: set[int]
    structs: Mapping[Struct, StructDef]

    def suits(self, map_: ScriptMap, image: MapImage) -> bool:
        """Whether a block that was compiled for such a map can use this one."""
        return (self.map.key, self.map.value) == (map_.key, map_.value) and _shape(self.image) == _shape(image)


def _shape(image: MapImage) -> tuple[str, int, int, int]:
    return image.type, image.key_size, image.value_size, image.max_entries


def _bpf_maps(image: Image) -> list[tuple[ScriptMap, MapImage]]:
    """The maps of a block that its programs use."""
    made = {each.symbol: each for each in image.maps}
    return [(each, made[each.symbol]) for each in image.script_maps if each.symbol in made]


class SessionMaps:
    """`store` reads and changes them. Names have their `@`."""

    def __init__(self) -> None:
        self.all: dict[str, SessionMap] = {}
        self.strings: tuple[str, ...] = ()
        self.structs: dict[Struct, StructDef] = {}
        self.enums: dict[Enum, dict[int, str]] = {}
        self.store = MapStore(Loaded(Image((), (), (), (), Config(), structs=self.structs)))

    # compiling

    def loose(self, replaced: int = 0) -> set[str]:
        """The maps that nobody uses; a block that is being replaced does not count."""
        return {name for name, each in self.all.items() if not each.users - {replaced}}

    def guessed(self, replaced: int = 0) -> set[str]:
        """The maps that blocks use, but none stores into."""
        return {name for name, each in self.all.items() if each.users - {replaced} and not each.writers - {replaced}}

    def around(self, without: Iterable[str] = (), joined: Image | None = None) -> Image:
        """What a block is compiled with: an image without programs. `joined` is a block that is about to be loaded."""
        left_out = set(without)
        maps = {name: each.map for name, each in self.all.items() if name not in left_out}
        strings = self.strings
        if joined is not None:
            maps.update((each.name, each) for each in joined.script_maps)
            strings = joined.strings
        return Image((), (), tuple(maps.values()), (), Config(), strings)

    def origins(self) -> dict[str, str]:
        """A hint about each map, for errors."""
        return {name: self._origin(name, each) for name, each in self.all.items()}

    @staticmethod
    def _origin(name: str, each: SessionMap) -> str:
        type_ = f"{each.map.value}" if each.map.key is None else f"{each.map.value} by {each.map.key}"
        others = sorted(each.users - {each.maker})
        used = "" if each.maker in each.users or not each.maker else ", which is gone"
        if others:
            used += f"; {', '.join(f'[{number}]' for number in others)} use{'' if len(others) > 1 else 's'} it too"
        maker = f"block [{each.maker}]" if each.maker else "an expression"
        return f"{name} holds {type_}, as {maker} made it{used}"

    def clash(self, image: Image) -> str:
        """The name of a structure that a block defines differently from what the maps hold, or nothing."""
        held = {struct for each in self.all.values() for struct in each.structs}
        for struct, definition in image.structs.items():
            if struct in held and self.structs.get(struct) not in (None, definition):
                return struct.name
        return ""

    # loading

    def fitting(self, image: Image) -> dict[str, int]:
        """Descriptors, by symbol, of the maps that a block can use."""
        return {
            map_.symbol: self.all[map_.name].fd
            for map_, made in _bpf_maps(image)
            if map_.name in self.all and self.all[map_.name].suits(map_, made)
        }

    def changed(self, image: Image) -> list[str]:
        """The names of maps that a block wants with another type than they have."""
        return [
            map_.name
            for map_, made in _bpf_maps(image)
            if map_.name in self.all and not self.all[map_.name].suits(map_, made)
        ]

    def enter(self, loaded: Loaded, number: int) -> None:
        """A block has been loaded: takes over the maps it made, in place of those with other types."""
        image = loaded.image
        self.strings = image.strings if len(image.strings) > len(self.strings) else self.strings
        self.enums.update(image.enums)
        for map_, made in _bpf_maps(image):
            each = self.all.get(map_.name)
            if each is not None and not each.suits(map_, made):
                self.remove(map_.name)
                each = None
            if each is None:
                each = SessionMap(map_, made, os.dup(loaded.maps[map_.symbol]), number, set(), set(), image.structs)
                self.all[map_.name] = each
                self.structs.update(image.structs)
                self.store.add(map_, made, each.fd)
            each.users.add(number)
            if map_.written:
                each.writers.add(number)

    def leave(self, number: int) -> None:
        """A block is gone; its maps stay."""
        for each in self.all.values():
            each.users.discard(number)
            each.writers.discard(number)

    def remove(self, name: str) -> None:
        each = self.all.pop(name)
        self.store.forget(name)
        os.close(each.fd)

    def close(self) -> None:
        for name in list(self.all):
            self.remove(name)

