"""Chargers that charge all the time and keep a log of what was acknowledged: the oracle."""

import asyncio
import json
import time
from dataclasses import dataclass, field

import websockets
from kit import Server

BOOT = {"chargePointVendor": "Test", "chargePointModel": "Reliability"}
# How long a charger waits for an answer before it sends the same again under a new number.
GIVES_UP_S = 15


@dataclass
class Log:
    """What all chargers saw."""

    # Our number of the transaction: meter at the start, and at the end once that was acknowledged.
    acknowledged: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    # Which charger it was.
    owners: dict[int, str] = field(default_factory=dict)
    # When the start of each was acknowledged.
    acknowledged_at: dict[int, float] = field(default_factory=dict)
    # When each acknowledgement of a transaction message came.
    times: list[float] = field(default_factory=list)
    # The longest time that a heartbeat waited for its answer.
    slowest_heartbeat_s: float = 0.0
    heartbeats: int = 0
    # Connections that ended although nobody wanted them to.
    lost: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Charger:
    """One connection. Calls go one after the other, as chargers do it."""

    def __init__(self, server: Server, identity: str, log: Log) -> None:
        self.server, self.identity, self.log = server, identity, log
        self.calls = 0
        self.turn = 0
        self.waiting: dict[str, asyncio.Future] = {}
        self.socket = None
        self.reader: asyncio.Task | None = None

    async def connect(self) -> "Charger":
        while self.socket is None:
            try:
                self.socket = await websockets.connect(
                    f"{self.server.ocpp_url}/{self.identity}", subprotocols=["ocpp1.6"],
                    ping_interval=None, max_queue=None, open_timeout=30, compression=None,
                )
            except websockets.InvalidStatus as refused:
                # One that is not known yet needs the database; chargers come again.
                assert refused.response.status_code == 503, refused
                await asyncio.sleep(0.2)
        self.reader = asyncio.create_task(self.read())
        await self.call("BootNotification", BOOT)
        return self

    async def close(self) -> None:
        self.reader.cancel()
        await self.socket.close()

    def abandon(self) -> None:
        """Ends without a word, as the server just did."""
        self.reader.cancel()
        self.socket.transport.abort()

    async def read(self) -> None:
        try:
            async for text in self.socket:
                frame = json.loads(text)
                if frame[0] == 2:
                    refusal = [4, frame[1], "NotSupported", "a test charger", {}]
                    await self.socket.send(json.dumps(refusal))
                    continue
                if frame[0] == 4:
                    self.log.refused.append(text)
                waiting = self.waiting.pop(frame[1], None)
                if waiting and not waiting.done():
                    waiting.set_result(frame[2])
        except websockets.ConnectionClosed:
            pass
        self.log.lost.append(self.identity)
        for waiting in self.waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError(self.identity))

    async def call(self, action: str, payload: dict, again: bool = False) -> dict:
        """Sends and waits; `again`: sends the same anew for as long as no answer comes."""
        answers: list[asyncio.Future] = []
        while True:
            self.calls += 1
            number = f"{self.identity}-{self.calls}"
            answer = asyncio.get_running_loop().create_future()
            answers.append(answer)
            self.waiting[number] = answer
            await self.socket.send(json.dumps([2, number, action, payload]))
            timeout = GIVES_UP_S if again else None
            done, _ = await asyncio.wait(
                answers, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                return done.pop().result()

    async def charge(self, base: int) -> None:
        """One transaction, from start to end; noted when it is acknowledged."""
        self.turn += 1
        start = base + self.turn * 1_000
        at = f"2026-02-{1 + self.turn // 1440 % 28:02}T{self.turn // 60 % 24:02}:{self.turn % 60:02}:00Z"
        answer = await self.call("StartTransaction", {
            "connectorId": 1, "idTag": "TAG", "meterStart": start, "timestamp": at,
        }, again=True)
        number = answer["transactionId"]
        self.log.times.append(time.monotonic())
        assert number not in self.log.acknowledged, f"{number} was given out twice"
        self.log.acknowledged[number] = (start, None)
        self.log.acknowledged_at[number] = self.log.times[-1]
        self.log.owners[number] = self.identity
        await self.call("StopTransaction", {
            "transactionId": number, "meterStop": start + 500, "timestamp": at,
        }, again=True)
        self.log.times.append(time.monotonic())
        self.log.acknowledged[number] = (start, start + 500)

    async def charge_for_ever(self, base: int, pause_s: float) -> None:
        while True:
            await self.charge(base)
            await asyncio.sleep(pause_s)

    async def beat_for_ever(self, pause_s: float) -> None:
        while True:
            began = time.monotonic()
            await self.call("Heartbeat", {})
            waited = time.monotonic() - began
            self.log.heartbeats += 1
            self.log.slowest_heartbeat_s = max(self.log.slowest_heartbeat_s, waited)
            await asyncio.sleep(pause_s)


def transactions(server: Server) -> list[dict]:
    """All that are stored."""
    found, cursor = [], ""
    while True:
        page = server.get(f"/transactions?limit=200{cursor}")
        found += page["items"]
        if not page["next"]:
            return found
        cursor = f"&cursor={page['next']}"


def missing(server: Server, log: Log) -> list[str]:
    """What was acknowledged and is not there, or not so, or there twice."""
    stored = transactions(server)
    by_number = {transaction["id"]: transaction for transaction in stored}
    wrong = []
    for number, (start, stop) in log.acknowledged.items():
        found = by_number.get(number)
        if found is None:
            wrong.append(f"{number} is gone")
        elif found["meter_start_wh"] != start:
            wrong.append(f"{number} began otherwise: {found}")
        elif stop is not None and (not found["ended_at"] or found["meter_stop_wh"] != stop):
            wrong.append(f"the end of {number} is gone: {found}")
    seen: dict[tuple, int] = {}
    for transaction in stored:
        key = (transaction["charger"], transaction["meter_start_wh"])
        if key in seen:
            wrong.append(f"{transaction['id']} is {seen[key]} once more: {transaction}")
        seen[key] = transaction["id"]
    return wrong
