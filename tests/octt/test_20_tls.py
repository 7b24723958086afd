"""OCPP 2.x, block A: TLS, certificates, and the way to a higher security profile."""

import ssl

import pytest
import websockets
from authority import Authority, client
from station2 import Station2
from tls import PASSWORD, TlsCsms, secure
from wire import Payload, now


def mutual(csms: TlsCsms, identity: str, protocol: str) -> Station2:
    """A charger that is registered and has a certificate of its own."""
    csms.post("/chargers", {"identity": identity})
    station = Station2(csms, identity, protocol)
    own = csms.authority.charger(identity)
    csms.with_certificate(station, client(csms.authority, own))
    return station


async def test_TC_A_04_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """The server shows a certificate that the charger can check."""
    async with secure(tls_csms, Station2(tls_csms, identity, protocol)) as station:
        await station.boot()


@pytest.mark.filterwarnings("ignore:.*TLSv1_1:DeprecationWarning")
async def test_TC_A_06_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """TLS 1.1 is refused."""
    station = secure(tls_csms, Station2(tls_csms, identity, protocol))
    assert station.tls is not None
    # OpenSSL itself speaks it only when asked twice.
    station.tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    station.tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    station.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT"):
        await station.connect()


async def test_TC_A_07_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """The charger shows a certificate of its own."""
    async with mutual(tls_csms, identity, protocol) as station:
        await station.boot()


async def test_TC_A_08_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """A certificate that a stranger has signed, and one of another charger, are refused."""
    station = mutual(tls_csms, identity, protocol)
    stranger = Authority(tls_csms.authority.folder, f"stranger-{identity}").charger(identity)
    tls_csms.with_certificate(station, client(tls_csms.authority, stranger))
    # With TLS 1.3 the refusal comes after the charger's own part of the handshake.
    with pytest.raises((OSError, websockets.InvalidMessage)):
        await station.connect()
    other = tls_csms.authority.charger(f"other-{identity}")
    tls_csms.with_certificate(station, client(tls_csms.authority, other))
    await station.is_refused()


async def renewed(csms: TlsCsms, station: Station2, status: str) -> str:
    """An operator has the charger renew its certificate; what the charger is sent."""
    wanted = {"requestedMessage": "SignChargingStationCertificate"}
    await station.asked_accepted("TriggerMessage", wanted)
    facts: Payload = {"certificateType": "ChargingStationCertificate"}
    facts["csr"] = csms.authority.request(station.identity, station.identity).read_text()
    answer = await station.call("SignCertificate", facts)
    assert answer["status"] == "Accepted"
    call = await station.expect("CertificateSigned")
    assert call.payload.get("certificateType") in {None, "ChargingStationCertificate"}
    await station.answer(call, status=status)
    return str(call.payload["certificateChain"])


async def test_TC_A_11_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """The charger renews its certificate, and comes back with the new one."""
    async with mutual(tls_csms, identity, protocol) as station:
        await station.boot()
        chain = await renewed(tls_csms, station, "Accepted")
        own = tls_csms.pair_of(station)
        own.certificate.write_text(chain)
        tls_csms.with_certificate(station, client(tls_csms.authority, own))
        await station.reconnect()
        await station.call("Heartbeat")


async def test_TC_A_14_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """The charger rejects its new certificate, reports it, and keeps the old one."""
    async with mutual(tls_csms, identity, protocol) as station:
        await station.boot()
        await renewed(tls_csms, station, "Rejected")
        event: Payload = {"type": "InvalidChargingStationCertificate", "timestamp": now()}
        assert await station.call("SecurityEventNotification", event) == {}
        await station.reconnect()
        await station.call("Heartbeat")


async def test_TC_A_19_CSMS(tls_csms: TlsCsms, identity: str, protocol: str) -> None:
    """From a password to TLS by a new network profile; the way back is closed."""
    tls_csms.post("/chargers", {"identity": identity, "password": PASSWORD})
    async with Station2(tls_csms, identity, protocol, PASSWORD) as station:
        await station.boot()
        profile: Payload = {
            "messageTimeout": 30,
            "ocppCsmsUrl": tls_csms.tls_url,
            "ocppInterface": "Wired0",
            "ocppTransport": "JSON",
            "ocppVersion": "OCPP20",
            "securityProfile": 2,
        }
        wanted: Payload = {"configurationSlot": 1, "connectionData": profile}
        await station.asked_accepted("SetNetworkProfile", wanted)
        names: Payload = {
            "component": {"name": "OCPPCommCtrlr"},
            "variable": {"name": "NetworkConfigurationPriority"},
        }
        data = {"setVariableData": [{**names, "attributeValue": "1,0"}]}
        result = {"setVariableResult": [{**names, "attributeStatus": "RebootRequired"}]}
        sent, _ = await station.asked("SetVariables", data, result)
        assert sent == data
        await station.asked_accepted("Reset", {"type": "OnIdle"})
        plain = station.url
        tls_csms.with_tls(station, client(tls_csms.authority))
        await station.reconnect()
        await station.boot("RemoteReset")
        await station.disconnect()
        station.url, station.tls = plain, None
        await station.is_refused()
