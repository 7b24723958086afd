"""OCPP 1.6 with the security whitepaper: passwords, certificates, logs and signed firmware."""

import websockets
from csms import Csms
from pem import CERTIFICATE, HASH_DATA
from station16 import Station16
from wire import Payload, now

ACCEPTED: Payload = {"status": "Accepted"}
PASSWORD = "00112233445566778899aabbccddeeff"
OTHER_PASSWORD = "ffeeddccbbaa99887766554433221100"


async def test_TC_073_CSMS(csms: Csms) -> None:
    """A new password for Basic authentication: the new one counts, the old one no more."""
    csms.post("/chargers", {"identity": "TC_073_CSMS", "password": PASSWORD})
    async with Station16(csms, "TC_073_CSMS", PASSWORD) as station:
        await station.boot()
        wanted = {"key": "AuthorizationKey", "value": OTHER_PASSWORD}
        sent, told = await station.asked("ChangeConfiguration", wanted, ACCEPTED)
        assert sent == wanted
        assert told["accepted"]
        await csms.change(station.identity, password=OTHER_PASSWORD)
        await station.disconnect()
        await station.is_refused()
        station.password = OTHER_PASSWORD
        await station.connect()
        await station.boot()


async def test_TC_085_CSMS(csms: Csms) -> None:
    """The right name and password are let in, in both spellings of the key."""
    csms.post("/chargers", {"identity": "TC_085_CSMS", "password": PASSWORD})
    async with Station16(csms, "TC_085_CSMS", PASSWORD) as station:
        await station.boot()
    async with Station16(csms, "TC_085_CSMS", bytes.fromhex(PASSWORD)) as station:
        await station.boot()


async def install(station: Station16, kind: str) -> None:
    """An operator installs a certificate of the given kind."""
    wanted = {"certificateType": kind, "certificate": CERTIFICATE}
    sent, _ = await station.asked("InstallCertificate", wanted, ACCEPTED)
    assert sent == wanted


async def installed(station: Station16, kind: str) -> Payload:
    """An operator asks for the certificates of a kind; one, by its hash."""
    answer = {"status": "Accepted", "certificateHashData": [HASH_DATA]}
    wanted = {"certificateType": kind}
    sent, told = await station.asked("GetInstalledCertificateIds", wanted, answer)
    assert sent == wanted
    return told["payload"]["certificateHashData"][0]


async def test_TC_075_1_CSMS(secure16: Station16) -> None:
    """A manufacturer's root certificate is installed, and found there."""
    await install(secure16, "ManufacturerRootCertificate")
    assert await installed(secure16, "ManufacturerRootCertificate") == HASH_DATA


async def test_TC_075_2_CSMS(secure16: Station16) -> None:
    """A root certificate for us is installed, and found there."""
    await install(secure16, "CentralSystemRootCertificate")
    assert await installed(secure16, "CentralSystemRootCertificate") == HASH_DATA


async def test_TC_076_CSMS(secure16: Station16) -> None:
    """A certificate is deleted by the hash that the charger told."""
    await install(secure16, "ManufacturerRootCertificate")
    wanted = {"certificateHashData": await installed(secure16, "ManufacturerRootCertificate")}
    sent, _ = await secure16.asked("DeleteCertificate", wanted, ACCEPTED)
    assert sent == wanted


async def security_event(station: Station16, kind: str) -> None:
    """A SecurityEventNotification."""
    assert await station.call("SecurityEventNotification", type=kind, timestamp=now()) == {}


async def test_TC_078_CSMS(secure16: Station16) -> None:
    """The charger rejects our certificate, and reports it as an event."""
    wanted = {"certificateType": "CentralSystemRootCertificate", "certificate": CERTIFICATE}
    rejected = {"status": "Rejected"}
    sent, told = await secure16.asked("InstallCertificate", wanted, rejected)
    assert sent == wanted
    assert not told["accepted"]
    await security_event(secure16, "InvalidCentralSystemCertificate")


async def test_TC_079_CSMS(station16: Station16) -> None:
    """The security log is asked for, and uploaded."""
    wanted = {
        "logType": "SecurityLog",
        "requestId": 17,
        "log": {"remoteLocation": "https://files.example.org/octt/"},
    }
    answer = {"status": "Accepted", "filename": "security.log"}
    sent, _ = await station16.asked("GetLog", wanted, answer)
    assert sent == wanted
    for state in ("Uploading", "Uploaded"):
        assert await station16.call("LogStatusNotification", status=state, requestId=17) == {}


async def signed_firmware(station: Station16, *states: str) -> None:
    """An operator asks for a signed update, which goes through these states."""
    wanted = {
        "requestId": 23,
        "firmware": {
            "location": "https://files.example.org/octt/firmware.bin",
            "retrieveDateTime": now(),
            "signingCertificate": CERTIFICATE,
            "signature": "c2lnbmF0dXJl",
        },
    }
    sent, _ = await station.asked("SignedUpdateFirmware", wanted, ACCEPTED)
    assert sent == wanted
    await firmware_states(station, *states)


async def firmware_states(station: Station16, *states: str) -> None:
    """Reports of a signed update."""
    for state in states:
        facts = {"status": state, "requestId": 23}
        assert await station.call("SignedFirmwareStatusNotification", facts) == {}


async def test_TC_080_CSMS(csms: Csms, station16: Station16) -> None:
    """A signed update that succeeds."""
    await signed_firmware(station16, "Downloading", "Downloaded", "SignatureVerified")
    await station16.status("Unavailable")
    await firmware_states(station16, "Installing", "InstallRebooting")
    await station16.reconnect()
    await station16.boot()
    await firmware_states(station16, "Installed")
    await security_event(station16, "FirmwareUpdated")
    await csms.until_connector(station16.identity, "Available")


async def test_TC_081_CSMS(csms: Csms, station16: Station16) -> None:
    """A signed update whose signature is wrong: the charger stays in service."""
    await signed_firmware(station16, "Downloading", "Downloaded", "InvalidSignature")
    await security_event(station16, "InvalidFirmwareSignature")
    await csms.until_connector(station16.identity, "Available")


async def test_TC_088_CSMS(csms: Csms) -> None:
    """OCPP 1.6 is chosen although a version that we do not speak is offered first."""
    offers = [websockets.Subprotocol(name) for name in ("ocpp1.5", "ocpp1.6")]
    async with websockets.connect(f"{csms.ocpp_url}/TC_088_CSMS", subprotocols=offers) as socket:
        assert socket.subprotocol == "ocpp1.6"
