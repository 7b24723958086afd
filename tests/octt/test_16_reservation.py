"""OCPP 1.6: reservations."""

from csms import Csms
from station16 import VALID, Station16
from wire import Payload, now

RESERVATION = 4711


async def reserve(
    station: Station16, answer: str = "Accepted", connector: int = 1, **more: str
) -> bool:
    """An operator reserves a connector; whether that is told as a success."""
    wanted: Payload = {
        "connectorId": connector,
        "expiryDate": now(3600),
        "idTag": VALID,
        "reservationId": RESERVATION,
        **more,
    }
    sent, told = await station.asked("ReserveNow", wanted, {"status": answer})
    assert sent == wanted
    assert told["status"] == answer
    return bool(told["accepted"])


async def cancel(station: Station16, answer: str) -> bool:
    """An operator cancels the reservation; whether that is told as a success."""
    wanted = {"reservationId": RESERVATION}
    sent, told = await station.asked("CancelReservation", wanted, {"status": answer})
    assert sent == wanted
    return bool(told["accepted"])


async def test_TC_046_CSMS(csms: Csms, station16: Station16) -> None:
    """A reservation that its card uses."""
    assert await reserve(station16)
    await station16.status("Reserved")
    await csms.until_connector(station16.identity, "Reserved")
    assert (await station16.authorize())["status"] == "Accepted"
    await station16.status("Preparing")
    started = await station16.start(reservationId=RESERVATION)
    assert started["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    await csms.until_session(station16.identity, is_open=True)


async def test_TC_047_CSMS(csms: Csms, station16: Station16) -> None:
    """A reservation that nobody uses in time."""
    assert await reserve(station16)
    await station16.status("Reserved")
    await csms.until_connector(station16.identity, "Reserved")
    await station16.status("Available")
    await csms.until_connector(station16.identity, "Available")


async def test_TC_048_1_CSMS(station16: Station16) -> None:
    """A reservation of a faulted connector."""
    await station16.status("Faulted", "OtherError")
    assert not await reserve(station16, "Faulted")


async def test_TC_048_2_CSMS(station16: Station16) -> None:
    """A reservation of an occupied connector."""
    await station16.charge()
    assert not await reserve(station16, "Occupied")


async def test_TC_048_3_CSMS(station16: Station16) -> None:
    """A reservation of a connector that is out of service."""
    await station16.status("Unavailable")
    assert not await reserve(station16, "Unavailable")


async def test_TC_048_4_CSMS(station16: Station16) -> None:
    """A reservation of a charger that is configured to take none."""
    assert not await reserve(station16, "Rejected")


async def test_TC_049_CSMS(csms: Csms, station16: Station16) -> None:
    """A reservation of the charger, whichever connector."""
    assert await reserve(station16, connector=0)
    assert (await station16.authorize())["status"] == "Accepted"
    await station16.status("Preparing")
    started = await station16.start(reservationId=RESERVATION)
    assert started["idTagInfo"]["status"] == "Accepted"
    await csms.until_session(station16.identity, is_open=True)


async def test_TC_051_CSMS(csms: Csms, station16: Station16) -> None:
    """A reservation that is cancelled."""
    assert await reserve(station16)
    await station16.status("Reserved")
    assert await cancel(station16, "Accepted")
    await station16.status("Available")
    await csms.until_connector(station16.identity, "Available")


async def test_TC_052_CSMS(station16: Station16) -> None:
    """The charger rejects to cancel a reservation that it does not know."""
    assert not await cancel(station16, "Rejected")


async def test_TC_053_CSMS(csms: Csms, station16: Station16) -> None:
    """A reservation that another card of the same parent uses."""
    assert await reserve(station16, idTag="OCTT-FAMILY-1", parentIdTag="OCTT-FAMILY")
    await station16.status("Reserved")
    info = await station16.authorize("OCTT-FAMILY-2")
    assert (info["status"], info["parentIdTag"]) == ("Accepted", "OCTT-FAMILY")
    await station16.status("Preparing")
    started = await station16.start("OCTT-FAMILY-2", reservationId=RESERVATION)
    assert started["idTagInfo"]["status"] == "Accepted"
    await station16.status("Charging")
    await csms.until_session(station16.identity, is_open=True)
