"""OCPP 2.x, block J: measured values by the clock and in transactions."""

from typing import Any

from csms import Csms
from station2 import VALID, Station2, sampled
from wire import Payload


def signature(protocol: str) -> Payload:
    """A signed reading; 2.1 needs fewer words for it."""
    facts = {"signedMeterData": "c2lnbmVk", "encodingMethod": "OCMF"}
    if protocol == "ocpp2.0.1":
        facts |= {"signingMethod": "ECDSA-secp256r1-SHA256", "publicKey": "a2V5"}
    return facts


async def energy(csms: Csms, station: Station2, wh: float) -> None:
    """The session is over with this much energy."""
    session = await csms.until_session(station.identity, is_open=False)
    assert session["energy_wh"] == wh


async def test_TC_J_01_CSMS(station2: Station2) -> None:
    """By the clock, and nobody charges."""
    values = sampled("Sample.Clock")
    assert await station2.call("MeterValues", evseId=1, meterValue=values) == {}


async def test_TC_J_02_CSMS(csms: Csms, station2: Station2) -> None:
    """By the clock, while somebody charges."""
    await station2.charge()
    values = sampled("Sample.Clock", 3000.0)
    await station2.event("Updated", "MeterValueClock", "Charging", meterValue=values)

    def look() -> bool:
        items = csms.get(f"/transactions?charger={station2.identity}")["items"]
        return items[0]["energy_wh"] == 2000

    await csms.eventually(look, "the energy to be counted")


async def finish(station: Station2, context: str, **more: Any) -> None:
    """A session whose last message carries the values of its whole time."""
    await station.charge()
    middle = sampled(context, 3000.0, **more)
    end = sampled("Transaction.End", 4200.0, **more)
    info = {"stoppedReason": "Local"}
    await station.event("Ended", "StopAuthorized", "Idle", info=info, meterValue=middle + end)


async def test_TC_J_03_CSMS(csms: Csms, station2: Station2) -> None:
    """By the clock, with the end of the transaction."""
    await finish(station2, "Sample.Clock")
    await energy(csms, station2, 3200)


async def test_TC_J_04_CSMS(csms: Csms, station2: Station2) -> None:
    """By the clock, signed."""
    await finish(station2, "Sample.Clock", signedMeterValue=signature(station2.protocol))
    await energy(csms, station2, 3200)


async def test_TC_J_07_CSMS(csms: Csms, station2: Station2) -> None:
    """With the start, on a known EVSE."""
    await station2.status("Occupied")
    begin = sampled("Transaction.Begin")
    await station2.event("Started", "CablePluggedIn", "EVConnected", meterValue=begin)
    session = await csms.until_session(station2.identity, is_open=True)
    assert session["meter_start_wh"] == 1000


async def test_TC_J_08_CSMS(csms: Csms, station2: Station2) -> None:
    """With the first message that knows the EVSE; the start did not."""
    assert (await station2.authorize())["status"] == "Accepted"
    token = {"idToken": VALID, "type": "ISO14443"}
    start: Payload = {
        "eventType": "Started",
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "begins-nowhere", "chargingState": "Idle"},
        "idToken": token,
    }
    begin = sampled("Transaction.Begin")
    answer = await station2.call("TransactionEvent", start, timestamp=begin[0]["timestamp"])
    assert answer["idTokenInfo"]["status"] == "Accepted"
    more: Payload = {
        "eventType": "Updated",
        "triggerReason": "CablePluggedIn",
        "seqNo": 1,
        "transactionInfo": {"transactionId": "begins-nowhere", "chargingState": "EVConnected"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": begin,
    }
    await station2.status("Occupied")
    await station2.call("TransactionEvent", more, timestamp=begin[0]["timestamp"])
    session = await csms.until_session(station2.identity, is_open=True)
    assert session["meter_start_wh"] == 1000


async def test_TC_J_09_CSMS(csms: Csms, station2: Station2) -> None:
    """Periodically, while somebody charges."""
    await station2.charge()
    values = sampled("Sample.Periodic", 1500.0)
    await station2.event("Updated", "MeterValuePeriodic", "Charging", meterValue=values)

    def look() -> bool:
        items = csms.get(f"/transactions?charger={station2.identity}")["items"]
        return items[0]["energy_wh"] == 500

    await csms.eventually(look, "the energy to be counted")


async def test_TC_J_10_CSMS(csms: Csms, station2: Station2) -> None:
    """With the end of the transaction."""
    await finish(station2, "Sample.Periodic")
    await energy(csms, station2, 3200)


async def test_TC_J_11_CSMS(csms: Csms, station2: Station2) -> None:
    """With the end of the transaction, signed."""
    await finish(station2, "Sample.Periodic", signedMeterValue=signature(station2.protocol))
    await energy(csms, station2, 3200)
