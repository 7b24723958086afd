"""S19: whatever changes something leaves a line in the audit log, and the log shows that none was
taken out. Every address of the API that changes something has a row here; a new one without fails."""

import asyncio
import http.client
import json
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kit import BINARY, Server
from test_persons import Charger

# What is not told of, and why.
LEFT_OUT = {
    "POST /rules/check": "nothing is kept",
    "POST /rules/replay": "a computation beside the server",
    "DELETE /rules/replay/{id}": "the same",
    "POST /incidents": "the report is the first line of the incident's own history",
    "POST /tickets": "tickets have a history of their own that only grows",
    "POST /tickets/{id}/{command}": "the same",
    "POST /chargers/{id}/security/upgrade": "its steps are commands, and told as such",
    "DELETE /chargers/{id}/commands/{command}": "the outcome of a command that was told of",
    "POST /orphans/{id}/look": "as for transactions",
    "DELETE /chargers/{id}/charging-profiles/{profile}": "it is a command, and told as such",
    "POST /reservations/{id}/cancel": "it is a command, and told as such",
    "POST /rollouts/{id}/lift": "there is no rollout to lift here",
    "POST /playbooks": "as for rules",
    "PUT /playbooks/{id}": "as for rules",
    "POST /playbooks/{id}/take-back": "as for rules",
    "POST /rules": "as for changed rules",
    "POST /rules/together": "as for changed rules, all with the same lines",
    "POST /uptime/outages/{id}/{decision}": "each exclusion of the outage is decided as by its own address",
    "POST /chargers/{id}/healing/allow": "there is nothing to allow here",
}


