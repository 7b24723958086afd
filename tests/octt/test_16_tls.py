"""OCPP 1.6 with the security whitepaper: TLS and the charger's own certificate."""

from authority import client
from station16 import Station16
from tls import PASSWORD, TlsCsms, secure
from wire import Payload, now


async def test_TC_086_CSMS(tls_csms: TlsCsms) -> None:
    """TLS: the server shows a certificate that the charger can check."""
    async with secure(tls_csms, Station16(tls_csms, "TC_086_CSMS")) as station:
        await station.boot()


async def test_TC_087_CSMS(tls_csms: TlsCsms) -> None:
    """TLS: the charger shows one too."""
    async with mutual(tls_csms, "TC_087_CSMS") as station:
        await station.boot()


def mutual(csms: TlsCsms, identity: str) -> Station16:
    """A charger that is registered and has a certificate of its own."""
    csms.post("/chargers", {"identity": identity})
    station = Station16(csms, identity)
    own = csms.authority.charger(identity)
    csms.with_certificate(station, client(csms.authority, own))
    return station


async def renewed(csms: TlsCsms, station: Station16, status: str) -> str:
    """An operator has the charger renew its certificate; what the charger is sent."""
    wanted = {"requestedMessage": "SignChargePointCertificate"}
    sent, _ = await station.asked("ExtendedTriggerMessage", wanted, {"status": "Accepted"})
    assert sent == wanted
    request = csms.authority.request(station.identity, station.identity).read_text()
    assert (await station.call("SignCertificate", csr=request))["status"] == "Accepted"
    call = await station.expect("CertificateSigned")
    await station.answer(call, status=status)
    return str(call.payload["certificateChain"])


async def test_TC_074_CSMS(tls_csms: TlsCsms) -> None:
    """The charger renews its certificate, and comes back with the new one."""
    async with mutual(tls_csms, "TC_074_CSMS") as station:
        await station.boot()
        chain = await renewed(tls_csms, station, "Accepted")
        own = tls_csms.pair_of(station)
        own.certificate.write_text(chain)
        tls_csms.with_certificate(station, client(tls_csms.authority, own))
        await station.reconnect()
        await station.call("Heartbeat")


async def test_TC_077_CSMS(tls_csms: TlsCsms) -> None:
    """The charger finds its new certificate invalid, reports it, and keeps the old one."""
    async with mutual(tls_csms, "TC_077_CSMS") as station:
        await station.boot()
        await renewed(tls_csms, station, "Rejected")
        event: Payload = {"type": "InvalidChargePointCertificate", "timestamp": now()}
        assert await station.call("SecurityEventNotification", event) == {}
        await station.reconnect()
        await station.call("Heartbeat")


async def test_TC_083_CSMS(tls_csms: TlsCsms) -> None:
    """From a password to TLS; the way back is closed."""
    tls_csms.post("/chargers", {"identity": "TC_083_CSMS", "password": PASSWORD})
    async with Station16(tls_csms, "TC_083_CSMS", PASSWORD) as station:
        await station.boot()
        wanted = {"key": "SecurityProfile", "value": "2"}
        sent, _ = await station.asked("ChangeConfiguration", wanted, {"status": "Accepted"})
        assert sent == wanted
        plain = station.url
        tls_csms.with_tls(station, client(tls_csms.authority))
        await station.reconnect()
        await station.boot()
        await station.disconnect()
        station.url, station.tls = plain, None
        await station.is_refused()
