"""BPF object files that scripts import: what of them can be called, and why not (LANGUAGE 10).

The format is that of `clang -target bpf -g`: relocatable ELF with the functions' types as BTF.
"""

from __future__ import annotations

import struct

from pytrace.kernel.btf import Btf, BtfError, Kind
from pytrace.kernel.btf_check import check
from pytrace.kernel.btf_types import convert
from pytrace.kernel.object_file import Object, read_object
from pytrace.semantics.unit import Extern

__all__ = ["ObjectError", "externs"]

_GLOBAL = 1  # BTF_FUNC_GLOBAL of enum btf_func_linkage
_TEXT = ".text"
_R_BPF_64_64, _R_BPF_64_32 = 1, 10
_LD_IMM64, _CALL, _PSEUDO_CALL = 0x18, 0x85, 1


class ObjectError(Exception):
    """The object cannot be used; the message says why."""


def externs(data: bytes, name: str) -> dict[str, Extern]:
    """The functions that scripts can call: the global ones that are no programs of their own. Raises `ObjectError`."""
    try:
        object_ = read_object(data)
        section = object_.section(".BTF")
        if not section:
            raise ObjectError("it has no BTF: compile it with -g")
        _check(object_)
        btf = Btf(object_.sections[section].data, name)
        check(btf)
        return _functions(object_, btf)
    except BtfError as error:
        raise ObjectError(f"its types are damaged: {error}") from error
    except ValueError as error:
        raise ObjectError(str(error)) from error
    except (IndexError, struct.error, OverflowError) as error:
        raise ObjectError(f"it is damaged: {error}") from error


def _check(object_: Object) -> None:
    """Refuse what the linker does not know: maps, CO-RE relocations, data that holds addresses."""
    for number, section in enumerate(object_.sections):
        if section.name in ("maps", ".maps") and section.data:
            raise ObjectError("it defines maps")
        if section.allocated and section.data and not section.executable and section.relocs:
            raise ObjectError(f"its section {section.name} holds addresses")
        if section.executable and any(reloc.type not in (_R_BPF_64_64, _R_BPF_64_32) for reloc in section.relocs):
            raise ObjectError(f"its section {section.name} has relocations of an unknown kind")
        if section.executable:
            _check_references(object_, number)
    index = object_.section(".BTF.ext")
    if index:
        data = object_.sections[index].data
        try:
            (header,) = struct.unpack_from("<I", data, 4)
            size = struct.unpack_from("<I", data, 28)[0] if header >= 32 else 0
        except struct.error:
            raise ObjectError("its section .BTF.ext is damaged") from None
        if size:
            raise ObjectError("it has CO-RE relocations (preserve_access_index)")


def _check_references(object_: Object, number: int) -> None:
    """Functions lie in their section; what their code refers to is a function, or data of the object."""
    section = object_.sections[number]
    functions = set()
    for symbol in object_.symbols:
        if symbol.is_function and 0 < symbol.section < len(object_.sections):
            end = symbol.value + symbol.size
            if symbol.value % 8 or symbol.size % 8 or end > len(object_.sections[symbol.section].data):
                raise ObjectError(f"its function {symbol.name} is not where it should be")
            functions.add((symbol.section, symbol.value))
    relocated = {reloc.offset for reloc in section.relocs}
    for at in range(0, len(section.data) - 7, 8):
        code, registers, _, immediate = struct.unpack_from("<BBhi", section.data, at)
        local = code == _CALL and registers >> 4 == _PSEUDO_CALL and at not in relocated
        if local and (number, at + 8 * (immediate + 1)) not in functions:
            raise ObjectError(f"it calls code in {section.name} that is no function")
    for reloc in section.relocs:
        wide = reloc.type == _R_BPF_64_64
        if reloc.offset % 8 or not 0 <= reloc.offset <= len(section.data) - (16 if wide else 8):
            raise ObjectError(f"its section {section.name} has a relocation where nothing is")
        symbol = reloc.symbol
        code, _, _, immediate = struct.unpack_from("<BBhi", section.data, reloc.offset)
        if code != (_LD_IMM64 if wide else _CALL):
            raise ObjectError(f"its section {section.name} has a relocation of something else than an instruction")
        if not symbol.section:
            if wide:
                raise ObjectError(f"it uses {symbol.name}, which it does not define")
            continue
        if symbol.section >= len(object_.sections):
            raise ObjectError(f"it uses {symbol.name}, which is nowhere")
        target = object_.sections[symbol.section]
        if target.executable or not wide:
            at = (immediate if wide else 8 * (immediate + 1)) if symbol.is_section else symbol.value
            if (symbol.section, at) not in functions:
                raise ObjectError(f"it calls code in {target.name} that is no function")
        elif not 0 <= symbol.value + immediate < len(target.data):
            raise ObjectError(f"it uses data behind the end of {target.name}")


def _functions(object_: Object, btf: Btf) -> dict[str, Extern]:
    text = {
        symbol.name
        for symbol in object_.symbols
        if symbol.is_function and symbol.is_global and 0 < symbol.section < len(object_.sections) and symbol.size
        and object_.sections[symbol.section].name == _TEXT
    }
    found = {}
    for id in range(1, btf.count):
        type_ = btf.type(id)
        if type_.kind != Kind.FUNC or type_.vlen != _GLOBAL or type_.name not in text:
            continue
        prototype = btf.type(type_.value)
        if prototype.kind != Kind.FUNC_PROTO:
            raise BtfError(f"function {type_.name} has no prototype")
        params = tuple((each.name, convert(btf, each.type)) for each in btf.parameters(prototype))
        found[type_.name] = Extern(type_.name, params, convert(btf, prototype.value))
    return found