def later(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(engine__default_mode="off")
    server.add_user("ana", "a long pass phrase")
    with server:
        stop = threading.Event()

        async def live() -> None:
            async with Charger(server, "AUDIT-1") as charger:
                started = await charger.say("StartTransaction", {
                    "connectorId": 1, "idTag": "04AA11BB22", "meterStart": 100,
                    "timestamp": later()})
                await charger.say("StopTransaction", {
                    "transactionId": started["transactionId"], "meterStop": 5,
                    "timestamp": later()})
                server.transaction = started["transactionId"]
                while not stop.is_set():
                    await asyncio.sleep(0.1)

        thread = threading.Thread(target=lambda: asyncio.run(live()))
        thread.start()
        server.wait_for(lambda: hasattr(server, "transaction"), "a charger at work")
        yield server
        stop.set()
        thread.join()


def rows(server: Server) -> Iterator[tuple[str, str, object]]:
    """What is done: the address as it is described, the address, and what is sent."""
    site = server.get("/sites")["items"][0]["name"]
    report = {"charger": "AUDIT-1", "reason": "not_working", "source": "support"}
    incidents = [server.post("/incidents", report)["id"]]
    rule = server.get("/rules")["items"][0]["id"]
    text = server.get(f"/rules/{rule}")
    yield "POST /chargers", "/chargers", {"identity": "AUDIT-2", "password": "a good pass word"}
    yield "PATCH /chargers/{id}", "/chargers/AUDIT-2", {"password": "another pass word"}
    yield "PATCH /chargers/{id}/security", "/chargers/AUDIT-2/security", {"profile": 1}
    yield "POST /chargers/{id}/security/password", "/chargers/AUDIT-2/security/password", {}
    yield "POST /chargers/{id}/security/rotate", "/chargers/AUDIT-1/security/rotate", {}
    yield "POST /chargers/{id}/commands", "/chargers/AUDIT-1/commands", {
        "action": "Reset", "payload": {"type": "Soft"}}
    yield "POST /sites", "/sites", {"name": "Audit"}
    yield "POST /id-tokens", "/id-tokens", {"token": "04AA11BB33", "status": "accepted"}
    yield "POST /id-tokens.csv", "/id-tokens.csv", b"token,status\r\n04AA11BB44,accepted\r\n"
    yield "DELETE /id-tokens/{token}", "/id-tokens/04AA11BB44", None
    yield "POST /chargers/{id}/local-list", "/chargers/AUDIT-1/local-list", {"wanted": "all"}
    yield "POST /chargers/{id}/reservations", "/chargers/AUDIT-1/reservations", {
        "connector": "1", "id_token": "04AA11BB33", "expires_at": later(hours=1)}
    yield "POST /chargers/{id}/charging-profiles", "/chargers/AUDIT-1/charging-profiles", {
        "purpose": "TxDefaultProfile", "connector": "1", "kind": "Absolute", "unit": "A",
        "periods": [{"start_s": 0, "limit": 16}]}
    yield "POST /transactions/{id}/look", f"/transactions/{server.transaction}/look", {"note": "x"}
    yield "PUT /signal-keys", "/signal-keys", {
        "vendor": "Test", "model": "Person", "name": "Rssi", "confirmed": False,
        "unit": "dbm", "transport": "wifi"}
    yield "PUT /desired-keys", "/desired-keys", {
        "charger": "AUDIT-1", "key": "HeartbeatInterval", "value": "300"}
    for action in ("take", "release", "resolve"):
        yield "POST /incidents/{id}/{action}", f"/incidents/{incidents[0]}/{action}", {}
    yield "PUT /duty/rotas", "/duty/rotas", {
        "name": "nights", "people": ["ana"], "turn": "weekly", "since": later()[:10],
        "at": "08:00", "zone": "UTC"}
    yield "DELETE /duty/rotas/{name}", "/duty/rotas/nights", None
    yield "POST /duty/silences", "/duty/silences", {
        "matcher": {"charger": "AUDIT-1"}, "until": later(hours=1), "reason": "works"}
    yield "DELETE /duty/silences/{id}", "/duty/silences/{last}", None
    yield "POST /duty/windows", "/duty/windows", {
        "charger": "AUDIT-1", "title": "works", "starts": later(hours=1)[:16], "minutes": 60}
    yield "DELETE /duty/windows/{id}", "/duty/windows/{last}", None
    yield "PUT /duty/persons/{name}", "/duty/persons/ana", {"zone": "UTC", "budget": 5}
    yield "PUT /duty/places", "/duty/places", {"charger": "AUDIT-1", "labels": ["vip"]}
    yield "PUT /rules/{id}", f"/rules/{rule}", {
        "text": text["text"] + "\n# looked at\n", "note": "a remark", "made_from": text["version"]}
    yield "PATCH /rules/{id}", f"/rules/{rule}", {"on": False}
    yield "POST /rules/{id}/take-back", f"/rules/{rule}/take-back", {"version": 0}
    yield "PUT /rules/{id}/thresholds", "{threshold}", None
    yield "POST /rules/reload", "/rules/reload", {}
    yield "POST /uptime/exclusions", "/uptime/exclusions", {
        "site": site, "from": later(hours=-2), "until": later(hours=-1), "reason": "utility",
        "evidence": "the grid was off"}
    yield "POST /uptime/exclusions/{id}/{decision}", "/uptime/exclusions/{last}/approve", {}
    yield "PUT /uptime/hours", "/uptime/hours", {"site": site, "hours": "Mo-Su 06:00-22:00"}
    yield "PUT /healing", "/healing", {"allowed": False, "charger": "AUDIT-1"}
    yield "POST /persons/export", "/persons/export", {"token": "04AA11BB22"}
    yield "POST /persons/erase", "/persons/erase", {
        "token": "04AA11BB22", "even_if_unknown": True}
    # What only reads, and takes something away with it.
    for export in ("/transactions.csv", "/id-tokens.csv", "/conformance.csv", "/audit.csv",
                   "/chargers/AUDIT-1/variables.csv", "/chargers/AUDIT-1/frames?format=csv",
                   f"/incidents/{incidents[0]}/evidence"):
        yield f"GET {export}", export, None


def threshold(server: Server) -> tuple[str, dict]:
    """A threshold that some rule about single chargers has."""
    for rule in server.get("/rules")["items"]:
        text = server.get(f"/rules/{rule['id']}")["text"]
        if not re.search(r'^scope = "(charger|connector)"', text, re.M):
            continue
        found = re.search(r"^\[thresholds\]\n(\w+) = \{ default = \"?([^\",]+)", text, re.M)
        if found:
            body = {"kind": "charger", "target": "AUDIT-1", "name": found[1], "value": found[2]}
            return f"/rules/{rule['id']}/thresholds", body
    raise AssertionError("no rule has a threshold")


def newest(server: Server) -> dict:
    return server.get("/audit?limit=1")["items"][0]


def test_s19_whatever_changes_something_is_told(server: Server) -> None:
    described = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in server.get("/openapi.json")["paths"].items()
        for method in methods if method not in ("get", "parameters")
    }
    other = subprocess.run(
        [BINARY, "token", "create", "another", "--role", "admin"], env=server.environment,
        cwd=server.folder.name, capture_output=True, text=True, check=True,
    ).stdout.split()[0]
    done, last, silent, refused = set(), "", [], []
    for address, path, body in rows(server):
        method = address.split()[0]
        if path == "{threshold}":
            path, body = threshold(server)
        before = newest(server)
        # What one proposed another one approves.
        token = other if "{decision}" in address else None
        path = "/api/v1" + path.replace("{last}", last)
        status, answer = server.fetch(path, body, method, token)
        if status >= 400:
            refused.append((address, path, status, answer))
        if isinstance(answer, dict) and answer.get("id"):
            last = str(answer["id"])
        done.add(address)
        # A line is there when it is on disk.
        try:
            server.wait_for(lambda: newest(server) != before, address, 3)  # noqa: B023
        except AssertionError:
            silent.append((address, status, str(answer)[:200]))
    assert refused == [], "\n".join(map(str, refused))
    assert silent == [], "nothing was told of:\n" + "\n".join(map(str, silent))
    assert described - done - set(LEFT_OUT) == set(), "a new address: give it a row"
    assert "04AA11BB" not in json.dumps(server.get("/audit?limit=500")), "no card is in it"


