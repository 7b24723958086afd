"""OCPP 1.6: local authorisation list, firmware and diagnostics."""

from csms import Csms
from station16 import VALID, Station16
from wire import Payload, now

LOCATION = "https://files.example.org/octt/"


async def list_version(station: Station16, version: int) -> None:
    """An operator asks for the version of the local list, and is told it."""
    answer = {"listVersion": version}
    sent, told = await station.asked("GetLocalListVersion", {}, answer)
    assert sent == {}
    assert told["payload"] == answer


async def test_TC_042_1_CSMS(station16: Station16) -> None:
    """The list's version, of a charger that has no lists."""
    await list_version(station16, -1)


async def test_TC_042_2_CSMS(station16: Station16) -> None:
    """The list's version, of a charger whose list is empty."""
    await list_version(station16, 0)


def local_list(kind: str, version: int = 2) -> Payload:
    """A local list with one card."""
    card = {"idTag": VALID, "idTagInfo": {"status": "Accepted"}}
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": [card]}


async def send_list(station: Station16, kind: str, answer: str) -> bool:
    """An operator sends a list; whether that is told as a success."""
    wanted = local_list(kind)
    sent, told = await station.asked("SendLocalList", wanted, {"status": answer})
    assert sent == wanted
    assert told["status"] == answer
    return bool(told["accepted"])


async def test_TC_043_1_CSMS(station16: Station16) -> None:
    """A list for a charger that has none."""
    assert not await send_list(station16, "Full", "NotSupported")


async def test_TC_043_3_CSMS(station16: Station16) -> None:
    """A list that the charger fails to take in."""
    assert not await send_list(station16, "Full", "Failed")


async def test_TC_043_4_CSMS(station16: Station16) -> None:
    """A full list; the charger has its version afterwards."""
    assert await send_list(station16, "Full", "Accepted")
    await list_version(station16, 2)


async def test_TC_043_5_CSMS(station16: Station16) -> None:
    """A differential update; the charger has its version afterwards."""
    assert await send_list(station16, "Differential", "Accepted")
    await list_version(station16, 2)


async def firmware(station: Station16, *states: str) -> None:
    """An operator asks for a firmware update, which goes through these states."""
    wanted = {"location": f"{LOCATION}firmware.bin", "retrieveDate": now(), "retries": 1}
    sent, _ = await station.asked("UpdateFirmware", wanted, {})
    assert sent == wanted
    for state in states:
        assert await station.call("FirmwareStatusNotification", status=state) == {}


async def test_TC_044_1_CSMS(csms: Csms, station16: Station16) -> None:
    """A firmware update that succeeds: out of service for it, and back with a boot."""
    await firmware(station16, "Downloading", "Downloaded")
    await station16.status("Unavailable")
    await csms.until_connector(station16.identity, "Unavailable")
    assert await station16.call("FirmwareStatusNotification", status="Installing") == {}
    await station16.reconnect()
    await station16.boot()
    assert await station16.call("FirmwareStatusNotification", status="Installed") == {}
    await csms.until_connector(station16.identity, "Available")


async def test_TC_044_2_CSMS(csms: Csms, station16: Station16) -> None:
    """A firmware update whose download fails: the charger stays in service."""
    await firmware(station16, "Downloading", "DownloadFailed")
    await csms.until_connector(station16.identity, "Available")


async def test_TC_044_3_CSMS(csms: Csms, station16: Station16) -> None:
    """A firmware update whose installation fails."""
    await firmware(station16, "Downloading", "Downloaded")
    await station16.status("Unavailable")
    assert await station16.call("FirmwareStatusNotification", status="Installing") == {}
    assert await station16.call("FirmwareStatusNotification", status="InstallationFailed") == {}
    await station16.status("Available")
    await csms.until_connector(station16.identity, "Available")


async def diagnostics(station: Station16, end: str) -> None:
    """An operator asks for diagnostics, and is told the name of the file."""
    answer = {"fileName": "octt-diagnostics.tgz"}
    wanted = {"location": LOCATION, "retries": 1, "startTime": now(-3600), "stopTime": now()}
    sent, told = await station.asked("GetDiagnostics", wanted, answer)
    assert sent == wanted
    assert told["payload"] == answer
    for state in ("Uploading", end):
        assert await station.call("DiagnosticsStatusNotification", status=state) == {}


async def test_TC_045_1_CSMS(station16: Station16) -> None:
    """Diagnostics are uploaded."""
    await diagnostics(station16, "Uploaded")


async def test_TC_045_2_CSMS(station16: Station16) -> None:
    """Diagnostics, and the upload fails."""
    await diagnostics(station16, "UploadFailed")
