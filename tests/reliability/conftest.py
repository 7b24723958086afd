"""What the tests of reliability share: the failing disk, PostgreSQL, short and long forms."""

import os
import pathlib
import subprocess

import pytest
from kit import ROOT

HERE = pathlib.Path(__file__).resolve().parent
# `scripts/reliability` sets this: hours instead of seconds.
LONG = bool(os.environ.get("MENDPOINT_LONG"))


@pytest.fixture(scope="session")
def failing_disk() -> pathlib.Path:
    """The library that makes a disk fail, built when its source is newer."""
    source, built = HERE / "disk.c", ROOT / "target" / "disk.so"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        built.parent.mkdir(exist_ok=True)
        flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["cc", *flags, "-o", built, source, "-ldl", "-lpthread"], check=True)
    return built


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether this is the long form."""
    return LONG


@pytest.fixture
def figures(request: pytest.FixtureRequest):
    """Prints what was measured, so that the long form leaves figures."""
    def tell(**measured: object) -> None:
        words = ", ".join(f"{name} {value}" for name, value in measured.items())
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\n{request.node.name}: {words}")
    return tell
