"""The reference is complete, true to the declarations, and up to date."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytrace.builtins import REGISTRY
from pytrace.diagnostics import CompileError, Diagnostics, Source
from pytrace.frozen import fields
from pytrace.options import OPTIONS, SHELLS
from pytrace.probes import PROVIDERS
from pytrace.reference import files
from pytrace.reference import providers as described
from pytrace.reference.examples import EXAMPLES
from pytrace.reference.language import MACROS, SYNTAX
from pytrace.reference.pages import pages, public
from pytrace.reference.settings import SETTINGS
from pytrace.semantics import library
from pytrace.semantics.configuration import Config
from pytrace.semantics.unit import Options
from pytrace.share import FILES, completions
from tests.conftest import ROOT

MANUAL = ROOT / "pytrace" / "share" / "pytrace.1"
_ABSENT = ("No matches", "Could not find the address of variable", "not supported", "does not offer")
"""Says that this kernel lacks what an example asks for."""
_HIDDEN = {name for name, builtin in REGISTRY.items() if builtin.internal}
_COMPILED = sorted(name for name, script in EXAMPLES.items() if "./program" not in script and name not in _HIDDEN)


@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: path.name)
def test_files_are_up_to_date(path: Path):
    """If this fails: python -m pytrace.reference"""
    assert path.read_text(encoding="utf-8") == files()[path]


def test_everything_has_an_example():
    words = {each.name for each in (*SYNTAX, *MACROS)}
    assert {each.name for each in public()} | words <= set(EXAMPLES)
    assert set(EXAMPLES) <= set(REGISTRY) | words


def test_everything_is_described():
    assert all(each.doc.endswith(".") for each in public())
    assert list(described.PROVIDERS) == list(PROVIDERS)
    assert set(SETTINGS) == {each.name for each in fields(Config)} - {"dummy_ts_map"}
    assert {each.name for each in MACROS} == library.MACROS
    assert all(option.help for option in OPTIONS)


def test_pages_name_everything():
    text = "".join(pages().values())
    for builtin in public():
        number = builtin.name.removeprefix("arg")
        assert (number.isdigit() and number != "0") or f"### {builtin.name}" in text
        assert number.isdigit() or all(f"`{signature}`" in text for signature in builtin.signatures)
    for option in OPTIONS:
        assert (f"--{option.name}" if option.name else f"-{option.short}") in text


def _compiles(script: str) -> None:
    from pytrace.compiler import compile_source

    diagnostics = Diagnostics()
    try:
        compile_source(Source("stdin", script), Options(unsafe=True, child_path="/bin/true", child_pid=1), diagnostics)
    except CompileError as error:
        said = [diagnostic.message for diagnostic in error.diagnostics.errors]
        if any(word in each for each in said for word in _ABSENT):
            pytest.skip(f"not on this kernel: {said[0]}")
        raise AssertionError(said) from error


@pytest.mark.live
@pytest.mark.parametrize("name", _COMPILED)
def test_examples_compile(name: str):
    _compiles(EXAMPLES[name])


@pytest.mark.live
@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"hardware", "usdt"}))
def test_examples_of_probes_compile(name: str):
    _compiles(described.PROVIDERS[name][2])


def test_manual_is_sound():
    """groff has nothing to warn about, and what must stand in the page does."""
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou", str(MANUAL)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("NAME", "SYNOPSIS", "OPTIONS", "PROBES", "CONFIGURATION", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES"):
        assert word in done.stdout


def test_manual_keeps_quotes_and_minuses():
    text = MANUAL.read_text(encoding="utf-8")
    assert "\\-\\-no\\-warnings" in text
    assert not [line for line in text.splitlines() if line.startswith("'")]


# --- completions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_shown(shell: str):
    done = subprocess.run(
        [sys.executable, "-m", "pytrace", "--completions", shell], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, completions(shell), "")
    for option in OPTIONS:
        assert option.name in done.stdout


def _bash(line: str) -> list[str]:
    """What bash offers for the last word of a command line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        source '{ROOT / "pytrace" / "share" / FILES["bash"]}'
        COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
        COMP_LINE='{line}' COMP_POINT={len(line)}
        function=$(complete -p pytrace | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $function pytrace "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_options():
    assert set(_bash("pytrace --no-")) == {"--no-warnings", "--no-feature", "--no-cache"}
    assert {"--pid", "--probe-filter"} <= set(_bash("pytrace --p"))


def test_bash_completes_values():
    assert _bash("pytrace -f j") == ["json"]
    assert set(_bash("pytrace --mode ")) >= {"codegen", "test", "bench", "format"}
    assert "README.md" in _bash("pytrace -o READ")
    assert "examples" in " ".join(_bash("pytrace -I exam"))


def test_bash_completes_scripts():
    assert "README.md" in _bash("pytrace READ")


@pytest.mark.parametrize(("shell", "check"), [("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])])
def test_other_shells_can_read_them(shell: str, check: list[str]):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    subprocess.run([*check, str(ROOT / "pytrace" / "share" / FILES[shell])], check=True)


def test_unknown_shell():
    done = subprocess.run(
        [sys.executable, "-m", "pytrace", "--completions", "csh"], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ERROR: USAGE: --completions can only be bash, zsh, fish.\n"
