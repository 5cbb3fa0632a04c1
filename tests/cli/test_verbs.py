"""The command line: every verb explains itself, and nothing that a person types ends in a traceback."""

from __future__ import annotations

import json
import os
import select
import shutil
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from functools import cache
from pathlib import Path

import pytest

from picluster.adapters.control import ControlSocket
from picluster.cli.main import VERBS, load, main, parser_of
from picluster.lab.programs import environment
from picluster.wire import Keyring

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "inventory").glob("*.toml"))
PICLUSTER = [sys.executable, "-m", "picluster.cli.main"]
BROKEN = """
[cluster]
name = "Broken House"
[failover]
lease_ms = 1
[nodes.pi1]
adress = "192.168.1.11"
[nodes.pi2]
"""


def picluster(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PICLUSTER, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )


# ── every verb ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    parser = parser_of(verb)
    assert parser.prog == f"picluster {verb}"
    assert parser.description, "the module's docstring is the description"
    # Not through a terminal: the help has to have a line for each option.
    assert all(action.help for action in parser._actions if action.option_strings), f"{verb} has an option without help"
    assert parser.format_help()
    assert sys.modules[load(verb).run.__module__].__doc__


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_place_in_the_readme(verb: str) -> None:
    assert f"picluster {verb}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_module_of_the_command_line_is_a_verb_or_shared() -> None:
    modules = {path.stem for path in (ROOT / "picluster" / "cli").glob("*.py")} - {"__init__"}
    assert modules - {verb.replace("-", "_") for verb in VERBS} == {"main", "joining", "local", "controlling", "watching"}


