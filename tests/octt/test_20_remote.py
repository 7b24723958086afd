"""OCPP 2.x, blocks F and G: remote start, unlocking, triggers, availability."""

from csms import Csms
from station2 import EVSE, VALID, Station2, id_token, sampled
from wire import Payload, now

REMOTE_START_ID = 55


async def remote_start(station: Station2) -> None:
    """An operator starts a session with a card on an EVSE."""
    wanted = {"remoteStartId": REMOTE_START_ID, "idToken": id_token(), "evseId": 1}
    await station.asked_accepted("RequestStartTransaction", wanted)


async def test_TC_F_01_CSMS(csms: Csms, station2: Station2) -> None:
    """Plugged in first: the transaction that runs is named in the answer."""
    await station2.status("Occupied")
    await station2.event("Started", "CablePluggedIn", "EVConnected")
    wanted = {"remoteStartId": REMOTE_START_ID, "idToken": id_token(), "evseId": 1}
    more = {"transactionId": station2.transaction}
    await station2.asked_accepted("RequestStartTransaction", wanted, **more)
    info = {"remoteStartId": REMOTE_START_ID}
    await station2.event("Updated", "RemoteStart", "EVConnected", VALID, info)
    await station2.event("Updated", "ChargingStateChanged", "Charging")
    await csms.until_connector(station2.identity, "Charging")


async def started_remotely(csms: Csms, station: Station2) -> None:
    """What follows a remote start when the car comes afterwards."""
    info = {"remoteStartId": REMOTE_START_ID}
    await station.event("Started", "RemoteStart", "Idle", VALID, info)
    await station.status("Occupied")
    await station.event("Updated", "CablePluggedIn", "EVConnected")
    await station.event("Updated", "ChargingStateChanged", "Charging")
    await csms.until_connector(station.identity, "Charging")


async def test_TC_F_02_CSMS(csms: Csms, station2: Station2) -> None:
    """Remote start first, and the charger asks about the card."""
    await remote_start(station2)
    assert (await station2.authorize())["status"] == "Accepted"
    await started_remotely(csms, station2)


async def test_TC_F_03_CSMS(csms: Csms, station2: Station2) -> None:
    """Remote start first, and the charger does not ask about the card."""
    await remote_start(station2)
    await started_remotely(csms, station2)


async def test_TC_F_04_CSMS(csms: Csms, station2: Station2) -> None:
    """Remote start first, and no car comes."""
    await remote_start(station2)
    info: Payload = {"remoteStartId": REMOTE_START_ID}
    await station2.event("Started", "RemoteStart", "Idle", VALID, info)
    end = {"stoppedReason": "Timeout"}
    await station2.event("Ended", "EVConnectTimeout", "Idle", info=end)
    session = await csms.until_session(station2.identity, is_open=False)
    assert session["reason"] == "Timeout"


async def test_TC_F_06_CSMS(station2: Station2) -> None:
    """A connector is unlocked while nobody charges."""
    wanted = {"evseId": 1, "connectorId": 1}
    assert (await station2.asked_status("UnlockConnector", wanted, "Unlocked"))["accepted"]


async def trigger(station: Station2, message: str, evse: Payload | None = None) -> None:
    """An operator asks for a message, of the charger or of one EVSE, and it will come."""
    wanted: Payload = {"requestedMessage": message}
    if evse is not None:
        wanted["evse"] = evse
    await station.asked_accepted("TriggerMessage", wanted)


async def meter(station: Station2) -> None:
    """MeterValues that were triggered."""
    values = sampled("Trigger")
    assert await station.call("MeterValues", evseId=1, meterValue=values) == {}


async def test_TC_F_11_CSMS(station2: Station2) -> None:
    """Measured values of an EVSE."""
    await trigger(station2, "MeterValues", {"id": 1})
    await meter(station2)


async def test_TC_F_12_CSMS(station2: Station2) -> None:
    """Measured values of every EVSE."""
    await trigger(station2, "MeterValues")
    await meter(station2)


async def test_TC_F_13_CSMS(station2: Station2) -> None:
    """The transaction of an EVSE."""
    await station2.charge()
    await trigger(station2, "TransactionEvent", {"id": 1})
    await station2.event("Updated", "Trigger", "Charging", meterValue=sampled("Trigger"))


async def test_TC_F_14_CSMS(station2: Station2) -> None:
    """Every transaction."""
    await station2.charge()
    await trigger(station2, "TransactionEvent")
    await station2.event("Updated", "Trigger", "Charging", meterValue=sampled("Trigger"))


async def test_TC_F_15_CSMS(station2: Station2) -> None:
    """The state of an upload of logs."""
    await trigger(station2, "LogStatusNotification")
    assert await station2.call("LogStatusNotification", status="Idle") == {}


