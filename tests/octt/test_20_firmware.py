"""OCPP 2.x, block L: firmware updates."""

from csms import Csms
from pem import CERTIFICATE
from station2 import Station2
from wire import Payload, now


def update(request: int, **firmware: str) -> Payload:
    """A request for a signed update."""
    return {
        "requestId": request,
        "firmware": {
            "location": "https://files.example.org/octt/firmware.bin",
            "retrieveDateTime": now(),
            "signature": "c2lnbmF0dXJl",
            "signingCertificate": CERTIFICATE,
            **firmware,
        },
    }


async def states(station: Station2, *names: str, request: int = 41) -> None:
    """How the update goes on."""
    for name in names:
        facts = {"status": name, "requestId": request}
        assert await station.call("FirmwareStatusNotification", facts) == {}


async def installed(csms: Csms, station: Station2) -> None:
    """The end of an update that succeeds: a boot with the new firmware."""
    await station.status("Unavailable")
    await states(station, "Installing", "InstallRebooting")
    await station.reconnect()
    await station.boot("FirmwareUpdate")
    await states(station, "Installed")
    await csms.until_connector(station.identity, "Available")


async def fails_with(csms: Csms, station: Station2, *names: str) -> None:
    """An update that the charger takes up, and that ends otherwise."""
    await station.asked_accepted("UpdateFirmware", update(41))
    await states(station, *names)
    await csms.until_connector(station.identity, "Available")


async def security_event(station: Station2, kind: str) -> None:
    """A SecurityEventNotification."""
    assert await station.call("SecurityEventNotification", type=kind, timestamp=now()) == {}


async def test_TC_L_01_CSMS(csms: Csms, station2: Station2) -> None:
    """An update that succeeds."""
    await station2.asked_accepted("UpdateFirmware", update(41))
    await states(station2, "Downloading", "Downloaded", "SignatureVerified")
    await installed(csms, station2)


async def test_TC_L_02_CSMS(csms: Csms, station2: Station2) -> None:
    """An update that is installed later."""
    await station2.asked_accepted("UpdateFirmware", update(41, installDateTime=now(60)))
    await states(station2, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled")
    await installed(csms, station2)


async def test_TC_L_03_CSMS(csms: Csms, station2: Station2) -> None:
    """An update that is downloaded later."""
    await station2.asked_accepted("UpdateFirmware", update(41, retrieveDateTime=now(60)))
    await states(station2, "DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified")
    await installed(csms, station2)


async def test_TC_L_04_CSMS(station2: Station2) -> None:
    """The certificate of its signature is revoked."""
    await station2.asked_status("UpdateFirmware", update(41), "RevokedCertificate")


async def test_TC_L_05_CSMS(station2: Station2) -> None:
    """The certificate of its signature is invalid."""
    await station2.asked_status("UpdateFirmware", update(41), "InvalidCertificate")
    await security_event(station2, "InvalidFirmwareSigningCertificate")


async def test_TC_L_06_CSMS(csms: Csms, station2: Station2) -> None:
    """Its signature is invalid."""
    await fails_with(csms, station2, "Downloading", "Downloaded", "InvalidSignature")
    await security_event(station2, "InvalidFirmwareSignature")


async def test_TC_L_07_CSMS(csms: Csms, station2: Station2) -> None:
    """Its download fails."""
    await fails_with(csms, station2, "Downloading", "DownloadFailed")


async def test_TC_L_08_CSMS(csms: Csms, station2: Station2) -> None:
    """It is found to be wrong while it is installed."""
    names = "Downloading", "Downloaded", "SignatureVerified", "Installing"
    await fails_with(csms, station2, *names, "InstallVerificationFailed")


async def test_TC_L_09_CSMS(csms: Csms, station2: Station2) -> None:
    """Its installation fails."""
    names = "Downloading", "Downloaded", "SignatureVerified", "Installing"
    await fails_with(csms, station2, *names, "InstallationFailed")


async def test_TC_L_10_CSMS(csms: Csms, station2: Station2) -> None:
    """Another update takes its place."""
    await station2.asked_accepted("UpdateFirmware", update(41))
    await states(station2, "Downloading")
    await station2.asked_status("UpdateFirmware", update(42), "AcceptedCanceled")
    names = "Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"
    await states(station2, *names, request=42)
    await csms.until_connector(station2.identity, "Available")


async def test_TC_L_11_CSMS(csms: Csms, station2: Station2) -> None:
    """Another update comes too late to take its place."""
    await station2.asked_accepted("UpdateFirmware", update(41))
    await states(station2, "Downloading", "Downloaded", "SignatureVerified", "Installing")
    told = await station2.asked_status("UpdateFirmware", update(42), "Rejected")
    assert not told["accepted"]
    await states(station2, "Installed")


async def test_TC_L_13_CSMS(csms: Csms, station2: Station2) -> None:
    """Somebody charges: the installation waits for the end, and nobody else may begin."""
    await station2.charge()
    await station2.asked_accepted("UpdateFirmware", update(41))
    await states(station2, "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled")
    await csms.until_connector(station2.identity, "Charging")
    await station2.leave()
    await csms.until_session(station2.identity, is_open=False)
    await installed(csms, station2)
