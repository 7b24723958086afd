"""A large fleet is served again soon after a start, and the stop tells every charger."""

import asyncio
import time
from collections.abc import Callable

from chargers import BOOT, Charger, Log
from conftest import LONG
from fleet import database_of, grow
from kit import Server

FLEET = 100_000 if LONG else 3_000


async def test_a_known_fleet_is_served_again_after_a_start(figures: Callable[..., None]) -> None:
    """The figure that is promised, 5 s for 100,000, is of a release build: MENDPOINT_BINARY."""
    with Server(engine__default_mode="off") as server:
        first = await Charger(server, "FIRST", Log()).connect()
        for connector in (0, 1, 2):
            await first.call("StatusNotification", {
                "connectorId": connector, "status": "Available", "errorCode": "NoError",
            })
        await first.close()
        server.stop()
        await asyncio.to_thread(grow, database_of(server), FLEET)

        began = time.monotonic()
        await asyncio.to_thread(server.start)
        ready_s = time.monotonic() - began

        assert server.get("/system")["chargers"] == FLEET + 1
        again = await Charger(server, "FIRST", Log()).connect()
        last = await asyncio.to_thread(server.get, f"/chargers/FLEET-{FLEET - 1:06}")
        assert last["charger"]["vendor"] == BOOT["chargePointVendor"]
        assert [connector["status"] for connector in last["connectors"]] == ["Available"] * 2
        began = time.monotonic()
        await asyncio.to_thread(server.stop)
        figures(chargers=FLEET, ready_s=f"{ready_s:.1f}", stopped_s=f"{time.monotonic() - began:.1f}")
        await again.close()
