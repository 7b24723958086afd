"""OCPP 1.6: remote start and stop, reset, unlocking, configuration and triggers."""

from csms import Csms
from station16 import VALID, Station16
from wire import Payload

ACCEPTED: Payload = {"status": "Accepted"}
REJECTED: Payload = {"status": "Rejected"}


async def remote_start(station: Station16, answer: Payload = ACCEPTED) -> None:
    """An operator starts a session; connector and card arrive as they were asked."""
    wanted = {"connectorId": 1, "idTag": VALID}
    sent, told = await station.asked("RemoteStartTransaction", wanted, answer)
    assert sent == wanted
    assert told["accepted"] == (answer == ACCEPTED)


async def test_TC_010_CSMS(csms: Csms, station16: Station16) -> None:
    """Remote start, cable plugged in first."""
    await station16.status("Preparing")
    await remote_start(station16)
    assert (await station16.authorize())["status"] == "Accepted"
    assert (await station16.start())["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    await csms.until_session(station16.identity, is_open=True)


async def test_TC_011_1_CSMS(csms: Csms, station16: Station16) -> None:
    """Remote start first, then the cable."""
    await remote_start(station16)
    assert (await station16.authorize())["status"] == "Accepted"
    await station16.status("Preparing")
    assert (await station16.start())["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    await csms.until_session(station16.identity, is_open=True)


async def test_TC_011_2_CSMS(csms: Csms, station16: Station16) -> None:
    """Remote start first, and the cable never comes."""
    await remote_start(station16)
    assert (await station16.authorize())["status"] == "Accepted"
    await station16.status("Preparing")
    await station16.status("Available")
    await csms.until_connector(station16.identity, "Available")
    assert await csms.sessions(station16.identity) == []


async def test_TC_012_CSMS(csms: Csms, station16: Station16) -> None:
    """Remote stop of a transaction, by the number that we gave it."""
    transaction = await station16.charge()
    wanted = {"transactionId": transaction}
    sent, _ = await station16.asked("RemoteStopTransaction", wanted, ACCEPTED)
    assert sent == wanted
    await station16.finish(transaction, "Remote")
    session = await csms.until_session(station16.identity, is_open=False)
    assert session["reason"] == "Remote"


async def reset(csms: Csms, station: Station16, kind: str) -> None:
    """A reset, and the boot that shows that it happened."""
    transaction = await station.charge()
    sent, _ = await station.asked("Reset", {"type": kind}, ACCEPTED)
    assert sent == {"type": kind}
    await station.stop(transaction, f"{kind}Reset")
    await station.reconnect(abruptly=kind == "Hard")
    await station.boot()
    session = await csms.until_session(station.identity, is_open=False)
    assert session["reason"] == f"{kind}Reset"
    await csms.until_connector(station.identity, "Available")


async def test_TC_013_CSMS(csms: Csms, station16: Station16) -> None:
    """Hard reset."""
    await reset(csms, station16, "Hard")


async def test_TC_014_CSMS(csms: Csms, station16: Station16) -> None:
    """Soft reset."""
    await reset(csms, station16, "Soft")


async def unlock(station: Station16, answer: str, connector: int = 1) -> bool:
    """An operator unlocks a connector; whether that is told as a success."""
    wanted = {"connectorId": connector}
    sent, told = await station.asked("UnlockConnector", wanted, {"status": answer})
    assert sent == wanted
    assert told["status"] == answer
    return bool(told["accepted"])


async def test_TC_017_1_CSMS(station16: Station16) -> None:
    """Unlock while nobody charges."""
    assert await unlock(station16, "Unlocked")


async def test_TC_017_2_CSMS(station16: Station16) -> None:
    """Unlock a charger with a fixed cable."""
    assert not await unlock(station16, "NotSupported")


async def test_TC_018_1_CSMS(csms: Csms, station16: Station16) -> None:
    """Unlock while somebody charges: the session ends."""
    transaction = await station16.charge()
    assert await unlock(station16, "Unlocked")
    await station16.finish(transaction, "UnlockCommand")
    session = await csms.until_session(station16.identity, is_open=False)
    assert session["reason"] == "UnlockCommand"


async def test_TC_030_CSMS(station16: Station16) -> None:
    """Unlock, and the lock does not open."""
    assert not await unlock(station16, "UnlockFailed")


async def test_TC_031_CSMS(station16: Station16) -> None:
    """Unlock a connector that the charger does not have."""
    assert not await unlock(station16, "NotSupported", connector=7)


async def test_TC_026_CSMS(csms: Csms, station16: Station16) -> None:
    """The charger rejects a remote start."""
    await remote_start(station16, REJECTED)
    assert await csms.sessions(station16.identity) == []


async def test_TC_028_CSMS(station16: Station16) -> None:
    """The charger rejects a remote stop of a transaction that it does not know."""
    wanted = {"transactionId": 987_654}
    sent, told = await station16.asked("RemoteStopTransaction", wanted, REJECTED)
    assert sent == wanted
    assert not told["accepted"]


async def test_TC_019_1_CSMS(csms: Csms, station16: Station16) -> None:
    """Retrieve every configuration key; they are kept and shown."""
    keys = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        {"key": "ResetRetries", "readonly": False},
    ]
    sent, _ = await station16.asked("GetConfiguration", {}, {"configurationKey": keys})
    assert sent.get("key", []) == []
    await csms.until_variable(station16.identity, "HeartbeatInterval", "300")
    await csms.until_variable(station16.identity, "NumberOfConnectors", "1")


async def test_TC_019_2_CSMS(station16: Station16) -> None:
    """Retrieve one key."""
    answer = {
        "configurationKey": [
            {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core,RemoteTrigger"}
        ]
    }
    wanted = {"key": ["SupportedFeatureProfiles"]}
    sent, _ = await station16.asked("GetConfiguration", wanted, answer)
    assert sent == wanted


async def configure(station: Station16, value: str, answer: str) -> bool:
    """An operator sets MeterValueSampleInterval; whether that is told as a success."""
    wanted = {"key": "MeterValueSampleInterval", "value": value}
    sent, told = await station.asked("ChangeConfiguration", wanted, {"status": answer})
    assert sent == wanted
    return bool(told["accepted"])


async def test_TC_021_CSMS(station16: Station16) -> None:
    """Set a key."""
    assert await configure(station16, "60", "Accepted")


async def test_TC_040_1_CSMS(station16: Station16) -> None:
    """Set a key that the charger does not have."""
    assert not await configure(station16, "60", "NotSupported")


async def test_TC_040_2_CSMS(station16: Station16) -> None:
    """Set a value that the charger rejects."""
    assert not await configure(station16, "-1", "Rejected")


async def trigger(station: Station16, message: str, answer: str, **more: int) -> bool:
    """An operator asks for a message; whether the charger said that it will send it."""
    wanted = {"requestedMessage": message, **more}
    sent, told = await station.asked("TriggerMessage", wanted, {"status": answer})
    assert sent == wanted
    return bool(told["accepted"])


async def test_TC_054_CSMS(csms: Csms, station16: Station16) -> None:
    """Trigger every message that may be triggered; each is answered when it comes."""
    assert await trigger(station16, "MeterValues", "Accepted", connectorId=1)
    await station16.meter()
    assert await trigger(station16, "Heartbeat", "Accepted")
    await station16.call("Heartbeat")
    assert await trigger(station16, "StatusNotification", "Accepted", connectorId=1)
    await station16.status("Unavailable")
    await csms.until_connector(station16.identity, "Unavailable")
    assert await trigger(station16, "DiagnosticsStatusNotification", "Accepted")
    assert await station16.call("DiagnosticsStatusNotification", status="Idle") == {}
    assert await trigger(station16, "FirmwareStatusNotification", "Accepted")
    assert await station16.call("FirmwareStatusNotification", status="Idle") == {}
    assert await trigger(station16, "BootNotification", "Accepted")
    await station16.boot()


async def test_TC_055_CSMS(station16: Station16) -> None:
    """The charger rejects a trigger."""
    assert not await trigger(station16, "MeterValues", "Rejected", connectorId=1)
