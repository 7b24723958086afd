"""OCPP 2.x, block E: how transactions start, go on and end."""

from csms import Csms
from station2 import VALID, Station2, id_token, sampled
from wire import Payload


async def open_session(csms: Csms, station: Station2, status: str) -> None:
    """The session and the connector are shown as they are."""
    session = await csms.until_session(station.identity, is_open=True)
    assert session["external_id"] == station.transaction
    await csms.until_connector(station.identity, status)


async def ended_session(csms: Csms, station: Station2, reason: str) -> None:
    """The session is over, for the reason that the charger gave."""
    session = await csms.until_session(station.identity, is_open=False)
    assert (session["external_id"], session["reason"]) == (station.transaction, reason)


async def plug_in(station: Station2) -> None:
    """A car is plugged in and a card shown, and no transaction runs yet."""
    await station.status("Occupied")
    assert (await station.authorize())["status"] == "Accepted"


async def test_TC_E_01_CSMS(csms: Csms, station2: Station2) -> None:
    """It starts when the power path is closed."""
    await plug_in(station2)
    await station2.event("Started", "ChargingStateChanged", "Charging", VALID)
    await open_session(csms, station2, "Charging")


async def test_TC_E_02_CSMS(csms: Csms, station2: Station2) -> None:
    """It starts when energy flows."""
    await plug_in(station2)
    begin = sampled("Transaction.Begin")
    await station2.event("Started", "ChargingStateChanged", "Charging", VALID, meterValue=begin)
    await open_session(csms, station2, "Charging")


async def test_TC_E_03_CSMS(csms: Csms, station2: Station2) -> None:
    """Plugged in first."""
    await station2.status("Occupied")
    await station2.event("Started", "CablePluggedIn", "EVConnected")
    assert (await station2.authorize())["status"] == "Accepted"
    await station2.event("Updated", "Authorized", "EVConnected", VALID)
    await station2.event("Updated", "ChargingStateChanged", "Charging")
    await open_session(csms, station2, "Charging")


async def test_TC_E_04_CSMS(csms: Csms, station2: Station2) -> None:
    """Card first."""
    assert (await station2.authorize())["status"] == "Accepted"
    await station2.event("Started", "Authorized", "Idle", VALID)
    await station2.status("Occupied")
    await station2.event("Updated", "CablePluggedIn", "EVConnected")
    await station2.event("Updated", "ChargingStateChanged", "Charging")
    await open_session(csms, station2, "Charging")


async def test_TC_E_07_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends when the power path is opened by a card."""
    await station2.charge()
    await station2.end("StopAuthorized", "Local", "EVConnected", idToken=id_token())
    await ended_session(csms, station2, "Local")


async def test_TC_E_08_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends when energy stops to flow after a card."""
    await station2.charge()
    await station2.event("Updated", "StopAuthorized", "Charging", VALID)
    await station2.end("ChargingStateChanged", "Local", "EVConnected")
    await ended_session(csms, station2, "Local")


async def test_TC_E_09_CSMS(csms: Csms, station2: Station2) -> None:
    """It starts when a car is plugged in."""
    await station2.status("Occupied")
    await station2.event("Started", "CablePluggedIn", "EVConnected")
    await open_session(csms, station2, "Preparing")


async def test_TC_E_10_CSMS(csms: Csms, station2: Station2) -> None:
    """It starts when a card is accepted."""
    assert (await station2.authorize())["status"] == "Accepted"
    await station2.event("Started", "Authorized", "Idle", VALID)
    await csms.until_session(station2.identity, is_open=True)


def signed(context: str) -> list[Payload]:
    """A meter value with its signature."""
    signature = {
        "signedMeterData": "c2lnbmVk",
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": "a2V5",
    }
    return sampled(context, signedMeterValue=signature)


async def test_TC_E_11_CSMS(csms: Csms, station2: Station2) -> None:
    """It starts when a signed meter value is there."""
    await plug_in(station2)
    begin = signed("Transaction.Begin")
    await station2.event("Started", "SignedDataReceived", "EVConnected", VALID, meterValue=begin)
    await csms.until_session(station2.identity, is_open=True)


async def test_TC_E_12_CSMS(csms: Csms, station2: Station2) -> None:
    """It starts when a car is in the bay."""
    await station2.event("Started", "EVDetected", "Idle")
    await csms.until_session(station2.identity, is_open=True)


async def test_TC_E_14_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends when the cable is pulled at the charger."""
    await station2.charge()
    await station2.leave()
    await ended_session(csms, station2, "EVDisconnected")
    await csms.until_connector(station2.identity, "Available")


async def test_TC_E_15_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends when the driver stops it."""
    await station2.charge()
    await station2.end("StopAuthorized", "Local", "EVConnected", idToken=id_token())
    await ended_session(csms, station2, "Local")


async def test_TC_E_16_CSMS(csms: Csms, station2: Station2) -> None:
    """It is deauthorised because the card turns out to be invalid."""
    await station2.status("Occupied")
    started = await station2.event("Started", "Authorized", "EVConnected", "OCTT-INVALID")
    assert started["idTokenInfo"]["status"] != "Accepted"
    await station2.end("Deauthorized", "DeAuthorized", "EVConnected")
    await ended_session(csms, station2, "DeAuthorized")


