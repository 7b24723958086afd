"""S20: secrets are in no log, no message that is kept, no page and no copy. Each is a canary that is
looked for in every byte that the program left behind, with the log as talkative as it gets."""

import asyncio
import base64
import json
import pathlib
import subprocess
from collections.abc import Iterator

import pytest
import websockets
from kit import BINARY, Server
from visitor import api, sign_in, walk

SMTP, UPLOAD, PEPPER = "canarySMTP4711", "canaryUPLOAD4711", "canaryPEPPER4711canary"
PEOPLE, CHARGER = "canary of a person 4711", "canaryBASIC4711canary0"
WRONG, KEY, CHOSEN = "canaryWRONG4711", "CANARYKEY47110000CANARY", "canaryCHOSEN4711canary"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(
        engine__default_mode="off", log__filter="trace", ocpp__credential_pepper=PEPPER,
        mail__smtp_url=f"smtp://mend:{SMTP}@127.0.0.1:9", mail__dispatch="desk@example.org",
        engine__diagnostics_url=f"ftp://mend:{UPLOAD}@127.0.0.1/logs",
    )
    server.add_user("ana", PEOPLE)
    with server:
        yield server


def basic(identity: str, password: str) -> dict[str, str]:
    word = base64.b64encode(f"{identity}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


async def charger(server: Server, identity: str, protocol: str, busy: asyncio.Event) -> None:
    """Comes in with its password, takes what it is sent, and tells what it should keep to itself."""
    url = f"{server.ocpp_url}/{identity}"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(
            url, subprotocols=[protocol], additional_headers=basic(identity, WRONG))
    socket = await websockets.connect(
        url, subprotocols=[protocol], additional_headers=basic(identity, CHARGER))
    async with socket:
        boot = {"chargePointVendor": "T", "chargePointModel": "S"} if protocol == "ocpp1.6" else {
            "reason": "PowerUp", "chargingStation": {"vendorName": "T", "model": "S"}}
        await socket.send(json.dumps([2, "b", "BootNotification", boot]))
        async for text in socket:
            frame = json.loads(text)
            if frame[0] == 3:
                busy.set()
                continue
            answer = {"status": "Accepted"}
            if frame[2] == "GetConfiguration":
                answer = {"configurationKey": [
                    {"key": "AuthorizationKey", "readonly": False, "value": KEY}]}
            if frame[2] == "SetVariables":
                answer = {"setVariableResult": [
                    {"attributeStatus": "Accepted", "component": one["component"],
                     "variable": one["variable"]} for one in frame[3]["setVariableData"]]}
            await socket.send(json.dumps([3, frame[1], answer]))


async def a_day(server: Server) -> None:
    post = lambda path, body: asyncio.to_thread(server.fetch, "/api/v1" + path, body, "POST")  # noqa: E731
    tasks = []
    for identity, protocol in (("SECRET-16", "ocpp1.6"), ("SECRET-20", "ocpp2.0.1")):
        status, told = await post("/chargers", {"identity": identity, "password": CHARGER})
        assert status == 201, told
        busy = asyncio.Event()
        tasks.append(asyncio.create_task(charger(server, identity, protocol, busy)))
        async with asyncio.timeout(20):
            await busy.wait()
    commands = "/chargers/SECRET-16/commands"
    for action, payload in (
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": CHOSEN}),
        ("GetConfiguration", {}),
        ("GetDiagnostics", {"location": f"ftp://mend:{UPLOAD}@127.0.0.1/logs"}),
    ):
        status, told = await post(commands, {"action": action, "payload": payload})
        assert status < 500 and CHOSEN not in str(told), (action, status, told)
    status, told = await post("/chargers/SECRET-20/commands", {
        "action": "SetVariables", "payload": {"setVariableData": [{
            "attributeValue": CHOSEN, "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"}}]}})
    assert status < 500, told
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_s20_no_secret_is_kept_anywhere(server: Server) -> None:
    asyncio.run(a_day(server))
    cookie = sign_in(server, "ana", PEOPLE)
    token = subprocess.run(
        [BINARY, "token", "create", "a-token", "--role", "admin"], env=server.environment,
        cwd=server.folder.name, capture_output=True, text=True, check=True,
    ).stdout.split()[0]
    of = {"charger": "SECRET-16"}
    shown = walk(server, cookie) | api(server, token, of)
    for identity in ("SECRET-16", "SECRET-20"):
        for page in ("frames?limit=200", "commands"):
            shown[f"{identity} {page}"] = json.dumps(server.get(f"/chargers/{identity}/{page}"))
    assert any("***" in text for text in shown.values()), "the places were come to"
    folder = pathlib.Path(server.folder.name)
    told = subprocess.run([BINARY, "backup", folder / "a.backup"], env=server.environment,
                          cwd=folder, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    config = subprocess.run([BINARY, "config", "check"], env=server.environment, cwd=folder,
                            capture_output=True, text=True, check=True)
    shown["config check"] = config.stdout + config.stderr + told.stdout
    server.stop()
    left = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    server.start()
    assert {"test.db", "server.log", "a.backup"} <= set(left)
    assert b"SECRET-16" in left["test.db"], "the search finds what is there"
    found = []
    session = cookie.split("=", 1)[1]
    basic_words = [basic(one, CHARGER)["Authorization"].split()[1] for one in ("SECRET-16", "SECRET-20")]
    canaries = [SMTP, UPLOAD, PEPPER, PEOPLE, CHARGER, WRONG, KEY, CHOSEN, session, token, server.token,
                *basic_words]
    for canary in canaries:
        # 2.x passwords and 1.6 keys may be told in hexadecimal.
        for form in (canary, canary.encode().hex(), canary.encode().hex().upper()):
            found += [f"{form} in {name}" for name, data in left.items() if form.encode() in data]
            found += [f"{form} on {path}" for path, text in shown.items() if form in text]
    assert found == [], "\n".join(found)
