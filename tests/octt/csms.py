"""The system under test: the real program, and what an operator sees of it by the API."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from kit import Server

Found = TypeVar("Found")

#: Cards that the operator has registered before any test begins.
TOKENS: dict[str, dict[str, str]] = {
    "OCTT-VALID": {"status": "accepted"},
    "OCTT-INVALID": {"status": "invalid"},
    "OCTT-BLOCKED": {"status": "blocked"},
    "OCTT-EXPIRED": {"status": "expired"},
    "OCTT-FAMILY-1": {"status": "accepted", "parent": "OCTT-FAMILY"},
    "OCTT-FAMILY-2": {"status": "accepted", "parent": "OCTT-FAMILY"},
    "OCTT-MASTER-1": {"status": "accepted", "parent": "OCTT-MASTER"},
}


class Csms(Server):
    """`mendpoint serve` with the cards of the tests. Its engine mends nothing that they break."""

    def __init__(self) -> None:
        super().__init__(pace=1, engine__default_mode="off", ocpp__accept_unknown_tokens="false")

    def start(self) -> None:
        super().start()
        for token, facts in TOKENS.items():
            self.post("/id-tokens", {"token": token, **facts})

    async def charger(self, identity: str) -> dict[str, Any]:
        """A charger as the API shows it."""
        return await asyncio.to_thread(self.get, f"/chargers/{identity}")

    async def change(self, identity: str, **facts: str) -> None:
        """An administrator changes a charger."""
        path = f"/api/v1/chargers/{identity}"
        status, answer = await asyncio.to_thread(self.fetch, path, facts, "PATCH")
        assert status == 200, answer

    async def sessions(self, identity: str, **query: str) -> list[dict[str, Any]]:
        """The charging sessions of a charger, newest first."""
        more = "".join(f"&{key}={value}" for key, value in query.items())
        page = await asyncio.to_thread(self.get, f"/transactions?charger={identity}{more}")
        return page["items"]

    async def eventually(self, look: Callable[[], Found | None], what: str) -> Found:
        """Waits until a look at the API gives something true."""
        return await asyncio.to_thread(self.wait_for, look, what, 10)

    async def until_connector(
        self, identity: str, status: str, connector: int = 1
    ) -> dict[str, Any]:
        """Waits until the API shows a connector in a status."""

        def look() -> dict[str, Any] | None:
            for item in self.get(f"/chargers/{identity}")["connectors"]:
                if item["connector"] == connector and item["status"] == status:
                    return item
            return None

        return await self.eventually(look, f"connector {connector} of {identity} to be {status}")

    async def until_variable(self, identity: str, name: str, value: str) -> None:
        """Waits until the API shows a configuration key or variable with a value."""

        def look() -> bool:
            items = self.get(f"/chargers/{identity}/variables")["items"]
            return any((item["variable"], item["value"]) == (name, value) for item in items)

        await self.eventually(look, f"{name} of {identity} to be {value}")

    async def until_session(
        self, identity: str, *, is_open: bool, count: int = 1
    ) -> dict[str, Any]:
        """Waits until a charger has this many sessions and the newest is open, or over."""

        def look() -> dict[str, Any] | None:
            items = self.get(f"/transactions?charger={identity}")["items"]
            if len(items) == count and (items[0]["ended_at"] is None) == is_open:
                return items[0]
            return None

        state = "open" if is_open else "over"
        return await self.eventually(look, f"session {count} of {identity} to be {state}")
