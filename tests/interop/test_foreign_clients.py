"""Chargers that nobody here wrote: the PyPI package `ocpp`, in both versions, against the real program.

Each boots, authorises, charges, faults, answers the Reset that the engine sends, boots again, recovers
and charges once more; the incident is then resolved with the actions in its timeline.
"""

import asyncio
from datetime import datetime, timezone

import pytest
import websockets
from kit import Server
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Charger16(ChargePoint16):
    """OCPP 1.6: a fault that only a reset cures."""

    def __init__(self, *args):
        super().__init__(*args)
        self.faulted = False
        self.resets = []

    @on("Reset")
    async def on_reset(self, type, **_):
        self.resets.append(type)
        asyncio.create_task(self.restart())
        return result16.Reset(status="Accepted")

    @on("TriggerMessage")
    async def on_trigger(self, requested_message, **_):
        if requested_message == "StatusNotification":
            asyncio.create_task(self.status())
        return result16.TriggerMessage(status="Accepted")

    @on("GetConfiguration")
    async def on_get_configuration(self, **_):
        return result16.GetConfiguration(
            configuration_key=[{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
        )

    async def restart(self):
        await asyncio.sleep(0.3)
        self.faulted = False
        await self.boot()

    async def boot(self):
        answer = await self.call(
            call16.BootNotification(charge_point_model="Loop 22", charge_point_vendor="Foreign")
        )
        assert answer.status == "Accepted"
        await self.call(
            call16.StatusNotification(connector_id=0, error_code="NoError", status="Available")
        )
        await self.status()

    async def status(self, status=None):
        word = "Faulted" if self.faulted else status or "Available"
        code = "InternalError" if self.faulted else "NoError"
        await self.call(
            call16.StatusNotification(
                connector_id=1, error_code=code, status=word, timestamp=now()
            )
        )

    async def charge(self, energy_wh):
        assert (await self.call(call16.Authorize(id_tag="TAG-1"))).id_tag_info["status"] == "Accepted"
        await self.status("Preparing")
        started = await self.call(
            call16.StartTransaction(connector_id=1, id_tag="TAG-1", meter_start=1000, timestamp=now())
        )
        assert started.transaction_id > 0
        await self.status("Charging")
        await self.call(
            call16.MeterValues(
                connector_id=1,
                transaction_id=started.transaction_id,
                meter_value=[
                    {
                        "timestamp": now(),
                        "sampledValue": [
                            {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"},
                            {"value": str(1000 + energy_wh), "unit": "Wh"},
                        ],
                    }
                ],
            )
        )
        await self.call(
            call16.StopTransaction(
                transaction_id=started.transaction_id,
                meter_stop=1000 + energy_wh,
                timestamp=now(),
                id_tag="TAG-1",
            )
        )
        await self.status("Finishing")
        await self.status()
        return started.transaction_id


class Charger201(ChargePoint201):
    """OCPP 2.0.1: the same story in the newer words."""

    def __init__(self, *args):
        super().__init__(*args)
        self.faulted = False
        self.resets = []
        self.transactions = 0

    @on("Reset")
    async def on_reset(self, type, **_):
        self.resets.append(type)
        asyncio.create_task(self.restart())
        return result201.Reset(status="Accepted")

    @on("TriggerMessage")
    async def on_trigger(self, requested_message, **_):
        if requested_message == "StatusNotification":
            asyncio.create_task(self.status())
        return result201.TriggerMessage(status="Accepted")

    @on("GetVariables")
    async def on_get_variables(self, get_variable_data, **_):
        return result201.GetVariables(
            get_variable_result=[
                {
                    "attributeStatus": "UnknownVariable",
                    "component": entry["component"],
                    "variable": entry["variable"],
                }
                for entry in get_variable_data
            ]
        )

    @on("GetBaseReport")
    async def on_get_base_report(self, **_):
        return result201.GetBaseReport(status="NotSupported")

    async def restart(self):
        await asyncio.sleep(0.3)
        self.faulted = False
        await self.boot("RemoteReset")

    async def boot(self, reason="PowerUp"):
        answer = await self.call(
            call201.BootNotification(
                charging_station={"model": "Loop DC", "vendor_name": "Foreign"}, reason=reason
            )
        )
        assert answer.status == "Accepted"
        await self.status()

    async def status(self, status=None):
        word = "Faulted" if self.faulted else status or "Available"
        await self.call(
            call201.StatusNotification(
                timestamp=now(), connector_status=word, evse_id=1, connector_id=1
            )
        )

    async def event(self, kind, number, trigger, state, energy_wh=None, reason=None):
        self.transactions += kind == "Started"
        info = {"transactionId": f"tx-{self.transactions}", "chargingState": state}
        if reason:
            info["stoppedReason"] = reason
        meter = energy_wh is not None and [
            {
                "timestamp": now(),
                "sampledValue": [
                    {"value": energy_wh, "measurand": "Energy.Active.Import.Register"},
                    {"value": 48000, "measurand": "Power.Active.Import"},
                ],
            }
        ]
        return await self.call(
            call201.TransactionEvent(
                event_type=kind,
                timestamp=now(),
                trigger_reason=trigger,
                seq_no=number,
                transaction_info=info,
                evse={"id": 1, "connectorId": 1},
                id_token={"idToken": "TAG-1", "type": "ISO14443"} if kind == "Started" else None,
                meter_value=meter or None,
            )
        )

    async def charge(self, energy_wh):
        token = {"idToken": "TAG-1", "type": "ISO14443"}
        answer = await self.call(call201.Authorize(id_token=token))
        assert answer.id_token_info["status"] == "Accepted"
        await self.status("Occupied")
        started = await self.event("Started", 0, "Authorized", "EVConnected", 5000.0)
        assert started.id_token_info["status"] == "Accepted"
        await self.event("Updated", 1, "ChargingStateChanged", "Charging", 5000.0 + energy_wh / 2)
        await self.event("Ended", 2, "EVDeparted", "Idle", 5000.0 + energy_wh, "EVDisconnected")
        await self.status()
        return f"tx-{self.transactions}"


STORIES = [("ocpp1.6", Charger16, "FOREIGN-16"), ("ocpp2.0.1", Charger201, "FOREIGN-201")]


@pytest.mark.parametrize(("protocol", "kind", "identity"), STORIES)
def test_boot_charge_fault_reset_recover(server, protocol, kind, identity):
    async def story():
        async with websockets.connect(
            f"{server.ocpp_url}/{identity}", subprotocols=[protocol]
        ) as socket:
            assert socket.subprotocol == protocol
            charger = kind(identity, socket)
            reader = asyncio.create_task(charger.start())
            await charger.boot()
            await charger.call(
                (call16 if kind is Charger16 else call201).Heartbeat()
            )
            await charger.charge(8000)
            in_thread = asyncio.to_thread

            seen = await in_thread(server.get, f"/chargers/{identity}")
            assert seen["online"] is True
            assert seen["protocol"] == protocol

            charger.faulted = True
            await charger.status()
            opened = await in_thread(server.incident, identity, "ERR_FAULTED")
            await in_thread(server.incident, identity, "ERR_FAULTED", "recovered_unproven", 60)
            assert charger.resets, "the engine never sent a Reset"

            await charger.charge(9000)
            await in_thread(server.incident, identity, "ERR_FAULTED", "resolved", 30)
            whole = await in_thread(server.get, f"/incidents/{opened['id']}")
            reader.cancel()
            return whole, charger

    whole, charger = asyncio.run(story())
    words = " ".join(entry["title"] + " " + entry["text"] for entry in whole["timeline"])
    kinds = {entry["kind"] for entry in whole["timeline"]}
    assert "Reset" in words or "reset" in words, words
    assert {"opened", "proven"} <= kinds, kinds
    assert whole["ticket"] is None, "healed by the engine: nobody is sent"
    sessions = server.get(f"/transactions?charger={identity}")["items"]
    assert len(sessions) == 2
    assert {round(session["energy_wh"]) for session in sessions} == {8000, 9000}


@pytest.mark.parametrize(("protocol", "kind", "identity"), STORIES)
def test_a_command_by_the_api_gets_the_chargers_own_answer(server, protocol, kind, identity):
    async def story():
        identity_b = identity + "-B"
        async with websockets.connect(
            f"{server.ocpp_url}/{identity_b}", subprotocols=[protocol]
        ) as socket:
            charger = kind(identity_b, socket)
            reader = asyncio.create_task(charger.start())
            await charger.boot()
            word = "Hard" if kind is Charger16 else "Immediate"
            answer = await asyncio.to_thread(
                server.post,
                f"/chargers/{identity_b}/commands",
                {"action": "Reset", "payload": {"type": word}},
            )
            assert charger.resets == [word]
            reader.cancel()
            return answer

    answer = asyncio.run(story())
    assert answer["status"] == "Accepted"
    assert answer["payload"] == {"status": "Accepted"}
