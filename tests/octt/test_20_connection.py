"""OCPP 2.x, blocks A and B: passwords and boots."""

import pytest
import websockets
from csms import Csms
from station import Report
from station2 import Station2
from wire import CallRefused, Payload

PASSWORD = "a-password-of-the-charger"
OTHER_PASSWORD = "another-password-of-it"


async def registered(csms: Csms, identity: str, protocol: str) -> Station2:
    """A charger that is registered with a password."""
    csms.post("/chargers", {"identity": identity, "password": PASSWORD})
    return Station2(csms, identity, protocol, PASSWORD)


async def test_TC_A_01_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """The right name and password are let in."""
    async with await registered(csms, identity, protocol) as station:
        await station.boot()


async def test_TC_A_02_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """The name of another charger is not."""
    station = await registered(csms, identity, protocol)
    station.user = "SOMEBODY-ELSE"
    await station.is_refused()


async def test_TC_A_03_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """A wrong password is not."""
    station = await registered(csms, identity, protocol)
    station.password = OTHER_PASSWORD
    await station.is_refused()


async def set_password(station: Station2, status: str) -> Report:
    """An operator sets the variable BasicAuthPassword."""
    names = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
    }
    wanted: Payload = {"setVariableData": [{**names, "attributeValue": OTHER_PASSWORD}]}
    answer: Payload = {"setVariableResult": [{**names, "attributeStatus": status}]}
    sent, told = await station.asked("SetVariables", wanted, answer)
    assert sent == wanted
    return told


async def test_TC_A_09_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """A new password that the charger accepts: it counts, the old one no more."""
    async with await registered(csms, identity, protocol) as station:
        await station.boot()
        assert (await set_password(station, "Accepted"))["accepted"]
        await csms.change(identity, password=OTHER_PASSWORD)
        await station.disconnect()
        await station.is_refused()
        station.password = OTHER_PASSWORD
        await station.connect()
        await station.boot()


async def test_TC_A_10_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """A new password that the charger rejects: the old one counts, and the talk goes on."""
    async with await registered(csms, identity, protocol) as station:
        await station.boot()
        assert not (await set_password(station, "Rejected"))["accepted"]
        await station.call("Heartbeat")
        await station.reconnect()
        await station.boot()


async def test_TC_B_01_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """Cold boot of a charger that is registered."""
    async with Station2(csms, identity, protocol) as station:
        answer = await station.boot()
        assert answer["status"] == "Accepted"
        shown = await csms.charger(identity)
        assert (shown["online"], shown["protocol"]) == (True, protocol)
        assert (shown["charger"]["vendor"], shown["charger"]["model"]) == ("OCTT", "Test Station")


async def waiting(csms: Csms, identity: str, protocol: str) -> Station2:
    """A charger that is registered but that nobody has accepted yet."""
    csms.post("/chargers", {"identity": identity})
    await csms.change(identity, admission="quarantined")
    return Station2(csms, identity, protocol)


async def test_TC_B_02_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """Boots are pending until a person accepts the charger."""
    async with await waiting(csms, identity, protocol) as station:
        await station.boot(expected="Pending")
        await csms.change(identity, admission="accepted")
        await station.boot()


async def test_TC_B_30_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """What a charger says while its boot is pending is refused with a SecurityError."""
    async with await waiting(csms, identity, protocol) as station:
        await station.boot(expected="Pending")
        with pytest.raises(CallRefused, match="SecurityError"):
            await station.status("Available")


async def test_TC_B_31_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """A boot is triggered while the charger waits, before its interval is over."""
    async with await waiting(csms, identity, protocol) as station:
        await station.boot(expected="Pending")
        wanted = {"requestedMessage": "BootNotification"}
        await station.asked_accepted("TriggerMessage", wanted)
        await station.boot("Triggered", expected="Pending")


async def test_TC_B_58_CSMS(csms: Csms, identity: str, protocol: str) -> None:
    """The version that we speak is chosen, and named, although an unknown one comes first."""
    offers = [websockets.Subprotocol(name) for name in ("ocpp0.1", protocol)]
    async with websockets.connect(f"{csms.ocpp_url}/{identity}", subprotocols=offers) as socket:
        assert socket.subprotocol == protocol
