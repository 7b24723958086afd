"""S21: a card's number is told to those who run the chargers and to nobody else, wherever it may
stand: in fields, in messages, and in the words of people and chargers. Who is erased is gone."""

import asyncio
import json
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from collections.abc import Iterator

import pytest
import websockets
from kit import BINARY, Server
from visitor import api, sign_in, walk

CARD = "04C0FFEE99AB77"
ROLES = ("dispatcher", "technician", "viewer")
PASSWORD = "a long pass phrase"
CHARGER = "PERSON-1"


class Charger:
    """Sends what names the card, and says yes to everything it is asked."""

    def __init__(self, server: Server, identity: str) -> None:
        self.url = f"{server.ocpp_url}/{identity}"
        self.number = 0

    async def __aenter__(self) -> "Charger":
        self.socket = await websockets.connect(self.url, subprotocols=["ocpp1.6"])
        self.answers: dict[str, asyncio.Future] = {}
        self.reader = asyncio.create_task(self.read())
        await self.say("BootNotification", {"chargePointVendor": "Test", "chargePointModel": "Person"})
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reader.cancel()
        await self.socket.close()

    async def read(self) -> None:
        async for text in self.socket:
            frame = json.loads(text)
            if frame[0] == 2:
                payload = self.answer(frame[2])
                await self.socket.send(json.dumps([3, frame[1], payload]))
            else:
                self.answers.pop(frame[1]).set_result(frame[2])

    def answer(self, action: str) -> dict:
        if action == "GetConfiguration":
            return {"configurationKey": [
                {"key": "VendorNote", "readonly": False, "value": f"last card {CARD}"},
            ]}
        if action == "GetLocalListVersion":
            return {"listVersion": 1}
        if action == "DataTransfer":
            return {"status": "Accepted", "data": f"seen {CARD}"}
        return {"status": "Accepted"}

    async def say(self, action: str, payload: dict) -> dict:
        self.number += 1
        answer = asyncio.get_running_loop().create_future()
        self.answers[str(self.number)] = answer
        await self.socket.send(json.dumps([2, str(self.number), action, payload]))
        async with asyncio.timeout(20):
            return await answer


async def a_day(server: Server) -> None:
    """The card is used, spoken of, refused and misused in all ways that leave a trace."""
    post = lambda path, body: asyncio.to_thread(server.post, path, body)  # noqa: E731
    await post("/id-tokens", {"token": CARD, "status": "accepted", "note": "Ana Pop"})
    await post("/id-tokens", {"token": "FRIEND0001", "status": "accepted", "parent": CARD})
    async with Charger(server, CHARGER) as charger:
        say = charger.say
        await say("StatusNotification", {
            "connectorId": 1, "status": "Faulted", "errorCode": "OtherError",
            "info": f"card {CARD} blocked the reader", "vendorErrorCode": f"E7:{CARD}",
        })
        await say("StatusNotification", {
            "connectorId": 1, "status": "Available", "errorCode": "NoError"})
        await say("Authorize", {"idTag": CARD})
        times = {"timestamp": "2026-02-01T10:00:00Z"}
        started = await say("StartTransaction", {
            "connectorId": 1, "idTag": CARD, "meterStart": 100, **times})
        await say("StopTransaction", {
            "transactionId": started["transactionId"], "idTag": "OTHER00001", "meterStop": 900,
            "timestamp": "2026-02-01T11:00:00Z", "reason": "Local"})
        # An end that nobody knows, with the card in it.
        await say("StopTransaction", {
            "transactionId": 987654, "idTag": CARD, "meterStop": 5,
            "timestamp": "2026-02-01T12:00:00Z"})
        await say("DataTransfer", {"vendorId": "Test", "data": f"card={CARD}"})
        await say("DataTransfer", {"vendorId": "Test", "data": json.dumps({"idTag": CARD})})
        await say("SecurityEventNotification", {
            "type": "FailedToAuthenticateAtCsms", "timestamp": "2026-02-01T12:00:00Z",
            "techInfo": f"card {CARD}"})
        commands = f"/chargers/{CHARGER}/commands"
        for action, payload in (
            ("RemoteStartTransaction", {"idTag": CARD, "connectorId": 1}),
            ("DataTransfer", {"vendorId": "Test", "data": f"forget {CARD}"}),
            ("GetConfiguration", {}),
        ):
            await post(commands, {"action": action, "payload": payload})
        await post(f"/chargers/{CHARGER}/local-list", {"wanted": "all"})
        in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        await post(f"/chargers/{CHARGER}/reservations", {
            "connector": "1", "id_token": CARD, "expires_at": in_an_hour})
        report = await post("/incidents", {
            "charger": CHARGER, "reason": "not_working", "source": "support",
            "text": f"The driver with the card {CARD} could not start.",
        })
        await post(f"/incidents/{report['id']}/note", {"text": f"Called the owner of {CARD}."})
        ticket = await post("/tickets", {
            "charger": CHARGER, "title": f"Reader refuses {CARD}",
            "description": f"See card {CARD}."})
        await post(f"/tickets/{ticket['id']}/assign", {
            "name": "Ilie", "email": "ilie@example.org", "phone": "1"})
        server.persons = {"incidents": report["id"], "tickets": ticket["id"],
                          "transactions": str(started["transactionId"])}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(engine__default_mode="off", mail__dispatch="desk@example.org") as server:
        for role in ("operator", *ROLES):
            server.add_user(role, PASSWORD, role)
        asyncio.run(a_day(server))
        yield server


