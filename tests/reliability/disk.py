"""A server whose database lies on a disk that fails when it is told to (`disk.c`)."""

import pathlib
import shutil
import time

from kit import Server

EIO, ENOSPC = 5, 28


class FailingDisk(Server):
    """Its safe folder holds what a power cut would leave of the database."""

    def __init__(self, library: pathlib.Path, **settings: str) -> None:
        super().__init__(engine__default_mode="off", **settings)
        self.library = library
        self.base = pathlib.Path(self.folder.name)
        self.control = self.base / "control"
        self.count = self.base / "control.count"
        self.lives = 0
        self.live_on(self.base / "disk0")

    def __exit__(self, *_: object) -> None:
        # No time for a clean end on a disk that may still fail.
        self.stop(kill=True)
        self.folder.cleanup()

    def live_on(self, folder: pathlib.Path) -> None:
        folder.mkdir(exist_ok=True)
        self.disk, self.safe = folder, self.base / f"safe{self.lives}"
        self.safe.mkdir()
        self.well()
        self.environment |= {
            "LD_PRELOAD": str(self.library),
            "DISK_FILE": f"{folder}/test.db",
            "DISK_CONTROL": str(self.control),
            "DISK_SAFE": str(self.safe),
            "MENDPOINT__DATABASE__URL": f"sqlite://{folder}/test.db",
        }

    def fail(self, first: int, last: int, error: int, kind: str = "any") -> None:
        """From now on, calls FIRST to LAST fail."""
        self.count.unlink(missing_ok=True)
        self.write_control(f"{first} {last} {error} {kind} {time.monotonic_ns()}")

    def well(self) -> None:
        self.write_control(f"0 0 0 any {time.monotonic_ns()}")

    def write_control(self, line: str) -> None:
        part = self.control.with_suffix(".part")
        part.write_text(line)
        part.rename(self.control)

    def counted(self) -> int:
        """Calls since the last order."""
        try:
            return int(self.count.read_text() or 0)
        except FileNotFoundError:
            return 0

    def cut_power(self) -> None:
        """The process is gone, and everything that was not synced; then the power is back."""
        self.stop(kill=True)
        self.lives += 1
        old, folder = self.safe, self.base / f"disk{self.lives}"
        shutil.rmtree(self.disk)
        shutil.copytree(old, folder)
        shutil.rmtree(old)
        self.live_on(folder)
        # Until the first sync of its own, what is there is what was safe.
        shutil.copytree(folder, self.safe, dirs_exist_ok=True)
        self.start()
