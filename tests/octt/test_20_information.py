"""OCPP 2.x, blocks N and P: logs, personal data and vendors' own data."""

from csms import Csms
from station2 import Station2, id_token
from wire import Payload, now


def log(kind: str, request: int) -> Payload:
    """A request for a log."""
    where = {"remoteLocation": "https://files.example.org/octt/"}
    return {"logType": kind, "requestId": request, "log": where}


async def upload(station: Station2, request: int, *names: str) -> None:
    """How the upload goes on."""
    for name in names:
        facts = {"status": name, "requestId": request}
        assert await station.call("LogStatusNotification", facts) == {}


async def test_TC_N_25_CSMS(station2: Station2) -> None:
    """The diagnostics log."""
    await station2.asked_accepted("GetLog", log("DiagnosticsLog", 61), filename="log.txt")
    await upload(station2, 61, "Uploading", "Uploaded")


async def test_TC_N_34_CSMS(station2: Station2) -> None:
    """The charger rejects to send it."""
    told = await station2.asked_status("GetLog", log("DiagnosticsLog", 61), "Rejected")
    assert not told["accepted"]


async def test_TC_N_35_CSMS(station2: Station2) -> None:
    """The security log."""
    await station2.asked_accepted("GetLog", log("SecurityLog", 62), filename="security.txt")
    await upload(station2, 62, "Uploading", "Uploaded")


async def test_TC_N_36_CSMS(station2: Station2) -> None:
    """A second log takes the place of the first."""
    await station2.asked_accepted("GetLog", log("DiagnosticsLog", 63), filename="first.txt")
    await upload(station2, 63, "Uploading")
    second = log("DiagnosticsLog", 64)
    await station2.asked_status("GetLog", second, "AcceptedCanceled", filename="second.txt")
    await upload(station2, 63, "AcceptedCanceled")
    await upload(station2, 64, "Uploading", "Uploaded")


async def customer(
    station: Station2, *, clear: bool, tell: bool, status: str = "Accepted", **who: str
) -> None:
    """An operator asks what a charger knows of a person, or has it forgotten."""
    wanted: Payload = {"requestId": 71, "report": tell, "clear": clear, **who}
    if not who:
        wanted["idToken"] = id_token()
    await station.asked_status("CustomerInformation", wanted, status)


async def notify(station: Station2, data: str) -> None:
    """What the charger knows of a person."""
    facts = {"data": data, "seqNo": 0, "generatedAt": now(), "requestId": 71}
    assert await station.call("NotifyCustomerInformation", facts) == {}


async def test_TC_N_27_CSMS(station2: Station2) -> None:
    """It knows something."""
    await customer(station2, clear=False, tell=True)
    await notify(station2, "OCTT-VALID charged on Monday")


async def test_TC_N_28_CSMS(station2: Station2) -> None:
    """It knows nothing."""
    await customer(station2, clear=False, tell=True)
    await notify(station2, "")


async def test_TC_N_29_CSMS(station2: Station2) -> None:
    """It does not tell."""
    await customer(station2, clear=False, tell=True, status="Rejected")


async def test_TC_N_30_CSMS(station2: Station2) -> None:
    """It forgets, and tells what it knew."""
    await customer(station2, clear=True, tell=True)
    await notify(station2, "OCTT-VALID charged on Monday")


async def test_TC_N_31_CSMS(station2: Station2) -> None:
    """It forgets, and knew nothing."""
    await customer(station2, clear=True, tell=True)
    await notify(station2, "")


async def test_TC_N_32_CSMS(station2: Station2) -> None:
    """It forgets, and need not tell."""
    await customer(station2, clear=True, tell=False)


async def test_TC_N_62_CSMS(station2: Station2) -> None:
    """It forgets a customer by another name than a card's."""
    await customer(station2, clear=True, tell=True, customerIdentifier="customer-17")
    await notify(station2, "")


async def test_TC_P_02_CSMS(station2: Station2) -> None:
    """A vendor's own message that nothing here understands."""
    answer = await station2.call("DataTransfer", vendorId="com.example.octt", messageId="Ping")
    assert answer["status"] in {"UnknownVendorId", "UnknownMessageId", "Rejected"}


async def test_TC_P_03_CSMS(csms: Csms, station2: Station2) -> None:
    """A vendor's own data beside what OCPP knows: the message is taken as ever."""
    custom = {"vendorId": "com.example.octt", "colour": "green"}
    assert "currentTime" in await station2.call("Heartbeat", customData=custom)
    await station2.status("Occupied")
    started = await station2.event("Started", "Authorized", "EVConnected", "OCTT-VALID")
    assert started["idTokenInfo"]["status"] == "Accepted"
    await station2.event("Updated", "ChargingStateChanged", "Charging", customData=custom)
    await csms.until_connector(station2.identity, "Charging")
