"""One server for every case; a charger of its own for each."""

from collections.abc import AsyncIterator, Iterator

import pytest
from csms import Csms
from station16 import Station16


@pytest.fixture(scope="session")
def csms() -> Iterator[Csms]:
    with Csms() as csms:
        yield csms


@pytest.fixture
async def station16(csms: Csms, request: pytest.FixtureRequest) -> AsyncIterator[Station16]:
    """A 1.6 charger that is connected, booted and free. Named after its case."""
    identity = request.node.name.removeprefix("test_")
    async with Station16(csms, identity) as station:
        await station.boot()
        yield station
