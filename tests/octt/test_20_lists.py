"""OCPP 2.x, blocks D and H: local lists and reservations."""

from csms import Csms
from station2 import VALID, Station2, id_token
from wire import Payload, now

RESERVATION = 81


async def send_list(station: Station2, kind: str, *cards: Payload) -> None:
    """An operator sends a list, and the charger has its version afterwards."""
    wanted: Payload = {"versionNumber": 3, "updateType": kind}
    if cards:
        wanted["localAuthorizationList"] = list(cards)
    await station.asked_accepted("SendLocalList", wanted)
    await list_version(station, 3)


async def list_version(station: Station2, version: int) -> None:
    """An operator asks for the version of the list, and is told it."""
    answer = {"versionNumber": version}
    sent, _ = await station.asked("GetLocalListVersion", {}, answer)
    assert sent == {}


def card(token: str = VALID) -> Payload:
    """A card that may charge."""
    return {"idToken": id_token(token), "idTokenInfo": {"status": "Accepted"}}


async def test_TC_D_01_CSMS(station2: Station2) -> None:
    """A full list."""
    await send_list(station2, "Full", card(), card("OCTT-FAMILY-1"))


async def test_TC_D_02_CSMS(station2: Station2) -> None:
    """A differential update."""
    await send_list(station2, "Differential", card("OCTT-FAMILY-2"))


async def test_TC_D_03_CSMS(station2: Station2) -> None:
    """A card without facts is taken out of the list."""
    await send_list(station2, "Differential", {"idToken": id_token()})


async def test_TC_D_04_CSMS(station2: Station2) -> None:
    """A full list without cards empties it."""
    await send_list(station2, "Full")


async def test_TC_D_08_CSMS(station2: Station2) -> None:
    """The version of the list."""
    await list_version(station2, 2)


async def test_TC_D_09_CSMS(station2: Station2) -> None:
    """There is no list."""
    await list_version(station2, 0)


async def reserve(station: Station2, status: str = "Accepted", **more: object) -> None:
    """An operator reserves an EVSE; any of them when none is named."""
    wanted: Payload = {
        "id": RESERVATION,
        "expiryDateTime": now(3600),
        "idToken": id_token(),
        **more,
    }
    await station.asked_status("ReserveNow", wanted, status)


async def use(csms: Csms, station: Station2, token: str = VALID) -> None:
    """A card uses the reservation."""
    assert (await station.authorize(token))["status"] == "Accepted"
    number: Payload = {"reservationId": RESERVATION}
    answer = await station.event("Started", "Authorized", "EVConnected", token, **number)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    await csms.until_session(station.identity, is_open=True)


async def reservation_ends(station: Station2, status: str) -> None:
    """The charger tells that a reservation is over."""
    facts = {"reservationId": RESERVATION, "reservationUpdateStatus": status}
    assert await station.call("ReservationStatusUpdate", facts) == {}


async def test_TC_H_01_CSMS(csms: Csms, station2: Station2) -> None:
    """An EVSE is reserved, and its card uses it."""
    await reserve(station2, evseId=1)
    await station2.status("Reserved")
    await csms.until_connector(station2.identity, "Reserved")
    await use(csms, station2)


async def test_TC_H_07_CSMS(csms: Csms, station2: Station2) -> None:
    """Nobody uses the reservation in time."""
    await reserve(station2, evseId=1)
    await station2.status("Reserved")
    await reservation_ends(station2, "Expired")
    await station2.status("Available")
    await csms.until_connector(station2.identity, "Available")


async def test_TC_H_08_CSMS(csms: Csms, station2: Station2) -> None:
    """Any EVSE is reserved."""
    await reserve(station2)
    await use(csms, station2)


async def test_TC_H_14_CSMS(csms: Csms, station2: Station2) -> None:
    """As many reservations as EVSEs: each of them shows as reserved."""
    await reserve(station2)
    await station2.status("Reserved")
    await csms.until_connector(station2.identity, "Reserved")


async def test_TC_H_15_CSMS(csms: Csms, station2: Station2) -> None:
    """Any connector of a type is reserved."""
    await reserve(station2, connectorType="cCCS2")
    await use(csms, station2)


async def test_TC_H_17_CSMS(csms: Csms, station2: Station2) -> None:
    """A reservation is cancelled."""
    await reserve(station2, evseId=1)
    await station2.status("Reserved")
    await station2.asked_accepted("CancelReservation", {"reservationId": RESERVATION})
    await station2.status("Available")
    await csms.until_connector(station2.identity, "Available")


async def test_TC_H_19_CSMS(csms: Csms, station2: Station2) -> None:
    """Another card of the same group uses the reservation."""
    group = {"idToken": "OCTT-FAMILY", "type": "Central"}
    await reserve(station2, evseId=1, idToken=id_token("OCTT-FAMILY-1"), groupIdToken=group)
    await station2.status("Reserved")
    info = await station2.authorize("OCTT-FAMILY-2")
    assert info["groupIdToken"]["idToken"] == "OCTT-FAMILY"
    await use(csms, station2, "OCTT-FAMILY-2")


async def test_TC_H_20_CSMS(csms: Csms, station2: Station2) -> None:
    """The EVSE fails, and the charger gives the reservation up."""
    await reserve(station2, evseId=1)
    await station2.status("Faulted")
    await reservation_ends(station2, "Removed")
    await csms.until_connector(station2.identity, "Faulted")


async def test_TC_H_22_CSMS(station2: Station2) -> None:
    """The charger takes no reservations."""
    await reserve(station2, "Rejected", evseId=1)
