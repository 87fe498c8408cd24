"""The commands of the prompt, in one table: help, completion and the shell read it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable

from pytrace.frozen import frozen
from pytrace.hints import TYPE_CHECKING
from pytrace.repl.context import Argument, Command
from pytrace.repl.shell import Leave, Usage
from pytrace.repl.tables import blocks_table, maps_table, shown

if TYPE_CHECKING:
    from pytrace.repl.shell import Shell

__all__ = ["COMMANDS", "explain", "interval", "run"]

Run = Callable[["Shell", list[str]], None]


@frozen
class _Entry:
    command: Command
    run: Run
    least: int
    most: int | None
    raw: bool


_ENTRIES: dict[str, _Entry] = {}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _command(
    name: str, help: str, usage: str = "", arguments: tuple[str, ...] = (), *, least: int = 0, most: int | None = 0,
    example: str = "", raw: bool = False,
) -> Callable[[Run], Run]:
    """Declares a command: how many arguments it takes at least and at most (None: any number); if
    `raw`, the rest of the line is the only one."""
    choices = ("emacs", "vi") if name == "keys" else ()

    def declare(function: Run) -> Run:
        command = Command(name, help, arguments, usage, example, most is None, choices)
        _ENTRIES[name] = _Entry(command, function, least, most, raw)
        return function

    return declare


def run(shell: Shell, text: str) -> None:
    """Runs a command, without its colon. Names may be shortened. Raises `Usage` and what the command raises."""
    try:
        name, *words = shlex.split(text, posix=True) or [""]
    except ValueError as error:
        raise Usage(f"the command cannot be read: {str(error).lower()}") from None
    found = [_ENTRIES[name]] if name in _ENTRIES else [_ENTRIES[each] for each in _ENTRIES if each.startswith(name)]
    if not name or len(found) != 1:
        known = ", ".join(f":{entry.command.name}" for entry in found)
        raise Usage(f":{name} could be {known}" if name and found else f"there is no command :{name}; see :help")
    (entry,) = found
    if entry.raw:
        words = [text.strip()[len(name) :].strip()]
    if len(words) < entry.least or (entry.most is not None and len(words) > entry.most):
        raise Usage(f"usage: {entry.command.spelling}")
    entry.run(shell, words)


def explain(shell: Shell, topic: str) -> None:
    """`?topic`."""
    from pytrace.repl.help import topic as text_of

    shell.say(text_of(topic, COMMANDS).rstrip("\n"))


def interval(text: str) -> float:
    """The seconds of `500ms`, `2s`, `1m`; a bare number counts seconds. Raises `Usage`."""
    digits = text.rstrip("msh")
    unit = text[len(digits) :] or "s"
    try:
        seconds = float(digits) * _SECONDS[unit]
    except (ValueError, KeyError):
        raise Usage(f"{text} is no time: write 500ms, 2s or 1m") from None
    if not 0.05 <= seconds <= 86400:
        raise Usage(f"{text} is not between 50ms and 24h")
    return seconds


def _number(word: str) -> int:
    digits = word.strip("[]")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 9):
        raise Usage(f"{word} is not the number of a block")
    return int(digits)


def _path(word: str) -> str:
    """A path as the system has it: a command's words have one character per byte."""
    return os.fsdecode(os.path.expanduser(word.encode("latin-1")))


def _map(word: str) -> str:
    return word if word.startswith("@") else f"@{word}"


# blocks


@_command("ls", "the blocks: state, events, ns per event, share of a CPU, maps")
def _ls(shell: Shell, words: list[str]) -> None:
    engine = shell.engine
    shell.say(blocks_table(engine.blocks.values(), engine.stats_fd >= 0).rstrip("\n"))


@_command("maps", "the maps of the session: types, entries, blocks that use them")
def _maps(shell: Shell, words: list[str]) -> None:
    engine = shell.engine
    with engine.showing():
        sizes = {name: len(engine.maps.store.contents(name).items) for name in engine.maps.all}
    shell.say(maps_table(engine.maps, sizes).rstrip("\n"))


