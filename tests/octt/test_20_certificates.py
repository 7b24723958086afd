"""OCPP 2.x, block M: root certificates in the charger, over TLS."""

import pytest
from pem import CERTIFICATE, HASH_DATA
from station import Report
from station2 import Station2
from wire import Payload


async def install(station: Station2, kind: str, status: str = "Accepted") -> Report:
    """An operator installs a root certificate of a kind."""
    wanted = {"certificateType": kind, "certificate": CERTIFICATE}
    return await station.asked_status("InstallCertificate", wanted, status)


async def test_TC_M_01_CSMS(secure2: Station2) -> None:
    """A root certificate for us."""
    assert (await install(secure2, "CSMSRootCertificate"))["accepted"]


async def test_TC_M_02_CSMS(secure2: Station2) -> None:
    """A root certificate of the manufacturer."""
    assert (await install(secure2, "ManufacturerRootCertificate"))["accepted"]


async def test_TC_M_05_CSMS(secure2: Station2) -> None:
    """The charger fails to install it."""
    assert not (await install(secure2, "CSMSRootCertificate", "Failed"))["accepted"]


async def installed(station: Station2, *kinds: str) -> None:
    """An operator asks which certificates are there; of every kind when none is named."""
    wanted: Payload = {"certificateType": list(kinds)} if kinds else {}
    chain = [
        {"certificateType": kind, "certificateHashData": HASH_DATA}
        for kind in kinds or ("CSMSRootCertificate", "ManufacturerRootCertificate")
    ]
    more = {"certificateHashDataChain": chain}
    told = await station.asked_accepted("GetInstalledCertificateIds", wanted, **more)
    assert told["payload"]["certificateHashDataChain"] == chain


async def test_TC_M_13_CSMS(secure2: Station2) -> None:
    """Those of the manufacturer."""
    await installed(secure2, "ManufacturerRootCertificate")


async def test_TC_M_18_CSMS(secure2: Station2) -> None:
    """All of them."""
    await installed(secure2)


async def test_TC_M_19_CSMS(secure2: Station2) -> None:
    """None is there."""
    wanted = {"certificateType": ["CSMSRootCertificate"]}
    told = await secure2.asked_status("GetInstalledCertificateIds", wanted, "NotFound")
    assert not told["accepted"]


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
async def test_TC_M_20_CSMS(secure2: Station2, algorithm: str) -> None:
    """One is deleted, by the hash that the charger uses."""
    wanted = {"certificateHashData": {**HASH_DATA, "hashAlgorithm": algorithm}}
    assert (await secure2.asked_accepted("DeleteCertificate", wanted))["accepted"]


async def test_TC_M_21_CSMS(secure2: Station2) -> None:
    """The charger fails to delete one."""
    wanted = {"certificateHashData": HASH_DATA}
    assert not (await secure2.asked_status("DeleteCertificate", wanted, "Failed"))["accepted"]
