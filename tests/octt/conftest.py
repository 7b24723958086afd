"""One server for every case; a charger of its own for each."""

from collections.abc import AsyncIterator, Iterator

import pytest
from csms import Csms
from station2 import Station2
from station16 import Station16
from tls import TlsCsms, secure


@pytest.fixture(scope="session")
def csms() -> Iterator[Csms]:
    with Csms() as csms:
        yield csms


@pytest.fixture(scope="session")
def tls_csms() -> Iterator[TlsCsms]:
    """A second server, whose chargers connect by TLS."""
    with TlsCsms() as csms:
        yield csms


@pytest.fixture
async def station16(csms: Csms, request: pytest.FixtureRequest) -> AsyncIterator[Station16]:
    """A 1.6 charger that is connected, booted and free. Named after its case."""
    identity = request.node.name.removeprefix("test_")
    async with Station16(csms, identity) as station:
        await station.boot()
        yield station


@pytest.fixture(params=["ocpp2.0.1", "ocpp2.1"])
def protocol(request: pytest.FixtureRequest) -> str:
    """The cases of 2.0.1 are those of 2.1 too, with few exceptions."""
    return request.param


@pytest.fixture
def identity(request: pytest.FixtureRequest) -> str:
    """An identity of its own for each case and version."""
    words = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    return words.replace("ocpp", "")[:48]


@pytest.fixture
async def station2(csms: Csms, protocol: str, identity: str) -> AsyncIterator[Station2]:
    """A 2.x charger that is connected, booted and free."""
    async with Station2(csms, identity, protocol) as station:
        await station.boot()
        yield station


@pytest.fixture
async def secure16(tls_csms: TlsCsms, identity: str) -> AsyncIterator[Station16]:
    """A 1.6 charger that is connected by TLS: certificates are not spoken of without."""
    async with secure(tls_csms, Station16(tls_csms, identity)) as station:
        await station.boot()
        yield station


@pytest.fixture
async def secure2(tls_csms: TlsCsms, protocol: str, identity: str) -> AsyncIterator[Station2]:
    """A 2.x charger that is connected by TLS."""
    async with secure(tls_csms, Station2(tls_csms, identity, protocol)) as station:
        await station.boot()
        yield station