async def test_TC_F_18_CSMS(station2: Station2) -> None:
    """The state of an update of firmware."""
    await trigger(station2, "FirmwareStatusNotification")
    assert await station2.call("FirmwareStatusNotification", status="Idle") == {}


async def test_TC_F_20_CSMS(station2: Station2) -> None:
    """A heartbeat."""
    await trigger(station2, "Heartbeat")
    assert "currentTime" in await station2.call("Heartbeat")


async def test_TC_F_23_CSMS(csms: Csms, station2: Station2) -> None:
    """The status of a connector that is free."""
    await trigger(station2, "StatusNotification", EVSE)
    await station2.status("Available")
    await csms.until_connector(station2.identity, "Available")


async def test_TC_F_24_CSMS(csms: Csms, station2: Station2) -> None:
    """The status of a connector that is occupied."""
    await trigger(station2, "StatusNotification", EVSE)
    await station2.status("Occupied")
    await csms.until_connector(station2.identity, "Preparing")


async def test_TC_F_27_CSMS(station2: Station2) -> None:
    """The charger cannot send what is asked."""
    wanted = {"requestedMessage": "PublishFirmwareStatusNotification"}
    told = await station2.asked_status("TriggerMessage", wanted, "NotImplemented")
    assert not told["accepted"]


async def switch(csms: Csms, station: Station2, evse: Payload | None, operative: bool) -> None:
    """An operator takes something out of service or back into it, and it shows."""
    before, word, after = (
        ("Unavailable", "Operative", "Available")
        if operative
        else ("Available", "Inoperative", "Unavailable")
    )
    await station.status(before)
    wanted: Payload = {"operationalStatus": word}
    if evse is not None:
        wanted["evse"] = evse
    await station.asked_accepted("ChangeAvailability", wanted)
    await station.status(after)
    await csms.until_connector(station.identity, after)


async def test_TC_G_03_CSMS(csms: Csms, station2: Station2) -> None:
    """An EVSE out of service."""
    await switch(csms, station2, {"id": 1}, operative=False)


async def test_TC_G_04_CSMS(csms: Csms, station2: Station2) -> None:
    """An EVSE back in service."""
    await switch(csms, station2, {"id": 1}, operative=True)


async def test_TC_G_05_CSMS(csms: Csms, station2: Station2) -> None:
    """The charger out of service."""
    await switch(csms, station2, None, operative=False)


async def test_TC_G_06_CSMS(csms: Csms, station2: Station2) -> None:
    """The charger back in service."""
    await switch(csms, station2, None, operative=True)


async def test_TC_G_07_CSMS(csms: Csms, station2: Station2) -> None:
    """A connector out of service."""
    await switch(csms, station2, EVSE, operative=False)


async def test_TC_G_08_CSMS(csms: Csms, station2: Station2) -> None:
    """A connector back in service."""
    await switch(csms, station2, EVSE, operative=True)


async def scheduled(csms: Csms, station: Station2, evse: Payload | None) -> None:
    """Out of service while somebody charges: it happens after the session."""
    await station.charge()
    wanted: Payload = {"operationalStatus": "Inoperative"}
    if evse is not None:
        wanted["evse"] = evse
    await station.asked_status("ChangeAvailability", wanted, "Scheduled")
    await csms.until_connector(station.identity, "Charging")
    await station.event("Updated", "StopAuthorized", "EVConnected", VALID)
    await station.end("EVCommunicationLost", "EVDisconnected")
    await station.status("Unavailable")
    await csms.until_session(station.identity, is_open=False)
    await csms.until_connector(station.identity, "Unavailable")


async def test_TC_G_11_CSMS(csms: Csms, station2: Station2) -> None:
    """An EVSE, after its session."""
    await scheduled(csms, station2, {"id": 1})


async def test_TC_G_14_CSMS(csms: Csms, station2: Station2) -> None:
    """The charger, after its session."""
    await scheduled(csms, station2, None)


async def test_TC_G_17_CSMS(csms: Csms, station2: Station2) -> None:
    """A connector, after its session."""
    await scheduled(csms, station2, EVSE)


async def test_TC_G_20_CSMS(csms: Csms, station2: Station2) -> None:
    """The lock of a connector fails: an event, which is shown as a fault of the connector."""
    await station2.authorize()
    await station2.status("Occupied")
    event = {
        "eventId": 1,
        "timestamp": now(),
        "trigger": "Alerting",
        "actualValue": "true",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": "ConnectorPlugRetentionLock", "evse": EVSE},
        "variable": {"name": "Problem"},
    }
    answer = await station2.call("NotifyEvent", generatedAt=now(), seqNo=0, eventData=[event])
    assert answer == {}

    def look() -> bool:
        shown = csms.get(f"/chargers/{station2.identity}")["connectors"]
        return any("ConnectorPlugRetentionLock.Problem" in item["faults"] for item in shown)

    await csms.eventually(look, "the fault of the lock to be shown")
