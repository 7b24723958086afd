"""R17: a long day of an ordinary load. Memory does not grow, and the write-ahead log stays small."""

import pathlib
import subprocess
import time
from collections.abc import Callable

from conftest import LONG
from kit import BINARY, Server

# Seconds of load; how long memory may settle before it is watched; messages a second; chargers.
DURATION_S, SETTLE_S = (3600, 900) if LONG else (24, 8)
RATE, CHARGERS = 100, 200
# What may come on top meanwhile. The short form only finds what leaks with every message.
GROWTH_MIB = 1 if LONG else 24
WAL_MIB = 64


def resident_mib(server: Server) -> float:
    """The memory of the program."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def test_r17_memory_and_log_stay_bounded(figures: Callable[..., None]) -> None:
    with Server(pace=1) as server:
        load = subprocess.Popen(
            [BINARY, "simulate", "load", "--url", server.ocpp_url, "--chargers", str(CHARGERS),
             "--rate", str(RATE), "--duration", str(DURATION_S), "--mix", "60,10,30"],
            stdout=subprocess.PIPE, text=True,
        )
        wal = pathlib.Path(server.folder.name) / "test.db-wal"
        began, resident, largest_wal = time.monotonic(), [], 0.0
        while load.poll() is None:
            if time.monotonic() - began > SETTLE_S:
                resident.append(resident_mib(server))
            largest_wal = max(largest_wal, wal.stat().st_size / 2**20 if wal.exists() else 0)
            time.sleep(DURATION_S / 120)
        assert load.returncode == 0, load.stdout.read()
        # Thirds of the time that was watched: single samples jump with the allocator.
        third = len(resident) // 3
        first, last = sum(resident[:third]) / third, sum(resident[-third:]) / third
        hours = (DURATION_S - SETTLE_S) / 3600 * 2 / 3
        figures(seconds=DURATION_S, messages_a_second=RATE, resident_mib=f"{last:.1f}",
                growth_mib=f"{last - first:.2f}", growth_mib_an_hour=f"{(last - first) / hours:.2f}",
                largest_wal_mib=f"{largest_wal:.1f}")
        assert last - first <= GROWTH_MIB
        assert largest_wal <= WAL_MIB
        assert server.fetch("/readyz")[0] == 200