def test_s19_a_line_is_on_disk_when_the_answer_leaves() -> None:
    """The program is killed as soon as the first byte of an answer is there."""
    deeds = [
        ("POST", "/id-tokens", {"token": "04AA11BB55", "status": "accepted"}, 200, ""),
        ("POST", "/persons/export", {"token": "04AA11BB55"}, 200, "person exported"),
        ("GET", "/transactions.csv", None, 200, "exported"),
        ("PUT", "/healing", {"allowed": False}, 200, "healing stopped"),
    ]
    with Server(engine__default_mode="off") as server:
        lines = 0
        for method, path, body, wanted, action in deeds:
            connection = http.client.HTTPConnection("127.0.0.1", server.web_port, timeout=30)
            connection.request(
                method, f"/api/v1{path}", json.dumps(body) if body else None,
                {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
            )
            status = connection.getresponse().status
            server.stop(kill=True)
            connection.close()
            assert status == wanted, (path, status)
            server.start()
            found = server.get("/audit?limit=500")["items"]
            assert len(found) > lines, f"{method} {path} left no line: {found}"
            assert action in [line["action"] for line in found] or not action, found
            lines = len(found)


def verify(server: Server, *words: str) -> tuple[int, str]:
    done = subprocess.run([BINARY, "audit", "verify", *words], env=server.environment,
                          cwd=server.folder.name, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"


def test_s19_who_tampers_with_it_is_found(server: Server) -> None:
    """With the server stopped and everything at hand: the file, and the right to drop triggers."""
    status, told = verify(server)
    assert status == 0, told
    noted = re.search(r"(\d+:[0-9a-f]{64})", told)[1]
    server.stop()
    path = f"{server.folder.name}/test.db"
    with sqlite3.connect(path) as database:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 3")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute("DELETE FROM audit_entry WHERE seq = 3")
        whole = "".join(f"{line}\n" for line in database.iterdump())
        end = database.execute("SELECT MAX(seq) FROM audit_entry").fetchone()[0]
        triggers = [name for (name,) in database.execute(TRIGGERS)]
    assert triggers and whole
    for tampering, found in (
        ("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 3", "at line 3"),
        ("DELETE FROM audit_entry WHERE seq = 4", "at line 4"),
        (f"DELETE FROM audit_entry WHERE seq = {end}", f"at line {end}"),
        ("DELETE FROM audit_head", "head"),
    ):
        kept = f"{path}.kept"
        with sqlite3.connect(path) as database, sqlite3.connect(kept) as copy:
            database.backup(copy)
        with sqlite3.connect(path) as database:
            for name in triggers:
                database.execute(f"DROP TRIGGER {name}")
            database.execute(tampering)
        status, told = verify(server)
        assert status == 1 and found in told, (tampering, told)
        with sqlite3.connect(kept) as copy, sqlite3.connect(path) as database:
            copy.backup(database)
    assert verify(server, "--noted", noted)[0] == 0
    assert verify(server, "--noted", noted[:-4] + "0000")[0] == 1, "another line was noted"
    server.start()
