"""A charger of OCPP 1.6 with one connector, and the stories its test cases share."""

from typing import Any

from station import Station
from wire import Payload, now

VALID = "OCTT-VALID"


class Station16(Station):
    """What a 1.6 charger says, in the words of the test cases."""

    protocol = "ocpp1.6"

    async def boot(self) -> Payload:
        """A cold boot: accepted, then the status of the charger and of its connector."""
        answer = await self.call(
            "BootNotification",
            chargePointVendor="OCTT",
            chargePointModel="Test Station",
            chargePointSerialNumber=self.identity[:25],
            firmwareVersion="1.0",
        )
        assert answer["status"] == "Accepted"
        assert answer["interval"] > 0
        await self.status("Available", connector=0)
        await self.status("Available")
        return answer

    async def status(
        self, status: str, error: str = "NoError", connector: int = 1, **more: Any
    ) -> None:
        """A StatusNotification."""
        facts = {"status": status, "errorCode": error, "timestamp": now(), **more}
        assert await self.call("StatusNotification", facts, connectorId=connector) == {}

    async def authorize(self, tag: str = VALID) -> Payload:
        """An Authorize; its `idTagInfo`."""
        return (await self.call("Authorize", idTag=tag))["idTagInfo"]

    async def start(self, tag: str = VALID, at: str | None = None, **more: Any) -> Payload:
        """A StartTransaction; its answer, whose number is one that 1.6 can carry."""
        facts = {"connectorId": 1, "idTag": tag, "meterStart": 1000, "timestamp": at or now()}
        answer = await self.call("StartTransaction", {**facts, **more})
        assert 0 < answer["transactionId"] < 2**31
        return answer

    async def stop(self, transaction: int, reason: str | None = None, **more: Any) -> Payload:
        """A StopTransaction; its answer."""
        facts = {"transactionId": transaction, "meterStop": 4200, "timestamp": now(), **more}
        if reason is not None:
            facts["reason"] = reason
        answer = await self.call("StopTransaction", facts)
        if "idTagInfo" in answer and more.get("idTag") == VALID:
            assert answer["idTagInfo"]["status"] == "Accepted"
        return answer

    async def charge(self, tag: str = VALID) -> int:
        """The usual way into a charging session; its number."""
        assert (await self.authorize(tag))["status"] == "Accepted"
        await self.status("Preparing")
        answer = await self.start(tag)
        assert answer["idTagInfo"]["status"] == "Accepted"
        await self.status("Charging")
        return answer["transactionId"]

    async def finish(self, transaction: int, reason: str | None = None, **more: Any) -> None:
        """The way out of it: stopped, cable pulled, free again."""
        await self.stop(transaction, reason, **more)
        await self.status("Finishing")
        await self.status("Available")

    async def meter(self, transaction: int | None = None) -> None:
        """MeterValues of the connector."""
        value = {"value": "2600", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        facts: Payload = {
            "connectorId": 1,
            "meterValue": [{"timestamp": now(), "sampledValue": [value]}],
        }
        if transaction is not None:
            facts["transactionId"] = transaction
        assert await self.call("MeterValues", facts) == {}