@_command("show", "the text of blocks", "[N…]", (Argument.BLOCK,), most=None)
def _show(shell: Shell, words: list[str]) -> None:
    engine = shell.engine
    for live in [engine.block(_number(word)) for word in words] or engine.blocks.values():
        shell.write(b"[%d] %s\n" % (live.number, live.text.strip("\n").encode("latin-1")))


@_command("warnings", "what the compiler says of a block", "N", (Argument.BLOCK,), least=1, most=1)
def _warnings(shell: Shell, words: list[str]) -> None:
    live = shell.engine.block(_number(words[0]))
    text = "".join(live.warnings) or f"there are none about block [{live.number}]\n"
    shell.write(text.encode("latin-1", "backslashreplace"))


@_command("stop", "take blocks from their events; their maps stay", "N…", (Argument.BLOCK,), least=1, most=None)
def _stop(shell: Shell, words: list[str]) -> None:
    for number in map(_number, words):
        shell.say(f"[{number}] ○ {shell.engine.stop(number).state}")


@_command("start", "let stopped blocks run again", "N…", (Argument.BLOCK,), least=1, most=None)
def _start(shell: Shell, words: list[str]) -> None:
    for number in map(_number, words):
        live = shell.engine.start(number)
        shell.say(f"[{number}] {'●' if live.state == 'running' else '○'} {live.state}")


@_command("rm", "forget blocks, or maps that no block uses", "N…|@MAP…", (Argument.BLOCK,), least=1, most=None)
def _rm(shell: Shell, words: list[str]) -> None:
    for word in words:
        if word.startswith("@"):
            shell.engine.forget(word)
            shell.say(f"{word} removed")
        else:
            shell.say(f"[{shell.engine.remove(_number(word)).number}] removed")


@_command("edit", "change a block; it keeps its maps when their types still fit", "N", (Argument.BLOCK,), least=1,
          most=1)  # fmt: skip
def _edit(shell: Shell, words: list[str]) -> None:
    live = shell.engine.block(_number(words[0]))
    shell.editing = live.number
    shell.front.edit(live.number, live.text)


@_command("quiet", "show nothing more of a block, or show it again; the log has it all", "N", (Argument.BLOCK,),
          least=1, most=1)  # fmt: skip
def _quiet(shell: Shell, words: list[str]) -> None:
    live = shell.engine.block(_number(words[0]))
    live.trickle.quiet = not live.trickle.quiet
    live.trickle.hidden = 0
    shell.say(f"[{live.number}] {'is only logged' if live.trickle.quiet else 'is shown'} from now on")


# maps


@_command("clear", "remove what maps hold", "@MAP…", (Argument.MAP,), least=1, most=None)
def _clear(shell: Shell, words: list[str]) -> None:
    for name in map(_map, words):
        shell.engine.clear(name)


def _live(shell: Shell, kind: str, words: list[str]) -> None:
    from pytrace.repl import views

    if not words:
        shell.front.view(None)
        return
    seconds = interval(words[1]) if len(words) > 1 else views.DEFAULTS[kind]
    shell.front.view(views.make(kind, shell.engine, _map(words[0]), seconds))


@_command("watch", "keep a map below the prompt; alone: no more", "[@MAP [TIME]]", (Argument.MAP, Argument.INTERVAL),
          most=2, example=":watch @us 1s")  # fmt: skip
def _watch(shell: Shell, words: list[str]) -> None:
    _live(shell, "watch", words)


@_command("top", "keep the greatest entries of a map below the prompt, with their rates", "[@MAP [TIME]]",
          (Argument.MAP, Argument.INTERVAL), most=2, example=":top @")  # fmt: skip
def _top(shell: Shell, words: list[str]) -> None:
    _live(shell, "top", words)


@_command("heat", "keep a histogram over time below the prompt, a line for each interval", "[@MAP [TIME]]",
          (Argument.MAP, Argument.INTERVAL), most=2, example=":heat @us 1s")  # fmt: skip
def _heat(shell: Shell, words: list[str]) -> None:
    _live(shell, "heat", words)


# output, files, time