async def test_TC_E_17_CSMS(csms: Csms, station2: Station2) -> None:
    """It is deauthorised because the cable was pulled at the car."""
    await station2.charge()
    await station2.event("Updated", "EVCommunicationLost", "Idle")
    await station2.end("Deauthorized", "EVDisconnected")
    await ended_session(csms, station2, "EVDisconnected")


async def test_TC_E_19_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends when the car has left the bay."""
    await station2.charge()
    await station2.event("Updated", "StopAuthorized", "EVConnected", VALID)
    await station2.event("Updated", "EVCommunicationLost", "Idle")
    await station2.status("Available")
    await station2.end("EVDeparted", "Local")
    await ended_session(csms, station2, "Local")


async def test_TC_E_20_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends when the cable is pulled at the car."""
    await station2.charge()
    await station2.end("EVCommunicationLost", "EVDisconnected")
    await ended_session(csms, station2, "EVDisconnected")


async def test_TC_E_21_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends because an operator stops it, by the charger's own id."""
    transaction = await station2.charge()
    await station2.asked_accepted("RequestStopTransaction", {"transactionId": transaction})
    await station2.end("RemoteStop", "Remote", "EVConnected")
    await ended_session(csms, station2, "Remote")


async def test_TC_E_22_CSMS(csms: Csms, station2: Station2) -> None:
    """It ends because the car takes no more energy."""
    await station2.charge()
    await station2.end("ChargingStateChanged", "StoppedByEV", "SuspendedEV")
    await ended_session(csms, station2, "StoppedByEV")


async def test_TC_E_26_CSMS(csms: Csms, station2: Station2) -> None:
    """The cable is pulled at the car and put in again: the transaction goes on."""
    await station2.charge()
    await station2.event("Updated", "EVCommunicationLost", "Idle")
    await station2.event("Updated", "CablePluggedIn", "EVConnected")
    await station2.event("Updated", "ChargingStateChanged", "Charging")
    await open_session(csms, station2, "Charging")


async def ask_status(station: Station2, transaction: str | None, answer: Payload) -> None:
    """An operator asks whether messages of a transaction are waiting, and is told."""
    wanted = {} if transaction is None else {"transactionId": transaction}
    sent, _ = await station.asked("GetTransactionStatus", wanted, answer)
    assert sent == wanted


async def test_TC_E_29_CSMS(station2: Station2) -> None:
    """It runs, and messages wait."""
    transaction = await station2.charge()
    answer = {"ongoingIndicator": True, "messagesInQueue": True}
    await ask_status(station2, transaction, answer)
    await station2.event("Updated", "MeterValuePeriodic", offline=True)


async def test_TC_E_30_CSMS(station2: Station2) -> None:
    """It runs, and nothing waits."""
    transaction = await station2.charge()
    answer = {"ongoingIndicator": True, "messagesInQueue": False}
    await ask_status(station2, transaction, answer)


async def test_TC_E_31_CSMS(csms: Csms, station2: Station2) -> None:
    """It is over, and messages wait."""
    transaction = await station2.charge()
    await station2.reconnect(abruptly=True)
    answer = {"ongoingIndicator": False, "messagesInQueue": True}
    await ask_status(station2, transaction, answer)
    await station2.end("EVCommunicationLost", "EVDisconnected", offline=True)
    await csms.until_session(station2.identity, is_open=False)


async def test_TC_E_33_CSMS(station2: Station2) -> None:
    """Whether anything waits: yes."""
    await station2.charge()
    await ask_status(station2, None, {"messagesInQueue": True})


async def test_TC_E_34_CSMS(station2: Station2) -> None:
    """Whether anything waits: no."""
    await station2.charge()
    await ask_status(station2, None, {"messagesInQueue": False})


async def test_TC_E_38_CSMS(csms: Csms, station2: Station2) -> None:
    """The car is not ready to take energy yet."""
    await plug_in(station2)
    await station2.event("Started", "Authorized", "EVConnected", VALID)
    await station2.event("Updated", "ChargingStateChanged", "SuspendedEV")
    await open_session(csms, station2, "SuspendedEV")


async def test_TC_E_39_CSMS(csms: Csms, station2: Station2) -> None:
    """It is deauthorised because no car came in time."""
    assert (await station2.authorize())["status"] == "Accepted"
    await station2.event("Started", "Authorized", "Idle", VALID)
    info = {"stoppedReason": "Timeout"}
    await station2.event("Ended", "EVConnectTimeout", "Idle", info=info)
    await ended_session(csms, station2, "Timeout")


async def test_TC_E_53_CSMS(csms: Csms, station2: Station2) -> None:
    """Each transaction counts its messages from 0."""
    for count in (1, 2):
        await station2.charge()
        await station2.leave()
        await csms.until_session(station2.identity, is_open=False, count=count)
    sessions = await csms.sessions(station2.identity)
    assert len({session["external_id"] for session in sessions}) == 2
    assert [session["energy_wh"] for session in sessions] == [3200, 3200]
