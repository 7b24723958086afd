"""R7 and R13: connections that died without a word, and a system that is out of descriptors."""

import asyncio
import pathlib
from collections.abc import Iterator

import pytest
from kit import Server
from raw import Peer

DESCRIPTORS = 256


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(engine__default_mode="off") as server:
        yield server


async def test_a_half_open_connection_does_not_keep_its_charger_out(server: Server) -> None:
    """R7. That the dead one is found by the clock is b06 of the gateway's own tests."""
    dead = await Peer.connect(server, "HALF-OPEN")
    await dead.call("Heartbeat")
    async with asyncio.timeout(5):
        alive = await Peer.connect(server, "HALF-OPEN")
        await alive.call("Heartbeat")
    seen = await asyncio.to_thread(server.get, "/chargers/HALF-OPEN")
    assert seen["online"] is True
    incidents = await asyncio.to_thread(server.get, "/incidents?charger=HALF-OPEN")
    assert incidents["items"] == []
    dead.abort()
    alive.abort()


@pytest.fixture
def starved() -> Iterator[Server]:
    """The program with few descriptors."""
    server = Server(engine__default_mode="off")
    limit = f'ulimit -n {DESCRIPTORS}; exec "$@"'
    server.command = ["sh", "-c", limit, "sh", *server.command]
    with server:
        yield server


def cpu_seconds(server: Server) -> float:
    """Processor time that the program has used."""
    assert server.process is not None
    stat = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text()
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def test_without_descriptors_health_answers_and_nothing_spins(starved: Server) -> None:
    """R13. Chargers that are connected, others that never shake hands, and more at the door."""
    chargers: list[Peer] = []
    full = False
    while not full:
        assert len(chargers) < DESCRIPTORS
        try:
            async with asyncio.timeout(10):
                chargers.append(await Peer.connect(starved, f"CHARGER-{len(chargers)}"))
        except AssertionError as refusal:
            full = b" 503 " in refusal.args[0]
            assert full, refusal
    assert len(chargers) > DESCRIPTORS // 3
    silent = [
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", starved.ocpp_port), 5)
        for _ in range(DESCRIPTORS)
    ]

    before = cpu_seconds(starved)
    await asyncio.sleep(2)
    used = cpu_seconds(starved) - before
    assert used < 1, f"{used} s of processor time in 2 s of nothing"
    for path in ("/healthz", "/readyz"):
        async with asyncio.timeout(5):
            status, _ = await asyncio.to_thread(starved.fetch, path)
        assert status == 200
    await chargers[0].call("Heartbeat")

    for _, writer in silent:
        writer.transport.abort()
    chargers.pop().abort()
    async with asyncio.timeout(30):
        again = await Peer.connect(starved, f"CHARGER-{len(chargers)}")
        await again.call("Heartbeat")
    for peer in [again, *chargers]:
        peer.abort()