def test_help_is_on_the_output_and_complaints_are_not() -> None:
    shown = picluster("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(f"  {verb} " in shown.stdout for verb in VERBS)
    nothing = picluster()
    assert (nothing.returncode, nothing.stdout) == (2, shown.stdout)
    unknown = picluster("dance")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "there is no verb 'dance'" in unknown.stderr
    assert picluster("--version").stdout.startswith("picluster ")


# ── wrong input ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory full of files that are not what is wanted."""
    (tmp_path / "empty.toml").touch()
    (tmp_path / "directory.toml").mkdir()
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    (tmp_path / "broken.toml").write_text(BROKEN)
    shutil.copy(EXAMPLES[-1], tmp_path / "good.toml")
    (tmp_path / "bad.key").write_text("secret")
    (tmp_path / "bad.key").chmod(0o600)
    (tmp_path / "file").touch()
    return tmp_path


WRONG = [
    *(["check", name] for name in ("missing.toml", "empty.toml", "directory.toml", "binary.toml", "broken.toml", "file/x")),
    *(["agent", "--config", name] for name in ("missing.toml", "empty.toml", "directory.toml", "binary.toml", "good.toml")),
    *(["status", name] for name in ("missing.toml", "directory.toml", "binary.toml", "good.toml")),
    ["status", "good.toml", "--key-file", "bad.key"],
    ["status", "--run-dir", "."],
    ["status", "--run-dir", "missing"],
    ["status", "--run-dir", "file"],
    ["status", "--run-dir", "x" * 300],
    ["status", "--wait", "nan"],
    ["status", "--wait", "-1"],
    ["status", "--wait", "soon"],
    ["watch"],
    ["watch", "missing.toml"],
    ["watch", "good.toml", "--host", "eth0"],
    ["standby", "--run-dir", "missing"],
    ["active", "--run-dir", "missing"],
    ["reload", "--run-dir", "missing"],
    ["move"],
    ["move", "web"],
    ["move", "web", "--to", "pi2", "--run-dir", "missing"],
    ["key"],
    ["key", "directory.toml"],
    ["key", "missing/cluster.key"],
    ["key", "bad.key"],
    ["key", "bad.key", "--rotate", "add"],
    ["key", "missing.key", "--rotate", "add"],
    ["key", "bad.key", "--rotate"],
    ["key", "bad.key", "--rotate", "twice"],
    ["simulate", "--seeds", "0"],
    ["simulate", "--seeds", "-3"],
    ["simulate", "--jobs", "-1"],
    ["simulate", "--transcript"],
    ["completion"],
    ["completion", "tcsh"],
    ["check", "good.toml", "--colour"],
    ["up"],
    ["up", "missing.toml"],
    ["up", "good.toml", "--limit", "pi99"],
    ["up", "good.toml", "--only", "everything"],
    ["up", "good.toml", "--json"],
    ["run"],
    ["run", "-i", "good.toml"],
    ["run", "-i", "good.toml", "--timeout", "0", "--", "uptime"],
    ["ssh"],
    ["ssh", "pi99", "-i", "good.toml"],
    ["logs", "pi99", "-i", "good.toml"],
    ["events", "missing.toml"],
    ["events", "good.toml", "--limit", "pi99"],
    ["events", "good.toml", "--lines", "-1"],
    ["drill", "missing.toml"],
    ["drill", "good.toml", "--address", "pi99"],
    ["drill", "good.toml", "--port", "65536"],
    ["drill", "good.toml", "--json"],
    ["inventory", "missing.toml"],
    ["inventory", "good.toml", "--host", "pi1"],
    ["inventory", "good.toml", "--ansible", "--host", "pi99"],
    ["reboot", "-i", "missing.toml"],
    ["shutdown", "-i", "good.toml"],
    ["reset", "pi99", "-i", "good.toml"],
    ["upgrade", "missing.toml"],
    ["upgrade", "good.toml"],
    ["node"],
    ["node", "add"],
    ["node", "add", "pi4", "missing.toml"],
    ["node", "remove", "pi1", "good.toml"],
    ["node", "replace", "pi1", "good.toml", "--reset"],
    ["forget-host"],
    ["forget-host", "pi99", "-i", "good.toml"],
    ["key", "rotate", "missing.toml"],
    ["key", "rotate", "good.toml"],
    ["key", "home.key", "good.toml"],
    ["standby", "pi99", "-i", "good.toml"],
    ["move", "web", "--to", "pi2", "-i", "missing.toml"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_input_is_explained_and_ends_with_2(place: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In this process, since there are many; what is no error of ours comes out as an exception."""
    with chdir(place):
        code = main(words)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err


def test_a_run_directory_that_cannot_be_made_is_explained(place: Path) -> None:
    (place / "cluster.key").write_text(Keyring.fresh())
    (place / "cluster.key").chmod(0o600)
    (place / "agent.toml").write_text('node = "pi1"\ninventory = "good.toml"\nrun_dir = "file/run"')
    done = picluster("agent", "--config", "agent.toml", cwd=place)
    assert done.returncode == 2
    assert "cannot be the run directory" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("output", "code"), [("closed pipe", 1), ("/dev/full", 2), ("nothing", 0)])
@pytest.mark.parametrize("words", [["check", str(EXAMPLES[0])], ["--help"], ["check", "--help"], ["completion", "bash"]])
def test_an_output_that_takes_nothing_is_no_traceback(words: list[str], output: str, code: int) -> None:
    if output == "closed pipe":
        reading, writing = os.pipe()
        os.close(reading)
    elif output == "/dev/full":
        if not Path(output).exists():
            pytest.skip("this system has no /dev/full")
        writing = os.open(output, os.O_WRONLY)
    else:
        writing = os.open(os.devnull, os.O_WRONLY)
    command = [*PICLUSTER, *words]
    if output == "nothing":
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    # Unbuffered, argparse would swallow the error itself.
    buffered = {name: value for name, value in environment().items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=buffered)
    os.close(writing)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


WITHOUT_RICH = "import sys; sys.modules['rich'] = None; from picluster.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("verb", "code"), [("status", 2), ("watch", 2), ("demo", 2), ("check", 0), ("key", 0), ("agent", 0)]
)
def test_without_the_library_that_draws_a_verb_works_or_says_how_to_get_it(verb: str, code: int) -> None:
    command = [sys.executable, "-c", WITHOUT_RICH, verb, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert ("pip install rich" in done.stderr) == bool(code)


# ── check ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_check_says_what_an_example_means(path: Path) -> None:
    done = picluster("check", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert path.stem.split("-")[0] in done.stdout
    assert "after a power cut an address answers again" in done.stdout
    assert "datagrams a second" in done.stdout, "what it costs"
    assert picluster("check", str(path), "--json").stdout.startswith("{")


def test_check_tells_all_mistakes_with_their_lines(place: Path) -> None:
    done = picluster("check", "broken.toml", cwd=place)
    mistakes = done.stderr.splitlines()
    for line in (3, 5, 7):
        assert any(f"broken.toml:{line}: " in mistake for mistake in mistakes), line


# ── key ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_secret_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "home.key"
    made = picluster("key", str(file))
    assert made.returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_text()
    assert len(Keyring.parse(content).keys) == 1
    assert Keyring.parse(content).keys[0].hex() not in made.stdout
    again = picluster("key", str(file))
    assert again.returncode == 2
    assert "is there already and is kept" in again.stderr
    assert file.read_text() == content


def test_a_key_is_changed_in_three_steps_each_of_which_leaves_a_key_that_everybody_believes(tmp_path: Path) -> None:
    file = tmp_path / "home.key"
    picluster("key", str(file))

    def step(name: str) -> tuple[bytes, ...]:
        before = Keyring.parse(file.read_text())
        assert picluster("key", str(file), "--rotate", name).returncode == 0
        after = Keyring.parse(file.read_text())
        # Nodes get the file one after the other: whoever has it and whoever does not must believe each other.
        assert before.keys[0] in after.keys
        assert after.keys[0] in before.keys
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        return after.keys

    [first] = Keyring.parse(file.read_text()).keys
    present, second = step("add")
    assert present == first != second
    assert step("swap") == (second, first)
    assert step("drop") == (second,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home.key"]


@pytest.mark.parametrize(("taken", "wrong", "mend"), [((), "swap", "add"), ((), "drop", "add"), (("add",), "add", "swap")])
def test_a_step_that_is_not_its_turn_is_refused(tmp_path: Path, taken: tuple[str, ...], wrong: str, mend: str) -> None:
    file = tmp_path / "home.key"
    picluster("key", str(file))
    for step in taken:
        picluster("key", str(file), "--rotate", step)
    content = file.read_text()
    refused = picluster("key", str(file), "--rotate", wrong)
    assert refused.returncode == 2
    assert f"--rotate {mend}" in refused.stderr
    assert file.read_text() == content


def test_own_addresses_are_taken_in_any_spelling() -> None:
    parsed = parser_of("watch").parse_args(["home.toml", "--host", "FD77:0::0009", "--host", "10.77.0.9"])
    assert parsed.host == ["fd77::9", "10.77.0.9"]


# ── the agent of this machine ───────────────────────────────────────────────────────────────────────────────────────────


def told(answer: bytes, *words: str) -> tuple[object, subprocess.CompletedProcess[str]]:
    """What the agent of this machine is asked, if it gives that answer, and what becomes of the verb."""
    asked: list[object] = []
    with tempfile.TemporaryDirectory(prefix="picluster-") as name, ThreadPoolExecutor(1) as pool:
        agent = ControlSocket(Path(name))
        verb = pool.submit(picluster, *words, "--run-dir", name)
        while not verb.done():
            readable, _, _ = select.select(agent.filenos(), agent.waiting(), [], 0.1)
            for caller, line in agent.requests(readable):
                asked.append(json.loads(line))
                agent.say(caller, answer)
            agent.flush()
        agent.close()
    (request,) = asked
    return request, verb.result()


@pytest.mark.parametrize(
    ("words", "request_made"),
    [
        (["standby"], {"do": "standby"}),
        (["active"], {"do": "active"}),
        (["reload"], {"do": "reload"}),
        (["move", "web", "--to", "pi2"], {"do": "move", "address": "web", "to": "pi2"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_asked_of_the_agent_is_done_or_refused_with_its_words(words: list[str], request_made: object) -> None:
    asked, done = told(b'{"ok": true}', *words)
    assert (asked, done.returncode, done.stderr) == (request_made, 0, "")
    assert done.stdout
    _, done = told(b'{"ok": false, "error": "not by that inventory"}', *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"picluster {words[0]}: not by that inventory\n"


# ── completion ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_a_completion_script_is_one(shell: str, check: str, tmp_path: Path) -> None:
    done = picluster("completion", shell)
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
    assert "%(default)s" not in done.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed, so nobody reads its script here")
    (tmp_path / "script").write_text(done.stdout)
    read = subprocess.run([program, check, str(tmp_path / "script")], capture_output=True, timeout=60, check=False)
    assert (read.returncode, read.stderr) == (0, b"")


@cache
def completion(shell: str) -> str:
    return picluster("completion", shell).stdout


def completed(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = completion("bash")
    count = len(words)
    quoted = " ".join(f"'{word}'" for word in ("picluster", *words))
    ask = f'{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={count}; _picluster; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_verbs_options_and_files() -> None:
    assert completed("st") == ["status", "standby"]
    assert completed("status", "--j") == ["--json"]
    assert completed("check", "inventory/three") == ["inventory/three-pis.toml"]
    assert completed("demo", "--mode", "") == ["auto", "namespaces", "loopback"]
    assert completed("key", "home.key", "--rotate", "s") == ["swap"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]
    assert completed("completion", "--h") == ["--help"]
    assert completed("lab", "c") == ["cut"]
    assert completed("lab", "cut", "inventory/three") == ["inventory/three-pis.toml"]


def shown_by_fish(line: str) -> list[str]:
    ask = f"{completion('fish')}\ncomplete --do-complete '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    return [offer.partition("\t")[0] for offer in done.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_what_there_is_to_choose() -> None:
    assert sorted(shown_by_fish("picluster demo --mode ")) == ["auto", "loopback", "namespaces"]
    assert sorted(shown_by_fish("picluster completion ")) == ["bash", "fish", "zsh"]
    assert shown_by_fish("picluster lab c") == ["cut"]
