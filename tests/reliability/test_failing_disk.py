"""R2: the disk gives an error at the N-th write or sync, for every N until nothing is hit any more;
after each, the power is cut. What was acknowledged is there. R3: the disk is full."""

import asyncio
import contextlib
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest
from chargers import Charger, Log, missing
from disk import EIO, ENOSPC, FailingDisk
from kit import Server
from postgres import Postgres

# How many calls fail in a row: the first try, and then tries of the journal as well.
RUNS = (1, 3, 12)


async def some_transactions(server: FailingDisk, log: Log, life: int, count: int) -> None:
    charger = await Charger(server, f"DISK-{life}", log).connect()
    async with asyncio.timeout(60):
        for _ in range(count):
            await charger.charge(1_000_000 * life)
    charger.abandon()


@pytest.mark.parametrize("error", [EIO, ENOSPC], ids=["EIO", "ENOSPC"])
def test_r2_no_false_acknowledgement(
    failing_disk: pathlib.Path, long: bool, figures, error: int
) -> None:
    log, rounds, cuts = Log(), 0, 0
    with FailingDisk(failing_disk) as server:
        for run in RUNS if long else RUNS[:2]:
            nth = 1
            while True:
                rounds += 1
                server.fail(nth, nth + run - 1, error)
                asyncio.run(some_transactions(server, log, rounds, 2))
                is_clean = server.counted() < nth
                server.well()
                # In the short form the power is cut at some of them.
                if long or nth % 7 == 1 or is_clean:
                    cuts += 1
                    server.cut_power()
                    assert missing(server, log) == []
                if is_clean:
                    break
                nth += 1 if long or nth < 8 else 5
    assert log.refused == [], "trouble with the disk is ours"
    figures(rounds=rounds, power_cuts=cuts, acknowledged=len(log.acknowledged), lost=0)


def test_r2_the_power_cut_finds_what_was_never_synced(failing_disk: pathlib.Path) -> None:
    """The test itself: a disk that lies about syncs must be found out."""
    log = Log()
    with FailingDisk(failing_disk) as server:
        asyncio.run(some_transactions(server, log, 1, 2))
        server.cut_power()
        assert missing(server, log) == []
        server.stop()
        server.environment["DISK_LIES"] = "1"
        server.start()
        asyncio.run(some_transactions(server, log, 2, 2))
        del server.environment["DISK_LIES"]
        server.cut_power()
        assert missing(server, log) != []


async def full_disk(
    server: Server, log: Log, fill: Callable[[], None], free: Callable[[], None],
    frees_some: bool = False,
) -> dict[str, float]:
    """Chargers at work, the disk full in the middle: how long until it is told, and until it is over."""
    busy = [await Charger(server, f"BUSY-{number}", log).connect() for number in range(8)]
    quiet = await Charger(server, "QUIET", log).connect()
    tasks = [asyncio.create_task(one.charge_for_ever(1_000_000, 0.1)) for one in busy]
    tasks.append(asyncio.create_task(quiet.beat_for_ever(0.2)))
    await asyncio.sleep(2)
    await asyncio.to_thread(fill)
    began = time.monotonic()
    told = await until(lambda: server.fetch("/readyz")[0] == 503, 30)
    seconds_to_full = await until(lambda: "full" in server.fetch("/readyz")[1], 30)
    notice = await asyncio.to_thread(server.fetch, "/live/trouble")
    assert "disk of the database is full" in notice[1], notice
    metrics = (await asyncio.to_thread(server.fetch, "/metrics"))[1]
    assert 'mendpoint_database_trouble{kind="full"} 1' in metrics
    system = await asyncio.to_thread(server.get, "/system")
    assert system["database"]["trouble"]["kind"] == "full", system
    acknowledged = len(log.times)
    beats = log.heartbeats
    await asyncio.sleep(5)
    # A server that finds a few bytes again may take some down: what it acknowledges has to be there
    # afterwards, which whoever calls this looks at.
    assert frees_some or len(log.times) == acknowledged, "acknowledged on a full disk"
    acknowledged = len(log.times)
    assert log.heartbeats > beats + 10, "a heartbeat needs no disk"
    await asyncio.to_thread(free)
    freed = time.monotonic()
    recovered = await until(lambda: server.fetch("/readyz")[0] == 200, 30)
    await until(lambda: len(log.times) > acknowledged, 30)
    answered = time.monotonic() - freed
    assert "role=" not in (await asyncio.to_thread(server.fetch, "/live/trouble"))[1]
    await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results
    lost = list(log.lost)
    for charger in [*busy, quiet]:
        charger.abandon()
    assert lost == [], "connections ended"
    return {
        "told_after_s": round(told, 1), "named_after_s": round(told + seconds_to_full, 1),
        "ready_after_s": round(recovered, 1), "answers_after_s": round(answered, 1),
        "slowest_heartbeat_s": round(log.slowest_heartbeat_s, 2),
        "full_for_s": round(freed - began, 1),
    }


async def until(check, seconds: float) -> float:
    """Waits until `check` holds; how long that took."""
    began = time.monotonic()
    while not await asyncio.to_thread(check):
        assert time.monotonic() - began < seconds, "waited in vain"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def test_r3_a_full_disk_is_told_and_passes(failing_disk: pathlib.Path, figures) -> None:
    log = Log()
    with FailingDisk(failing_disk) as server:
        fill = lambda: server.fail(1, 10**9, ENOSPC, "write")  # noqa: E731
        measured = asyncio.run(full_disk(server, log, fill, server.well))
        assert measured["named_after_s"] <= 10
        assert measured["slowest_heartbeat_s"] < 2
        assert log.refused == []
        server.cut_power()
        assert missing(server, log) == []
    figures(**measured, acknowledged=len(log.acknowledged), lost=0)


# Room for a new server, its log of writes, and some seconds of chargers.
SMALL_DISK_MIB = 160


@contextlib.contextmanager
def small_disk() -> Iterator[pathlib.Path]:
    """A disk in memory that is soon full. Only whoever runs the machine may mount one."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mendpoint-disk-"))
    # PostgreSQL runs as somebody else.
    folder.chmod(0o755)
    options = f"size={SMALL_DISK_MIB}m,mode=755"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_r3_a_full_disk_of_postgresql_is_told_and_passes(figures) -> None:
    """The real thing: no byte is left on the disk of the server's files."""
    log = Log()
    with small_disk() as disk, Postgres(disk) as database:
        with Server(engine__default_mode="off", database__url=database.url) as server:
            stuffing = disk / "stuffing"

            def fill() -> None:
                """Takes all that is left, again and again: the server frees some by itself."""
                with open(stuffing, "ab", buffering=0) as file, contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(64 * 1024))
                with open(stuffing, "ab", buffering=0) as file, contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(512))

            measured = asyncio.run(
                full_disk(server, log, fill, stuffing.unlink, frees_some=True)
            )
            assert measured["named_after_s"] <= 10
            assert measured["slowest_heartbeat_s"] < 2
            assert log.refused == []
            assert missing(server, log) == []
    figures(**measured, acknowledged=len(log.acknowledged), lost=0)
