"""R12: chargers and watchers that stop reading. What is kept for them is bounded, and they are let go."""

import asyncio
import http.client
import os
import pathlib
import socket
import urllib.parse
from collections.abc import Iterator

import pytest
from kit import Server
from raw import TEXT, Peer, frame

# The whole form is MENDPOINT_READERS=1000.
READERS = int(os.environ.get("MENDPOINT_READERS", "200"))
RSS_MAX = 64 << 20
BUFFER = 4 << 10


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(engine__default_mode="off", ocpp__ping_interval_s="10") as server:
        yield server


def resident_bytes(server: Server) -> int:
    """Memory of the program."""
    assert server.process is not None
    fields = pathlib.Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def small(writer: asyncio.StreamWriter) -> None:
    """Keeps what the kernel takes for us small: the rest has to wait in the program, or not at all."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


async def come(server: Server, identity: str) -> Peer:
    """Connects a charger that nobody knows; while so many are entered at once it may be put off."""
    for _ in range(10):
        try:
            return await Peer.connect(server, identity)
        except AssertionError as refusal:
            assert b" 503 " in refusal.args[0], refusal
            await asyncio.sleep(1)
    raise AssertionError(f"{identity} is never let in")


async def flood(server: Server, peers: list[Peer]) -> int:
    """All of them ask for long answers at once; how much memory the program took at most, bytes."""
    # The id comes back in the answer, so that every answer is as long as the question.
    long = "x" * 8_000

    async def ask(peer: Peer) -> None:
        for number in range(60):
            await peer.send(frame(TEXT, f'[2,"{number}{long}","Heartbeat",{{}}]'.encode()))

    asking = [asyncio.create_task(ask(peer)) for peer in peers]
    most = 0
    for _ in range(20):
        await asyncio.sleep(0.5)
        most = max(most, resident_bytes(server))
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return most


async def test_chargers_that_stop_reading(server: Server) -> None:
    """They ask for long answers and read none. The program stops reading them, and then gives up."""
    alive = await Peer.connect(server, "ALIVE")
    # What the messages themselves take (queues, the frame log) is the same when the answers are read.
    ears = [await come(server, f"EARS-{number}") for number in range(READERS)]
    usual = await flood(server, ears)
    for peer in ears:
        peer.abort()
    deaf = [await come(server, f"DEAF-{number}") for number in range(READERS)]
    for peer in deaf:
        small(peer.writer)
        peer.reader._transport.pause_reading()  # noqa: SLF001 - nothing else stops asyncio
    grown = await flood(server, deaf) - usual
    print(f"{READERS} readers: {grown >> 20} MiB more")
    assert grown < RSS_MAX, f"{grown >> 20} MiB for {READERS} that do not read"
    # Others are not held up by them.
    async with asyncio.timeout(20):
        await alive.call("Heartbeat")
    for peer in [alive, *deaf]:
        peer.abort()


def signed_in(server: Server) -> str:
    """The cookie of a person who is signed in."""
    server.add_user("ana", "correct horse battery staple")
    connection = http.client.HTTPConnection("127.0.0.1", server.web_port, timeout=20)
    form = urllib.parse.urlencode({"name": "ana", "password": "correct horse battery staple"})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
        "Origin": server.url,
    }
    connection.request("POST", "/sign-in", form, headers)
    answer = connection.getresponse()
    cookie = answer.getheader("Set-Cookie")
    assert answer.status == 303 and cookie, (answer.status, answer.read())
    connection.close()
    return cookie.split(";")[0]


async def test_watchers_that_stop_reading(server: Server) -> None:
    """They follow the live feed and read nothing of it, while hundreds of statuses change."""
    cookie = await asyncio.to_thread(signed_in, server)
    writers = []
    for _ in range(READERS):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.web_port)
        small(writer)
        writer.write(
            f"GET /live/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
            "Accept: text/event-stream\r\n\r\n".encode()
        )
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert b" 200 " in head, head
        reader._transport.pause_reading()  # noqa: SLF001 - nothing else stops asyncio
        writers.append(writer)
    charger = await Peer.connect(server, "BUSY")
    await charger.call("BootNotification", '{"chargePointVendor":"V","chargePointModel":"M"}')
    before = resident_bytes(server)
    grown = 0
    for number in range(600):
        word = "Available" if number % 2 else "Preparing"
        status = f'{{"connectorId":1,"errorCode":"NoError","status":"{word}"}}'
        await charger.call("StatusNotification", status)
        if number % 50 == 0:
            grown = max(grown, resident_bytes(server) - before)
    grown = max(grown, resident_bytes(server) - before)
    print(f"{READERS} readers: {grown >> 20} MiB more")
    assert grown < RSS_MAX, f"{grown >> 20} MiB for {READERS} that do not read"
    status, _ = await asyncio.to_thread(server.fetch, "/healthz")
    assert status == 200
    for writer in writers:
        writer.transport.abort()
    charger.abort()
