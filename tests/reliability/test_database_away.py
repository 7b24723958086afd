"""R4: the database is away for a while. Connections stay, heartbeats are answered, transaction messages
wait without an answer, the notice is there within 10 s, and everything goes on by itself."""

import asyncio
import contextlib
import pathlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from chargers import Charger, Log, missing
from conftest import LONG
from kit import Server
from postgres import Postgres
from test_failing_disk import until

# Seconds away; chargers that charge; seconds between their transactions.
OUTAGES = (1, 60, 600) if LONG else (1, 12)
CHARGERS = 1_000 if LONG else 40
PAUSE_S = 5.0 if LONG else 0.5


@dataclass
class Away:
    """A way to lose a database."""

    server: Server
    begin: object
    end: object


@contextlib.contextmanager
def postgres(kind: str) -> Iterator[Away]:
    with Postgres() as database:
        with Server(engine__default_mode="off", database__url=database.url) as server:
            if kind == "paused":
                yield Away(server, database.pause, database.resume)
            else:
                yield Away(server, database.stop, database.start)


@contextlib.contextmanager
def sqlite_locked(_: str) -> Iterator[Away]:
    with Server(engine__default_mode="off") as server:
        lock = Lock(pathlib.Path(server.folder.name) / "test.db")
        yield Away(server, lock.take, lock.give)


class Lock:
    """Another program that holds the file, as a clumsy backup does."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.connection = path, None

    def take(self) -> None:
        self.connection = sqlite3.connect(
            self.path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self.connection.execute("BEGIN IMMEDIATE")

    def give(self) -> None:
        self.connection.execute("ROLLBACK")
        self.connection.close()


def memory_mib(server: Server) -> float:
    """What the program has in memory."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Watcher:
    """Looks at the memory in the background."""

    def __init__(self, server: Server) -> None:
        self.server, self.most, self.over = server, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> "Watcher":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def run(self) -> None:
        while not self.over.wait(0.5):
            self.most = max(self.most, memory_mib(self.server))


async def outage(away: Away, log: Log, seconds: int) -> dict[str, float]:
    server = away.server
    connect = asyncio.Semaphore(50)

    async def one(identity: str) -> Charger:
        async with connect:
            return await Charger(server, identity, log).connect()

    busy = await asyncio.gather(*(one(f"BUSY-{number:04}") for number in range(CHARGERS)))
    quiet = await asyncio.gather(*(one(f"QUIET-{number}") for number in range(5)))
    base = 1_000_000 * (1 + OUTAGES.index(seconds))
    tasks = [asyncio.create_task(charger.charge_for_ever(base, PAUSE_S)) for charger in busy]
    tasks += [asyncio.create_task(charger.beat_for_ever(0.5)) for charger in quiet]
    await asyncio.sleep(10 if LONG else 3)
    before = memory_mib(server)
    log.slowest_heartbeat_s = 0.0

    with Watcher(server) as watcher:
        await asyncio.to_thread(away.begin)
        began = time.monotonic()
        measured: dict[str, float] = {}
        if seconds >= 10:
            is_told = lambda: "Chargers stay connected" in server.fetch("/live/trouble")[1]  # noqa: E731
            measured["told_after_s"] = round(await until(is_told, 15), 1)
            assert (await asyncio.to_thread(server.fetch, "/readyz"))[0] == 503
            metrics = (await asyncio.to_thread(server.fetch, "/metrics"))[1]
            assert 'mendpoint_database_trouble{kind="' in metrics
            assert any(
                line.endswith(" 1") for line in metrics.splitlines()
                if line.startswith("mendpoint_database_trouble")
            )
        await asyncio.sleep(max(0, seconds - (time.monotonic() - began)))
        # Whatever was committed before it went away may still have been told in the first second.
        early = [at for at in log.times if at > began + 1]
        assert early == [], f"{len(early)} acknowledged by a database that was away"
        owed = sum(1 for charger in busy if charger.waiting)
        await asyncio.to_thread(away.end)
        back = time.monotonic()
        assert log.lost == [], "connections ended while the database was away"
        well = await until(lambda: server.fetch("/readyz")[0] == 200, 60)
        waiting = [charger for charger in busy if charger.waiting]
        pending = {charger.identity: charger.turn for charger in waiting}
        while any(
            charger.turn == pending[charger.identity] and charger.waiting for charger in waiting
        ):
            assert time.monotonic() - back < 60, "not drained after 60 s"
            await asyncio.sleep(0.1)
        drained = time.monotonic() - back
        await asyncio.sleep(2)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results
    lost = list(log.lost)
    for charger in [*busy, *quiet]:
        charger.abandon()
    assert lost == [], "connections ended"
    return measured | {
        "chargers": len(busy) + len(quiet), "waited_un_acknowledged": owed,
        "slowest_heartbeat_s": round(log.slowest_heartbeat_s, 2),
        "ready_after_s": round(well, 1), "drained_after_s": round(drained, 1),
        "memory_before_mib": round(before), "memory_growth_mib": round(watcher.most - before),
    }


@pytest.mark.parametrize(
    ("how", "kind"),
    [(postgres, "stopped"), (postgres, "paused"), (sqlite_locked, "locked")],
    ids=["postgres-stopped", "postgres-paused", "sqlite-locked"],
)
@pytest.mark.parametrize("seconds", OUTAGES)
def test_r4_the_database_is_away(how, kind: str, seconds: int, figures) -> None:
    log = Log()
    with how(kind) as away:
        measured = asyncio.run(outage(away, log, seconds))
        wrong = missing(away.server, log)
        away.server.stop()
    assert wrong == []
    assert log.refused == [], "trouble with the database is ours"
    assert log.heartbeats > 0 and measured["slowest_heartbeat_s"] < 2
    assert measured["memory_growth_mib"] <= 64
    assert measured.get("told_after_s", 0) <= 10
    figures(**measured, acknowledged=len(log.acknowledged), lost=0)