def token_of(server: Server, role: str) -> str:
    done = subprocess.run(
        [BINARY, "token", "create", f"of-{role}", "--role", role], env=server.environment,
        cwd=server.folder.name, capture_output=True, text=True, check=True,
    )
    return done.stdout.splitlines()[0].strip()


def everything(server: Server, role: str) -> dict[str, str]:
    """All that somebody of a role sees: pages and addresses of the API."""
    seen = walk(server, sign_in(server, role, PASSWORD))
    of = {"charger": CHARGER, "id-tokens": "…AB77", **server.persons}
    return seen | api(server, token_of(server, role), of)


def test_who_runs_the_chargers_sees_cards(server: Server) -> None:
    """The walk itself: it comes to the places where cards are."""
    named = {path for path, text in everything(server, "operator").items() if CARD in text}
    for wanted in ("/api/v1/transactions", "/transactions", f"/chargers/{CHARGER}"):
        assert any(path.startswith(wanted) for path in named), (wanted, sorted(named))
    assert len(named) > 15, sorted(named)


@pytest.mark.parametrize("role", ROLES)
def test_s21_nobody_else_sees_one_anywhere(server: Server, role: str) -> None:
    seen = everything(server, role)
    assert len(seen) > 60, sorted(seen)
    told = {
        path: text[max(0, text.find(CARD) - 120):text.find(CARD) + 40]
        for path, text in seen.items() if CARD.lower() in text.lower()
    }
    assert told == {}, "\n".join(f"{path}: {where!r}" for path, where in told.items())


def test_s21_no_card_is_in_letters_and_logs(server: Server) -> None:
    """Letters leave to people who mend chargers; logs are read by whoever runs the machine."""
    letters = server.get("/outbox?limit=200")["items"]
    assert any("…AB77" in letter["subject"] for letter in letters), letters
    assert not [letter for letter in letters if CARD in json.dumps(letter)]
    assert CARD not in server.log_path.read_text()


def texts(server: Server) -> Iterator[tuple[str, str]]:
    """Every text in the database, with where it stands."""
    path = f"{server.folder.name}/test.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = database.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    if isinstance(value, str):
                        yield f"{table}.{name}", value


def test_s21_who_is_erased_does_not_come_back_from_memory(server: Server) -> None:
    """The program goes on with what it holds in memory; none of it may be written down again."""
    erased = server.post("/persons/erase", {"token": CARD})
    incident = server.persons["incidents"]

    async def go_on() -> None:
        async with Charger(server, CHARGER) as charger:
            for status in ("Preparing", "Available"):
                await charger.say("StatusNotification", {
                    "connectorId": 1, "status": status, "errorCode": "NoError"})
        await asyncio.to_thread(server.post, f"/incidents/{incident}/note", {"text": "It goes on."})
        # States are written down every two seconds.
        await asyncio.sleep(3)

    asyncio.run(go_on())
    # The one that runs the program sees all; the last messages are still in memory.
    everywhere = walk(server, sign_in(server, "operator", PASSWORD))
    everywhere |= api(server, server.token, {"charger": CHARGER, **server.persons})
    left = sorted(path for path, text in everywhere.items() if CARD.lower() in text.lower())
    server.stop()
    left += sorted({place for place, text in texts(server) if CARD.lower() in text.lower()})
    server.start()
    assert left == [], "\n".join(left)
    assert erased["pseudonym"].startswith("ERASED-")
