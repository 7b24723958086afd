"""Cases that only OCPP 2.1 has."""

import pytest
from csms import Csms
from station2 import EVSE, Station2
from wire import Payload, now


@pytest.fixture
def protocol() -> str:
    return "ocpp2.1"


async def test_TC_B_100_CSMS(csms: Csms, station2: Station2) -> None:
    """A network profile with another name and password for the charger."""
    profile: Payload = {
        "messageTimeout": 30,
        "ocppCsmsUrl": csms.ocpp_url,
        "ocppInterface": "Wired0",
        "ocppTransport": "JSON",
        "ocppVersion": "OCPP21",
        "securityProfile": 1,
        "identity": "ANOTHER-NAME",
        "basicAuthPassword": "another-password-of-it",
    }
    wanted = {"configurationSlot": 1, "connectionData": profile}
    await station2.asked_accepted("SetNetworkProfile", wanted)


async def test_TC_B_103_CSMS(csms: Csms, station2: Station2) -> None:
    """A reset that interrupts a session, which goes on after the boot."""
    await station2.charge()
    await station2.asked_accepted("Reset", {"type": "ImmediateAndResume"})
    await station2.event("Updated", "ResetCommand", "SuspendedEVSE")
    await station2.reconnect()
    await station2.call(
        "BootNotification",
        reason="RemoteReset",
        chargingStation={"model": "Test Station", "vendorName": "OCTT"},
    )
    await station2.status("Occupied")
    await station2.event("Updated", "TxResumed", "Charging")
    session = await csms.until_session(station2.identity, is_open=True)
    assert session["external_id"] == station2.transaction
    await csms.until_connector(station2.identity, "Charging")


async def test_TC_B_104_CSMS(csms: Csms, station2: Station2) -> None:
    """The same while nobody charges."""
    await station2.asked_accepted("Reset", {"type": "ImmediateAndResume"})
    await station2.reconnect()
    await station2.boot("RemoteReset")
    await csms.until_connector(station2.identity, "Available")


async def test_TC_B_105_CSMS(csms: Csms, station2: Station2) -> None:
    """A network profile, as variables."""
    slot: Payload = {"name": "NetworkConfiguration", "instance": "1"}
    wanted = [
        {"component": slot, "variable": {"name": name}, "attributeValue": value}
        for name, value in (("OcppCsmsUrl", csms.ocpp_url), ("SecurityProfile", "1"))
    ]
    results = [
        {"component": slot, "variable": item["variable"], "attributeStatus": "Accepted"}
        for item in wanted
    ]
    data, answer = {"setVariableData": wanted}, {"setVariableResult": results}
    sent, _ = await station2.asked("SetVariables", data, answer)
    assert sent == data


async def test_TC_F_100_CSMS(station2: Station2) -> None:
    """A message of the vendor's own is triggered."""
    wanted = {"requestedMessage": "CustomTrigger", "customTrigger": "com.example.octt"}
    await station2.asked_accepted("TriggerMessage", wanted)


async def test_TC_G_01_CSMS(csms: Csms, station2: Station2) -> None:
    """The status of a connector comes as an event, as 2.1 prefers it."""
    event = {
        "eventId": 3,
        "timestamp": now(),
        "trigger": "Delta",
        "actualValue": "Unavailable",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "Connector", "evse": EVSE},
        "variable": {"name": "AvailabilityState"},
    }
    answer = await station2.call("NotifyEvent", generatedAt=now(), seqNo=0, eventData=[event])
    assert answer == {}
    await csms.until_connector(station2.identity, "Unavailable")


async def test_TC_K_118_CSMS(station2: Station2) -> None:
    """A session gets priority, and the charger tells so."""
    transaction = await station2.charge()
    wanted = {"transactionId": transaction, "activate": True}
    await station2.asked_accepted("UsePriorityCharging", wanted)
    facts = {"transactionId": transaction, "activated": True}
    assert await station2.call("NotifyPriorityCharging", facts) == {}


async def test_TC_N_100_CSMS(station2: Station2) -> None:
    """The log of a data collector."""
    where = {"remoteLocation": "https://files.example.org/octt/"}
    wanted = {"logType": "DataCollectorLog", "requestId": 65, "log": where}
    await station2.asked_accepted("GetLog", wanted, filename="collector.csv")
    for status in ("Uploading", "Uploaded"):
        facts = {"status": status, "requestId": 65}
        assert await station2.call("LogStatusNotification", facts) == {}


async def test_TC_N_107_CSMS(station2: Station2) -> None:
    """Which streams of periodic events there are."""
    stream = {"id": 1, "variableMonitoringId": 1, "params": {"interval": 5}}
    answer = {"constantStreamData": [stream]}
    sent, told = await station2.asked("GetPeriodicEventStream", {}, answer)
    assert sent == {}
    assert told["payload"] == answer


async def test_TC_R_108_CSMS(station2: Station2) -> None:
    """The charger reports an event of the grid, and its end."""
    alarm: Payload = {
        "controlType": "FreqDroop",
        "timestamp": now(),
        "gridEventFault": "OverFrequency",
    }
    assert await station2.call("NotifyDERAlarm", alarm) == {}
    assert await station2.call("NotifyDERAlarm", alarm, alarmEnded=True) == {}
