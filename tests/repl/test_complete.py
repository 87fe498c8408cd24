"""Completion by place. What the kernel is asked for is tested live; the lists of names are small ones made for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrace.repl.complete import Completer
from pytrace.repl.context import Argument, BlockInfo, Command, Context, MapInfo
from pytrace.repl.index import Index
from pytrace.repl.matcher import pack
from pytrace.semantics.types import U64, Aggregate, Pointer, Str, Struct, Tuple
from tests.repl.test_lexer import TEXTS, scripts

TRACEPOINTS = (
    "syscalls:sys_enter_openat", "syscalls:sys_exit_openat", "syscalls:sys_enter_open", "sched:sched_switch",
    "syscalls:sys_enter_read", "block:block_rq_issue",
)  # fmt: skip
FUNCTIONS = ("vfs_read", "vfs_readv", "vfs_write", "do_sys_openat2", "schedule", "ext4_readdir")
COMMANDS = (
    Command("ls", "the blocks"), Command("stop", "stop blocks", (Argument.BLOCK,), "N…", repeats=True),
    Command("watch", "show a map", (Argument.MAP, Argument.INTERVAL)), Command("load", "a file", (Argument.FILE,)),
    Command("l", "list", (Argument.PROBE,)), Command("keys", "keys", (Argument.TEXT,), choices=("emacs", "vi")),
    Command("help", "help", (Argument.TOPIC,)), Command("save!", "save", (Argument.FILE,)),
)  # fmt: skip
TASK = Pointer(Struct("task_struct", 0, 8, "struct", "vmlinux"))
CONTEXT = Context(
    (MapInfo("@us", Str(16), Aggregate("hist")), MapInfo("@task", None, TASK), MapInfo("@n", Tuple((U64, U64)), U64)),
    (BlockInfo(1, "kprobe:vfs_read { @us[comm] = hist(arg2) }"), BlockInfo(2, "begin { }", "stopped")), COMMANDS,
)


def index() -> Index:
    """The lists, as they come from the child."""
    found = Index()
    found._take("tracepoints", tuple(pack(TRACEPOINTS)))
    found._take("functions", tuple(pack(FUNCTIONS)))
    found._take("modules", {"ext4": ["ext4_readdir"]})
    found._take("rawtracepoints", tuple(pack(("sched_switch", "sys_enter"))))
    found._take("arguments", {"sched_switch": "preempt, prev, next"})
    found._take("iterators", tuple(pack(("task", "task_file"))))
    found._take("types", tuple(pack(("struct task_struct", "struct file", "union thread_union", "pid_t"))))
    found.loaded.set()
    return found


COMPLETER = Completer(index())


def texts(entry: str, context: Context = CONTEXT, *, asked: bool = True) -> list[str]:
    """What the text becomes with each completion."""
    return [entry[: each.start] + each.text for each in COMPLETER.complete(entry, context=context, asked=asked)]


def metas(entry: str) -> dict[str, str]:
    return {each.text: each.meta for each in COMPLETER.complete(entry, context=CONTEXT)}


def first(entry: str) -> str:
    return texts(entry)[0]


# --- attach points ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "becomes"),
    [
        ("trac", "tracepoint:"), ("kp", "kprobe:"), ("be", "begin"), ("i", "i:"),
        ("t:opnat", "t:syscalls:sys_enter_openat"), ("t:sys:opn", "t:syscalls:sys_enter_open"),
        ("TRACEPOINT:swi", "TRACEPOINT:sched:sched_switch"), ("kprobe:vfsr", "kprobe:vfs_read"),
        ("kprobe:vfs_read,t:rq", "kprobe:vfs_read,t:block:block_rq_issue"),
        ("begin { } k:sched", "begin { } k:schedule"),
        ("begin { }\nrt:sw", "begin { }\nrt:sched_switch"), ("r=kprobe:vfsw", "r=kprobe:vfs_write"),
        ("kprobe:ext4:", "kprobe:ext4:ext4_readdir"), ("kprobe:vmlinux:vfsw", "kprobe:vmlinux:vfs_write"),
        ("it:ta", "it:task"), ("s:fau", "s:faults"), ("h:cyc", "h:cycles"), ("profile:h", "profile:hz:"),
        ("openat2", "kprobe:do_sys_openat2"), ("rq_iss", "tracepoint:block:block_rq_issue"),
        ("self:", "self:signal:SIGUSR1"), ("fentry:bp", "fentry:bpf:"),
        ("conf", "config = { "), ("macr", "macro "), ("#inc", "#include "),
    ],
)  # fmt: skip
def test_attach_points(entry: str, becomes: str) -> None:
    assert becomes in texts(entry)[:2]


def test_system_calls_begin_before_they_end() -> None:
    found = texts("t:openat")
    assert found.index("t:syscalls:sys_enter_openat") < found.index("t:syscalls:sys_exit_openat")


def test_probes_are_described() -> None:
    assert metas("rt:sched")["sched_switch"] == "preempt, prev, next"
    assert metas("kprobe:ex")["ext4:"] == "1 functions of a module"
    assert metas("s:faults")["faults"] == "page-faults"


@pytest.mark.parametrize(
    "entry",
    ["kprobe:vfs_read ", "begin { } // t:opnat", "/* t:opnat", 'begin { "t:opnat', "nosuch:x", "begin { pid ",
     "kprobe:nosuch:x", 'kprobe:"vfs', "begin { $x[1]", "begin { 12", "interval:s:1", ":nosuch x", "= 1 "],
)  # fmt: skip
def test_nothing_to_offer(entry: str) -> None:
    assert texts(entry) == []


def test_nobody_asked() -> None:
    """Nothing pops up where anything could stand."""
    for entry in ("", "begin { ", "begin { print(", "kprobe:vfs_read /", "begin { pid + "):
        assert texts(entry, asked=False) == []
        assert texts(entry) != []
    assert texts("begin { config.", asked=False) != []
    assert texts("begin { pri", asked=False) != []


def test_files_and_what_is_in_them(tmp_path: Path) -> None:
    program = tmp_path / "prögram"
    program.touch(0o755)
    (tmp_path / "data").touch(0o644)
    (tmp_path / "folder").mkdir()
    assert texts(f"uprobe:{tmp_path}/") == [f"uprobe:{tmp_path}/folder/", f"uprobe:{tmp_path}/prögram:"]
    assert texts(f"uprobe:{program}:") == []
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    assert texts(f"uprobe:{tmp_path}/pipe:") == []
    assert texts(f":load {tmp_path}/da") == [f":load {tmp_path}/data"]
    assert texts(f":save! {tmp_path}/fo") == [f":save! {tmp_path}/folder/"]
    assert "uprobe:libc:" in texts("uprobe:libc")
    assert "uprobe:libc:getaddrinfo" in texts("uprobe:libc:getaddr")


def test_names_in_an_own_program(load: Path) -> None:
    assert f"u:{load}:main" in texts(f"u:{load}:mai")


# --- bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "becomes"),
    [
        ("begin { pri", "begin { print("), ("begin { @x = his", "begin { @x = hist("),
        ("begin { @x[pid] = cou", "begin { @x[pid] = count()"), ("begin { whi", "begin { while"),
        ("kprobe:vfs_read /com", "kprobe:vfs_read /comm"), ("= nse", "= nsecs"), ("begin { asser", "begin { assert("),
        ("begin { siz", "begin { sizeof"), ("macro dbl(x) { x } begin { db", "macro dbl(x) { x } begin { dbl("),
        ("begin { $abc = 1; $abd = 2; print($ab", "begin { $abc = 1; $abd = 2; print($abd"),
        ("begin { @", "begin { @us"), ("@t", "@task"),
        ("begin { @other = 1; print(@ot", "begin { @other = 1; print(@other"),
        ("begin { config.max_str", "begin { config.max_strlen"), ("config = { max_str", "config = { max_strlen = "),
        ("config = { stack_mode = pe", "config = { stack_mode = perf"),
        ("config = { print_maps_on_exit = f", "config = { print_maps_on_exit = false"),
        ("let @m = lru", "let @m = lruhash"), ("begin { (struct task", "begin { (struct task_struct"),
        ("struct x { struct fi", "struct x { struct file"),
        ("begin { (union t", "begin { (union thread_union"), ('begin { reg("a', 'begin { reg("ax'),
        ("begin { (uint6", "begin { (uint64"), ("begin { let $x: uint1", "begin { let $x: uint16"),
        ('begin { signal("USR', 'begin { signal("SIGUSR1'), ('begin { kaddr("vfs_w', 'begin { kaddr("vfs_write'),
        ("begin { for $kv : @n { $kv.", "begin { for $kv : @n { $kv.0"),
        ("begin { $r = (a=1, bc=2); $r.b", "begin { $r = (a=1, bc=2); $r.bc"),
    ],
)  # fmt: skip
def test_bodies(entry: str, becomes: str) -> None:
    assert becomes in texts(entry)[:3]


def test_map_functions_fill_maps_only() -> None:
    assert "begin { $x = hist(" not in texts("begin { $x = his")
    assert "begin { print(count(" not in texts("begin { print(cou")


def test_types_of_variables_and_maps() -> None:
    entry = 'begin { $a = 1; $b = "xy"; $c = (1, comm); let $d: uint8 = 3; $e = @n; print($'
    assert metas(entry) == {
        "$a": "int64", "$b": "string[3]", "$c": "(int64,string[16])", "$d": "uint8", "$e": "uint64",
    }  # fmt: skip
    assert metas("begin { @x[1] = hist(pid); @") == {
        "@us": "[string[16]] hist_t", "@task": "struct task_struct *", "@n": "[(uint64,uint64)] uint64",
        "@x": "[int64] hist_t",
    }  # fmt: skip


def test_a_variable_that_is_made_from_itself_has_an_end() -> None:
    chain = "".join(f"$x = $x.f{number}; " for number in range(200))
    assert texts(f"begin {{ {chain} $x.") == []


def test_values_that_grow_have_an_end() -> None:
    """Each variable holds the one before it twice; expressions may be as deep as the parser allows."""
    chain = "$v0 = 1; " + "".join(f"$v{n + 1} = ($v{n}, $v{n}); " for n in range(60))
    assert texts(f"begin {{ {chain} $v60.") in ([], [f"begin {{ {chain} $v60.0", f"begin {{ {chain} $v60.1"])
    assert texts("begin { $x" + ".f" * 2000 + ".") == []
    assert texts("begin { " + "(" * 400 + "curtask" + ")" * 400 + ".com") is not None
    assert texts("begin { " + "-" * 3000 + "curtask.com") is not None
    assert texts("begin { $x = " + "-" * 3000 + "curtask; $x.") == []


STRUCTS = "struct inner { int deep; }; struct outer { int first; struct inner in; struct inner *to; char name[8]; };\n"


@pytest.mark.parametrize(
    ("expression", "fields"),
    [
        ("((struct outer *)1)", ["first", "in", "to", "name"]), ("((struct outer *)1)->in", ["deep"]),
        ("(*(struct outer *)1).to", ["deep"]), ("((struct outer **)1)[3]", ["first", "in", "to", "name"]),
        ("((struct outer *)1).first", []), ("(1 ? (struct inner *)1 : 0)", ["deep"]),
        ("kptr((struct inner *)1)", ["deep"]),
        ("container_of(1, typeof(struct outer), in)", ["first", "in", "to", "name"]), ("((struct nosuch *)1)", []),
        ("({ 1; (struct inner *)1 })", ["deep"]),
    ],
)  # fmt: skip
def test_fields_of_own_structures(expression: str, fields: list[str]) -> None:
    entry = f"{STRUCTS}begin {{ {expression}."
    assert [each.text for each in COMPLETER.complete(entry)] == fields
    assert [each.text for each in COMPLETER.complete(f"{STRUCTS}begin {{ $v = {expression}; $v->")] == fields


def test_structures_of_earlier_entries() -> None:
    context = Context(preamble=STRUCTS)
    assert [each.text for each in COMPLETER.complete("= ((struct inner *)1).", context=context)] == ["deep"]


def test_offsetof() -> None:
    assert texts(f"{STRUCTS}begin {{ offsetof(struct outer, fi")[0].endswith("offsetof(struct outer, first")


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "becomes"),
    [
        (":", [":ls", ":stop", ":watch", ":load", ":l", ":keys", ":help", ":save!"]), (":st", [":stop"]),
        (":stop ", [":stop 1", ":stop 2"]), (":stop 1 ", [":stop 1 2"]), (":sto 1 ", [":sto 1 2"]),
        (":watch @u", [":watch @us"]), (":watch @us 1", [":watch @us 1s", ":watch @us 10s", ":watch @us 1m"]),
        (":keys ", [":keys emacs", ":keys vi"]), (":l t:rq", [":l t:block:block_rq_issue"]), (":ls ", []),
        ("?lhis", ["?lhist"]), (":help lhis", [":help lhist"]), ("? hist", ["? hist", "? lhist"]),
    ],
)  # fmt: skip
def test_commands(entry: str, becomes: list[str]) -> None:
    assert sorted(texts(entry)) == sorted(becomes)


def test_blocks_are_described() -> None:
    assert metas(":stop ")["1"] == "running: kprobe:vfs_read { @us[comm] = hist(arg2) }"


# --- the kernel ---------------------------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.parametrize(
    ("entry", "name", "meta"),
    [
        ("t:syscalls:sys_enter_openat { str(args.filen", "filename", "uint8 *"),
        ("t:syscalls:sys_enter_openat, begin { args.fla", "flags", "uint64"),
        ("t:sched:sched_swi* { args.prev_c", "prev_comm", "string[16]"),
        ("rt:sched_switch { args.next.com", "comm", "string[16]"),
        ("f:vfs_read { args.file.f_path.dentry.d_par", "d_parent", "struct dentry *"),
        ("iter:task { ctx.task.com", "comm", "string[16]"),
        ("= curtask.real_parent.com", "comm", "string[16]"),
        ("= @task.real_par", "real_parent", "struct task_struct *"),
        ("begin { $t = curtask; $p = $t->real_parent; $p.tgi", "tgid", "int32"),
    ],
)  # fmt: skip
def test_fields_of_the_kernel(entry: str, name: str, meta: str) -> None:
    assert metas(entry).get(name) == meta


@pytest.mark.live
def test_what_a_probe_does_not_have_is_not_offered() -> None:
    """The providers say what their probes see."""
    assert {"kprobe:vfs_read { arg0", "kprobe:vfs_read { arg1"} <= set(texts("kprobe:vfs_read { arg"))
    assert "kprobe:vfs_read { args" not in texts("kprobe:vfs_read { arg")
    assert "t:syscalls:sys_enter_read { args" in texts("t:syscalls:sys_enter_read { arg")
    assert "t:syscalls:sys_enter_read { arg0" not in texts("t:syscalls:sys_enter_read { arg")
    assert "kprobe:vfs_read { retval" not in texts("kprobe:vfs_read { retv")
    assert "kretprobe:vfs_read { retval" in texts("kretprobe:vfs_read { retv")
    assert metas("t:openat")["syscalls:sys_enter_openat"] == "dfd, filename, flags, mode"


# --- any text -----------------------------------------------------------------------------------------------------


def _check(entry: str, cursor: int) -> None:
    for each in COMPLETER.complete(entry, cursor, CONTEXT)[:5]:
        assert 0 <= each.start <= cursor
        assert each.text and each.display
        assert "\n" not in each.meta


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.data())
def test_no_text_stops_it(entry: str, data: st.DataObject) -> None:
    _check(entry, data.draw(st.integers(0, len(entry))))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([text for _, text in scripts()]), st.data())
def test_no_part_of_a_script_stops_it(script: str, data: st.DataObject) -> None:
    _check(script, data.draw(st.integers(0, len(script))))
