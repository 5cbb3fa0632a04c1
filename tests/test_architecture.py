"""The house stays as docs/architecture.md draws it: who imports whom, who touches the world, how long things get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import picluster

HOUSE = Path(picluster.__file__).parent
MODULES = sorted(HOUSE.rglob("*.py"))

NUMBERS = {
    "__init__": 0,
    "errors": 0,
    "model": 1,
    "remote": 1,
    "ports": 2,
    "failover": 2,
    "membership": 2,
    "wire": 2,
    "discovery": 2,
    "inventory": 2,
    "lights": 2,
    "provision": 2,
    "trust": 2,
    "founding": 3,
    "adapters": 3,
    "simulated": 3,
    "tuning": 3,
    "agent": 4,
    "controller": 4,
    "dashboard": 5,
    "lab": 5,
    "cli": 6,
}
"""By package, the floor on which it lives."""

CHOOSE_ADAPTERS = {"cli", "lab", "adapters"}
EXCEPTIONS = {"agent/entry.py": None, "dashboard/live.py": {"picluster.adapters.terminal"}}
"""Modules of other packages that choose adapters too, and which; None: any."""

WORLD = {
    *(
        "asyncio",
        "ctypes",
        "fabric",
        "fcntl",
        "ifaddr",
        "multiprocessing",
        "os",
        "paramiko",
        "pathlib",
        "pty",
        "resource",
        "rich",
        "secrets",
    ),
    *("select", "selectors", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "termios", "threading", "time"),
    *("tty", "zeroconf"),
}
"""Modules through which a program touches, or learns of, anything outside itself; and those that are slow to import."""
MAY_TOUCH = {
    "adapters": WORLD - {"rich", "subprocess"},
    "lab": WORLD - {"rich", "zeroconf", "ifaddr", "fabric", "paramiko"},
    "agent": {"os", "pathlib", "secrets", "select", "sys", "threading", "time"},
    "dashboard": {"os", "rich", "sys", "time"},
    "cli": {"os", "pathlib", "sys", "time"},
    "wire": {"secrets"},
    "remote": {"fcntl", "os", "pathlib", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "time"},
    "controller": {"fcntl", "pathlib", "threading", "time"},
}
"""Whatever is not named here is pure: it touches nothing."""
STARTS_PROGRAMS = {"adapters/package_index.py"}
"""Modules of adapters that start a program, because what it does cannot be had otherwise."""

LONGEST_MODULE, LONGEST_FUNCTION = 500, 70


def place(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def package_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The full names of all modules that it imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path)} imports relatively; name the package"
            assert node.module is not None
            yield node.module
            # `from picluster.adapters import mdns` imports a module too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names if is_module(f"{node.module}.{alias.name}"))


def is_module(name: str) -> bool:
    path = HOUSE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def housemates(path: Path) -> set[str]:
    return {name for name in imports(path) if name.startswith("picluster.")}


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_an_import_points_to_a_smaller_number(path: Path) -> None:
    own = package_of(path)
    for name in housemates(path):
        other = name.split(".")[1]
        assert other in NUMBERS, f"{name}: no floor in the house for it"
        assert other == own or NUMBERS[other] < NUMBERS[own], f"{place(path)} (in {own}) imports {name}"


def test_only_who_chooses_adapters_imports_them() -> None:
    for path in MODULES:
        chosen = {name for name in housemates(path) if name.startswith("picluster.adapters.")}
        if package_of(path) in CHOOSE_ADAPTERS or not chosen:
            continue
        assert place(path) in EXCEPTIONS, f"{place(path)} imports {chosen}: let it be handed a port instead"
        allowed = EXCEPTIONS[place(path)]
        assert allowed is None or chosen == allowed


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_only_who_may_touches_the_world(path: Path) -> None:
    touched = {name.split(".")[0] for name in imports(path)} & WORLD
    allowed = MAY_TOUCH.get(package_of(path), set()) | ({"subprocess"} if place(path) in STARTS_PROGRAMS else set())
    assert touched <= allowed, f"{place(path)}: {touched}"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_every_module_teaches_and_nothing_gets_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert not text or ast.get_docstring(tree) or path.name == "__init__.py", f"{place(path)} has no docstring"
    assert len(text.splitlines()) <= LONGEST_MODULE
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, f"{place(path)}: {node.name}"


def test_the_drawing_shows_every_room() -> None:
    """docs/architecture.md names each package with its number."""
    drawing = (HOUSE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    words = [line.split()[:2] for line in drawing.splitlines()]
    for room, number in NUMBERS.items():
        names = ([f"{room}/", str(number)], [f"{room}.py", str(number)])
        assert room == "__init__" or names[0] in words or names[1] in words, f"{room} {number} is not in the drawing"
    assert {package_of(path) for path in MODULES} == set(NUMBERS)


def test_the_agent_starts_light() -> None:
    """What it loads before its first word: no dashboard, no lab, nothing that a Pi Zero would need seconds for."""
    program = "import picluster.cli.main, picluster.cli.agent, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert "picluster.agent.daemon" in loaded
    heavy = {
        "asyncio",
        "email",
        "fabric",
        "http",
        "hypothesis",
        "logging.config",
        "multiprocessing",
        "paramiko",
        "rich",
        "ssl",
        "unittest",
        "zeroconf",
    }
    assert not heavy & loaded
    rooms = {name.split(".")[1] for name in loaded if name.startswith("picluster.")}
    assert not rooms & {"controller", "dashboard", "founding", "lab", "lights", "provision", "remote", "simulated", "trust"}
