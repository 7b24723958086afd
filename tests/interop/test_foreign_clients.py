"""Chargers that nobody here wrote, in three versions of OCPP, against the real program.

They are of the PyPI package `ocpp` and of the npm package `ocpp-rpc`. Each boots, authorises,
charges, faults, answers the Reset that the engine sends, boots again, recovers and charges once
more; the incident is then resolved with the actions in its timeline.
"""

import asyncio
from collections.abc import Iterator

import npm
import pypi
import pytest
from kit import Server

CHARGERS = [
    pypi.Charger16, pypi.Charger201, pypi.Charger21, npm.Node16, npm.Node201, npm.Node21,
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.mark.parametrize("kind", CHARGERS, ids=lambda kind: kind.__name__)
async def test_boot_charge_fault_reset_recover(
    server: Server, kind: type[pypi.Connected | npm.NodeCharger]
) -> None:
    identity = f"STORY-{kind.__name__}"
    in_thread = asyncio.to_thread
    async with kind(server, identity) as charger:
        await charger.boot()
        await charger.charge(8000)
        seen = await in_thread(server.get, f"/chargers/{identity}")
        assert seen["online"] is True
        assert seen["protocol"] == kind.protocol

        await charger.fault()
        opened = await in_thread(server.incident, identity, "ERR_FAULTED")
        await in_thread(server.incident, identity, "ERR_FAULTED", "recovered_unproven", 60)
        await charger.charge(9000)
        assert charger.resets, "the engine never sent a Reset"
        await in_thread(server.incident, identity, "ERR_FAULTED", "resolved", 30)

    whole = server.get(f"/incidents/{opened['id']}")
    words = " ".join(entry["title"] + " " + entry["text"] for entry in whole["timeline"])
    kinds = {entry["kind"] for entry in whole["timeline"]}
    assert "Reset" in words or "reset" in words, words
    assert {"opened", "proven"} <= kinds, kinds
    assert whole["ticket"] is None, "healed by the engine: nobody is sent"
    sessions = server.get(f"/transactions?charger={identity}")["items"]
    assert len(sessions) == 2
    assert {round(session["energy_wh"]) for session in sessions} == {8000, 9000}


@pytest.mark.parametrize("kind", CHARGERS, ids=lambda kind: kind.__name__)
async def test_a_command_by_the_api_gets_the_chargers_own_answer(
    server: Server, kind: type[pypi.Connected | npm.NodeCharger]
) -> None:
    identity = f"COMMAND-{kind.__name__}"
    async with kind(server, identity) as charger:
        await charger.boot()
        word = "Hard" if kind.protocol == "ocpp1.6" else "Immediate"
        answer = await asyncio.to_thread(
            server.post,
            f"/chargers/{identity}/commands",
            {"action": "Reset", "payload": {"type": word}},
        )
        await charger.boot()
        assert charger.resets == [word]
    assert answer["status"] == "Accepted"
    assert answer["payload"] == {"status": "Accepted"}
