"""OCPP 1.6: boot, charging sessions, authorisation, power failure and offline behaviour."""

import pytest
from csms import Csms
from station16 import VALID, Station16
from wire import TIME, now


async def test_TC_001_CSMS(csms: Csms) -> None:
    """Cold boot: accepted, given the time and an interval, and shown with its facts."""
    async with Station16(csms, "TC_001_CSMS") as station:
        answer = await station.boot()
        assert TIME.fullmatch(answer["currentTime"])
        assert TIME.fullmatch((await station.call("Heartbeat"))["currentTime"])
        shown = await csms.charger(station.identity)
        assert (shown["online"], shown["protocol"]) == (True, "ocpp1.6")
        assert (shown["charger"]["vendor"], shown["charger"]["model"]) == ("OCTT", "Test Station")
        assert shown["charger"]["state"] == "ok"


async def test_TC_003_CSMS(csms: Csms, station16: Station16) -> None:
    """Regular charging session, plugged in first."""
    await station16.status("Preparing")
    assert (await station16.authorize())["status"] == "Accepted"
    started = await station16.start()
    assert started["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    await station16.meter(started["transactionId"])
    session = await csms.until_session(station16.identity, is_open=True)
    assert session["id"] == started["transactionId"]
    assert session["meter_start_wh"] == 1000


async def test_TC_004_1_CSMS(csms: Csms, station16: Station16) -> None:
    """Regular charging session, identification first; to its end."""
    transaction = await station16.charge()
    await csms.until_connector(station16.identity, "Charging")
    await station16.finish(transaction, "Local", idTag=VALID)
    session = await csms.until_session(station16.identity, is_open=False)
    assert (session["energy_wh"], session["reason"]) == (3200, "Local")
    await csms.until_connector(station16.identity, "Available")


async def test_TC_004_2_CSMS(csms: Csms, station16: Station16) -> None:
    """Identification first, but nobody plugs in: no session comes of it."""
    assert (await station16.authorize())["status"] == "Accepted"
    await station16.status("Preparing")
    await csms.until_connector(station16.identity, "Preparing")
    await station16.status("Available")
    await csms.until_connector(station16.identity, "Available")
    assert await csms.sessions(station16.identity) == []


async def test_TC_005_1_CSMS(csms: Csms, station16: Station16) -> None:
    """The cable is pulled at the car, and the charger stops and unlocks."""
    transaction = await station16.charge()
    await station16.status("SuspendedEV")
    await csms.until_connector(station16.identity, "SuspendedEV")
    await station16.finish(transaction, "EVDisconnected")
    session = await csms.until_session(station16.identity, is_open=False)
    assert session["reason"] == "EVDisconnected"


async def test_TC_007_CSMS(csms: Csms, station16: Station16) -> None:
    """A start without an Authorize: the charger knew the card from its cache."""
    await station16.status("Preparing")
    started = await station16.start()
    assert started["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    await csms.until_session(station16.identity, is_open=True)


async def test_TC_061_CSMS(station16: Station16) -> None:
    """Clear the authorisation cache."""
    sent, _ = await station16.asked("ClearCache", {}, {"status": "Accepted"})
    assert sent == {}


@pytest.mark.parametrize("tag", ["OCTT-INVALID", "OCTT-NEVER-SEEN"])
async def test_TC_023_1_CSMS(station16: Station16, tag: str) -> None:
    """A card that may not charge, or that nobody knows, is invalid."""
    assert (await station16.authorize(tag))["status"] == "Invalid"


async def test_TC_023_2_CSMS(station16: Station16) -> None:
    """An expired card is told to be expired."""
    assert (await station16.authorize("OCTT-EXPIRED"))["status"] == "Expired"


async def test_TC_023_3_CSMS(station16: Station16) -> None:
    """A blocked card is told to be blocked."""
    assert (await station16.authorize("OCTT-BLOCKED"))["status"] == "Blocked"


async def test_TC_024_CSMS(csms: Csms, station16: Station16) -> None:
    """The connector does not lock: no session, and the fault is shown."""
    await station16.status("Preparing")
    assert (await station16.authorize())["status"] == "Accepted"
    await station16.status("Faulted", "ConnectorLockFailure")
    shown = await csms.until_connector(station16.identity, "Faulted")
    assert shown["error_code"] == "ConnectorLockFailure"
    assert await csms.sessions(station16.identity) == []


async def test_TC_032_1_CSMS(csms: Csms, station16: Station16) -> None:
    """Power fails while charging; after the boot the charger stops its transaction."""
    transaction = await station16.charge()
    await station16.reconnect(abruptly=True)
    await station16.boot()
    await station16.stop(transaction, "PowerLoss")
    session = await csms.until_session(station16.identity, is_open=False)
    assert (session["id"], session["reason"]) == (transaction, "PowerLoss")


async def test_TC_037_1_CSMS(csms: Csms, station16: Station16) -> None:
    """A start that was made offline with a good card is taken with its own time."""
    await station16.disconnect(abruptly=True)
    at = now(-90)
    await station16.connect()
    started = await station16.start(at=at)
    assert started["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    session = await csms.until_session(station16.identity, is_open=True)
    assert session["started_at"][:19] == at[:19]


async def test_TC_037_3_CSMS(csms: Csms, station16: Station16) -> None:
    """A start that was made offline with a bad card is refused, and recorded with its stop."""
    await station16.reconnect(abruptly=True)
    started = await station16.start("OCTT-INVALID", at=now(-90))
    assert started["idTagInfo"]["status"] == "Invalid"
    await station16.status("Charging")
    await station16.finish(started["transactionId"], "DeAuthorized")
    session = await csms.until_session(station16.identity, is_open=False)
    assert session["reason"] == "DeAuthorized"


async def test_TC_039_CSMS(csms: Csms, station16: Station16) -> None:
    """A whole transaction that happened offline."""
    await station16.reconnect(abruptly=True)
    started = await station16.start(at=now(-600))
    assert started["idTagInfo"]["status"] == "Accepted"
    await station16.stop(started["transactionId"], "Local", timestamp=now(-60), idTag=VALID)
    session = await csms.until_session(station16.identity, is_open=False)
    assert session["energy_wh"] == 3200


async def test_TC_064_CSMS(station16: Station16) -> None:
    """A vendor's own message that nothing here understands.

    Any of the three refusals is right; what the vendor is told is that nobody knows it (4.3).
    """
    answer = await station16.call("DataTransfer", vendorId="com.example.octt", messageId="Ping")
    assert answer["status"] in {"UnknownVendorId", "UnknownMessageId", "Rejected"}
