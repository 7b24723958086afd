"""R20: the disk of the database is lost, with everything on it. What the newest copy of
`backup.every_s` holds comes back, and nothing older than that is gone."""

import asyncio
import pathlib
import re
import subprocess
import time
from collections.abc import Callable

from chargers import Charger, Log, transactions
from conftest import LONG
from kit import BINARY, Server

# Seconds between copies; until the disk is lost; chargers that charge.
EVERY_S, UNTIL_S, CHARGERS = (45, 200, 1_000) if LONG else (5, 14, 12)


def took_s(server: Server) -> float:
    """How long the newest copy took."""
    metrics = server.fetch("/metrics")[1]
    found = re.search(r"^mendpoint_backup_recent_duration_seconds (\S+)$", metrics, re.MULTILINE)
    return float(found[1])


async def charge(server: Server, log: Log) -> float:
    """Charges until the disk is lost, and says when that was."""
    connect = asyncio.Semaphore(50)

    async def one(number: int) -> Charger:
        async with connect:
            return await Charger(server, f"LOST-{number:04}", log).connect()

    chargers = await asyncio.gather(*(one(number) for number in range(CHARGERS)))
    pause_s = 5 if LONG else 0.1
    tasks = [asyncio.create_task(charger.charge_for_ever(0, pause_s)) for charger in chargers]
    await asyncio.sleep(UNTIL_S)
    lost_at = time.monotonic()
    for task in tasks:
        task.cancel()
    await asyncio.to_thread(server.stop, True)
    for charger in chargers:
        charger.abandon()
    return lost_at


def test_r20_a_lost_disk_costs_no_more_than_the_time_between_copies(
    tmp_path: pathlib.Path, figures: Callable[..., None]
) -> None:
    copies, log = tmp_path / "copies", Log()
    copies.mkdir()
    with Server(
        engine__default_mode="off", backup__folder=str(copies), backup__every_s=str(EVERY_S)
    ) as server:
        took = []
        server.wait_for(lambda: took_s(server) > 0, "the first copy")
        took.append(took_s(server))
        lost_at = asyncio.run(charge(server, log))
        for file in pathlib.Path(server.folder.name).glob("test.db*"):
            file.unlink()
        found = sorted((copies / "recent").glob("*.backup"))
        assert 1 <= len(found) <= 3, found
        restored = subprocess.run(
            [BINARY, "restore", found[-1]], env=server.environment, cwd=server.folder.name,
            capture_output=True, text=True,
        )
        assert restored.returncode == 0, restored.stderr
        server.start()
        took.append(took_s(server))
        there = {transaction["id"] for transaction in transactions(server)}
        gone = [at for number, at in log.acknowledged_at.items() if number not in there]
        kept = len(log.acknowledged_at) - len(gone)
        lost_s = lost_at - min(gone) if gone else 0.0
        figures(every_s=EVERY_S, acknowledged=len(log.acknowledged_at), came_back=kept,
                lost_the_last_s=f"{lost_s:.1f}", a_copy_takes_s=f"{max(took):.2f}")
        assert kept > 0, "copies hold nothing"
        # The next copy is begun after `every_s`, or after as long as the last one took.
        assert lost_s <= EVERY_S + 2 * max(took) + 1
