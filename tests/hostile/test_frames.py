"""R10: frames that break the rules. Closed with the right code, and memory stays where it was."""

import asyncio
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest
from kit import Server
from raw import CONTINUATION, FIN, PING, RSV1, TEXT, Peer, frame, header

#: How much the program may grow by one such peer.
GROWTH_BYTES_MAX = 10 << 20
PROTOCOL_ERROR, POLICY, TOO_BIG = 1002, 1008, 1009


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(engine__default_mode="off") as server:
        yield server


def resident_bytes(server: Server) -> int:
    """How much memory the program has."""
    assert server.process is not None
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.fixture
async def peer(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """A peer; afterwards the program must not have grown, and must serve others as before."""
    async with asyncio.timeout(20):
        warm = await Peer.connect(server, "WARM")
        await warm.call("Heartbeat")
        before = resident_bytes(server)
        peer = await Peer.connect(server, request.node.name[:40])
        await peer.call("Heartbeat")
    yield peer
    grown = resident_bytes(server) - before
    assert grown < GROWTH_BYTES_MAX, f"grew by {grown >> 10} KiB"
    await warm.call("Heartbeat")
    warm.abort()
    peer.abort()


async def test_a_frame_that_is_too_long(peer: Peer) -> None:
    await peer.send(header(TEXT, 2 << 20))
    assert await peer.close_code() == TOO_BIG


async def test_a_message_that_is_too_long_in_pieces(peer: Peer) -> None:
    piece = bytes(b"x" * 60_000)
    await peer.send(frame(TEXT, piece, flags=0))

    async def go_on() -> None:
        for _ in range(40):
            await peer.send(frame(CONTINUATION, piece, flags=0))

    sending = asyncio.create_task(go_on())
    assert await peer.close_code() == TOO_BIG
    sending.cancel()


@pytest.mark.parametrize("length", [1 << 63, (1 << 63) - 1, (1 << 64) - 1])
async def test_a_length_that_nobody_can_mean(peer: Peer, length: int) -> None:
    await peer.send(header(TEXT, length) + b"[")
    assert await peer.close_code() in {PROTOCOL_ERROR, TOO_BIG}


async def test_empty_continuation_frames_without_end(peer: Peer) -> None:
    await peer.send(frame(TEXT, flags=0))
    many = frame(CONTINUATION, flags=0) * 10_000

    async def go_on() -> None:
        for _ in range(200):
            await peer.send(many)

    sending = asyncio.create_task(go_on())
    assert await peer.close_code() in {PROTOCOL_ERROR, POLICY, TOO_BIG}
    sending.cancel()


async def test_reserved_bits(peer: Peer) -> None:
    await peer.send(frame(TEXT, b"[]", flags=FIN | RSV1))
    assert await peer.close_code() == PROTOCOL_ERROR


async def test_a_frame_without_a_mask(peer: Peer) -> None:
    await peer.send(frame(TEXT, b"[]", masked=False))
    assert await peer.close_code() == PROTOCOL_ERROR


async def test_a_ping_of_more_than_125_bytes(peer: Peer) -> None:
    await peer.send(frame(PING, bytes(126)))
    assert await peer.close_code() == PROTOCOL_ERROR


async def test_an_opcode_that_does_not_exist(peer: Peer) -> None:
    await peer.send(frame(0x3, b"?"))
    assert await peer.close_code() == PROTOCOL_ERROR


async def test_a_flood_of_pings_whose_pongs_nobody_reads(server: Server, peer: Peer) -> None:
    """It costs its own connection only: another charger is answered meanwhile."""
    flood = frame(PING, bytes(125)) * 1_000
    other = await Peer.connect(server, "MEANWHILE")

    async def go_on() -> None:
        for _ in range(100):
            await peer.send(flood)

    sending = asyncio.create_task(go_on())
    for _ in range(20):
        await other.call("Heartbeat")
    done, _ = await asyncio.wait({sending}, timeout=10)
    sending.cancel()
    assert (
        not done or sending.exception() is None or isinstance(sending.exception(), ConnectionError)
    )
    other.abort()
