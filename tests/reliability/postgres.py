"""A PostgreSQL server of one's own, that can be stopped, paused and started."""

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
from typing import Self

from kit import ROOT

TELL = (
    'echo "$MENDPOINT_TEST_POSTGRES_URL"; echo "$MENDPOINT_TEST_POSTGRES_CTL";'
    ' echo "$MENDPOINT_TEST_POSTGRES_PID_FILE"; exec cat >/dev/null'
)


class Postgres:
    """Lives as long as its `with`; the script that brings it also takes it away."""

    def __init__(self, folder: pathlib.Path | None = None) -> None:
        self.environment = dict(os.environ)
        if folder:
            self.environment["MENDPOINT_TEST_POSTGRES_FOLDER"] = str(folder)

    def __enter__(self) -> Self:
        script = ROOT / "scripts" / "with-postgres"
        self.script = subprocess.Popen(
            [script, "sh", "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=self.environment,
        )
        self.url, control, pid_file = (self.script.stdout.readline().strip() for _ in range(3))
        assert pid_file, "with-postgres did not start a server"
        self.control, self.pid_file = shlex.split(control), pathlib.Path(pid_file)
        return self

    def __exit__(self, *_: object) -> None:
        # A paused server could not be stopped.
        if self.pid_file.exists():
            self.resume()
        self.script.stdin.close()
        self.script.wait(60)

    def stop(self) -> None:
        """As a crash does it."""
        self.run("stop", "-m", "immediate")

    def start(self) -> None:
        self.run("start")

    def run(self, *words: str) -> None:
        # The server must not keep our output open.
        null = subprocess.DEVNULL
        subprocess.run([*self.control, *words], check=True, stdin=null, stdout=null, cwd="/")

    def processes(self) -> list[int]:
        """The server and its children."""
        main = int(self.pid_file.read_text().split()[0])
        children = pathlib.Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def pause(self) -> None:
        """Takes no byte, and does not hang up either."""
        for process in self.processes():
            os.kill(process, signal.SIGSTOP)

    def resume(self) -> None:
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
