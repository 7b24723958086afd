"""OCPP 2.x, block C: cards, groups and the cache."""

import pytest
from csms import Csms
from station2 import VALID, Station2, id_token


@pytest.mark.parametrize("token", ["OCTT-INVALID", "OCTT-NEVER-SEEN"])
async def test_TC_C_02_CSMS(station2: Station2, token: str) -> None:
    """A card that may not charge, or that nobody knows."""
    assert (await station2.authorize(token))["status"] in {"Invalid", "Unknown"}


async def test_TC_C_06_CSMS(station2: Station2) -> None:
    """A blocked card is told to be blocked."""
    assert (await station2.authorize("OCTT-BLOCKED"))["status"] == "Blocked"


async def test_TC_C_07_CSMS(station2: Station2) -> None:
    """An expired card is told to be expired."""
    assert (await station2.authorize("OCTT-EXPIRED"))["status"] == "Expired"


async def test_TC_C_08_CSMS(csms: Csms, station2: Station2) -> None:
    """A start by the charger's cache: no Authorize, and the card is good."""
    await station2.status("Occupied")
    started = await station2.event("Started", "Authorized", "EVConnected", VALID)
    assert started["idTokenInfo"]["status"] == "Accepted"
    await csms.until_session(station2.identity, is_open=True)


async def test_TC_C_20_CSMS(station2: Station2) -> None:
    """A start by the charger's cache, but the card is not good here."""
    await station2.status("Occupied")
    started = await station2.event("Started", "Authorized", "EVConnected", "OCTT-INVALID")
    assert started["idTokenInfo"]["status"] in {"Invalid", "Unknown"}
    await station2.end("Deauthorized", "DeAuthorized", "EVConnected")


async def test_TC_C_37_CSMS(station2: Station2) -> None:
    """The cache is cleared."""
    assert (await station2.asked_accepted("ClearCache", {}))["accepted"]


async def test_TC_C_38_CSMS(station2: Station2) -> None:
    """The charger rejects to clear its cache."""
    assert not (await station2.asked_status("ClearCache", {}, "Rejected"))["accepted"]


async def test_TC_C_39_CSMS(csms: Csms, station2: Station2) -> None:
    """Two cards of one group: the second may end what the first began."""
    first, second = "OCTT-FAMILY-1", "OCTT-FAMILY-2"
    info = await station2.authorize(first)
    assert (info["status"], info["groupIdToken"]["idToken"]) == ("Accepted", "OCTT-FAMILY")
    await station2.event("Started", "Authorized", "Charging", first)
    info = await station2.authorize(second)
    assert (info["status"], info["groupIdToken"]["idToken"]) == ("Accepted", "OCTT-FAMILY")
    ended = await station2.end("StopAuthorized", "Local", idToken=id_token(second))
    assert ended["idTokenInfo"]["status"] == "Accepted"
    await csms.until_session(station2.identity, is_open=False)


async def master_pass(csms: Csms, station: Station2) -> None:
    """Somebody charges, and a card of the group of master passes ends it."""
    await station.charge()
    info = await station.authorize("OCTT-MASTER-1")
    assert (info["status"], info["groupIdToken"]["idToken"]) == ("Accepted", "OCTT-MASTER")
    ended = await station.end("StopAuthorized", "MasterPass", idToken=id_token("OCTT-MASTER-1"))
    assert ended["idTokenInfo"]["status"] == "Accepted"
    session = await csms.until_session(station.identity, is_open=False)
    assert session["reason"] == "MasterPass"


async def test_TC_C_47_CSMS(csms: Csms, station2: Station2) -> None:
    """A master pass ends every session, chosen on the charger's display."""
    await master_pass(csms, station2)


async def test_TC_C_48_CSMS(csms: Csms, station2: Station2) -> None:
    """A master pass ends one session, chosen on the charger's display."""
    await master_pass(csms, station2)


async def test_TC_C_49_CSMS(csms: Csms, station2: Station2) -> None:
    """A master pass ends every session of a charger without a display."""
    await master_pass(csms, station2)