@_command("log", "page through all that blocks have printed", "[N]", (Argument.BLOCK,), most=1)
def _log(shell: Shell, words: list[str]) -> None:
    number = _number(words[0]) if words else None
    if number is not None and number >= shell.engine.next:
        shell.engine.block(number)
    shell.front.page(number)


@_command("save", "write the blocks to a file, as one script; :save! replaces a file", "FILE", (Argument.FILE,),
          least=1, most=1)  # fmt: skip
def _save(shell: Shell, words: list[str]) -> None:
    _write(shell, words[0], os.O_EXCL)


@_command("save!", "the same, also where a file of that name exists", "FILE", (Argument.FILE,), least=1, most=1)
def _save_anyway(shell: Shell, words: list[str]) -> None:
    _write(shell, words[0], os.O_TRUNC)


def _write(shell: Shell, path: str, flag: int) -> None:
    blocks = list(shell.engine.blocks.values())
    if not blocks:
        raise Usage("there are no blocks to save")
    text = shell.engine.compiler.join(tuple(live.text for live in blocks))
    try:
        fd = os.open(_path(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o666)
    except FileExistsError:
        raise Usage(f"{path} exists; :save! {path} replaces it") from None
    with open(fd, "wb") as file:
        file.write(text.encode("latin-1"))
    shell.say(f"{len(blocks)} block{'' if len(blocks) == 1 else 's'} written to {shown(path)}")


@_command("load", "add a script as a block", "FILE [ARGUMENTS…]", (Argument.FILE, Argument.TEXT), least=1, most=None)
def _load(shell: Shell, words: list[str]) -> None:
    from pytrace.script import ScriptError, read_file

    path, *rest = words
    try:
        text = read_file(_path(path)).decode("latin-1")
    except ScriptError as error:
        raise Usage(str(error)) from None
    shell.editing = 0
    shell.block(text, path, tuple(rest))


@_command("wait", "let time pass while blocks print", "TIME", (Argument.INTERVAL,), least=1, most=1, example=":wait 5s")
def _wait(shell: Shell, words: list[str]) -> None:
    shell.front.wait(interval(words[0]))


# lists and help


@_command("l", "list what can be traced", "PATTERN", (Argument.PROBE,), most=1, example=":l kprobe:tcp_*", raw=True)
def _l(shell: Shell, words: list[str]) -> None:
    _list(shell, words, verbose=False)


@_command("lv", "the same, with arguments and types", "PATTERN", (Argument.PROBE,), most=1, raw=True)
def _lv(shell: Shell, words: list[str]) -> None:
    _list(shell, words, verbose=True)


def _list(shell: Shell, words: list[str], *, verbose: bool) -> None:
    lines = shell.engine.compiler.list(words[0], verbose=verbose)
    if not lines:
        shell.say("nothing of that name can be traced")
    for line in lines:
        shell.write(line.encode("latin-1", "backslashreplace") + b"\n")


@_command("keys", "use the keys of emacs or of vi", "emacs|vi", (Argument.TEXT,), least=1, most=1)
def _keys(shell: Shell, words: list[str]) -> None:
    if words[0] not in ("emacs", "vi"):
        raise Usage("usage: :keys emacs|vi")
    shell.front.keys(words[0])


@_command("help", "this list, or help about a word", "[TOPIC]", (Argument.TOPIC,), most=1)
def _help(shell: Shell, words: list[str]) -> None:
    if words:
        explain(shell, words[0])
        return
    shell.say(
        "a probe and its body        becomes a block: kprobe:vfs_read { @[comm] = count() }\n"
        "= EXPRESSION                evaluates once: = curtask.real_parent.comm\n"
        "@MAP                        prints a map\n"
        "?WORD                       explains a function, a builtin, a provider: ?hist\n"
    )
    width = max(len(command.spelling) for command in COMMANDS)
    for command in COMMANDS:
        shell.say(f"{command.spelling:<{width}}  {command.help}")


@_command("quit", "leave; as Ctrl-D")
def _quit(shell: Shell, words: list[str]) -> None:
    raise Leave


COMMANDS: tuple[Command, ...] = tuple(entry.command for entry in _ENTRIES.values())
