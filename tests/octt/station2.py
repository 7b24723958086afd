"""A charger of OCPP 2.0.1 or 2.1 with one EVSE, and the stories its test cases share."""

import asyncio
import itertools
from typing import Any

from csms import Csms
from station import Report, Station
from wire import Payload, now

VALID = "OCTT-VALID"
EVSE: Payload = {"id": 1, "connectorId": 1}


def id_token(token: str = VALID) -> Payload:
    """A card."""
    return {"idToken": token, "type": "ISO14443"}


def sampled(context: str, value: float = 1000.0, **more: Any) -> list[Payload]:
    """The meter's energy register."""
    facts = {"value": value, "measurand": "Energy.Active.Import.Register", "context": context}
    return [{"timestamp": now(), "sampledValue": [{**facts, **more}]}]


class Station2(Station):
    """What a 2.x charger says, in the words of the test cases."""

    def __init__(
        self, csms: Csms, identity: str, protocol: str, password: str | None = None
    ) -> None:
        super().__init__(csms, identity, password)
        self.protocol = protocol
        #: The transaction that runs, or the last one.
        self.transaction = ""
        self._transactions = itertools.count(1)
        self._numbers = itertools.count()

    async def boot(self, reason: str = "PowerUp", expected: str = "Accepted") -> Payload:
        """A boot; when it is accepted, the status of the connector too."""
        station = {"model": "Test Station", "vendorName": "OCTT", "firmwareVersion": "1.0"}
        answer = await self.call("BootNotification", reason=reason, chargingStation=station)
        assert answer["status"] == expected
        assert answer["interval"] > 0
        if expected == "Accepted":
            await self.status("Available")
        return answer

    async def status(self, status: str) -> None:
        """A StatusNotification."""
        facts = {"evseId": 1, "connectorId": 1, "connectorStatus": status, "timestamp": now()}
        assert await self.call("StatusNotification", facts) == {}

    async def authorize(self, token: str = VALID) -> Payload:
        """An Authorize; its `idTokenInfo`."""
        return (await self.call("Authorize", idToken=id_token(token)))["idTokenInfo"]

    async def tells_its_limit(self, csms: Csms, component: str, action: str, most: int) -> None:
        """A report says how many things one message may have."""
        variable = {"name": "ItemsPerMessage", "instance": action}
        value = {"type": "Actual", "value": str(most), "mutability": "ReadOnly"}
        limit = {
            "component": {"name": component},
            "variable": variable,
            "variableAttribute": [value],
            "variableCharacteristics": {"dataType": "integer", "supportsMonitoring": False},
        }
        facts = {"requestId": 1, "generatedAt": now(), "seqNo": 0, "reportData": [limit]}
        assert await self.call("NotifyReport", facts) == {}
        await csms.until_variable(self.identity, "ItemsPerMessage", str(most))

    async def not_sent(self, action: str, payload: Payload) -> str:
        """An operator is told why a command does not leave."""
        path = f"/api/v1/chargers/{self.identity}/commands"
        body = {"action": action, "payload": payload}
        status, answer = await asyncio.to_thread(self.csms.fetch, path, body, "POST")
        assert status == 400, answer
        return answer["error"]["message"]

    async def event(
        self,
        kind: str,
        trigger: str,
        state: str | None = None,
        token: str | None = None,
        info: Payload | None = None,
        **more: Any,
    ) -> Payload:
        """A TransactionEvent; its answer. `Started` begins a transaction with number 0."""
        if kind == "Started":
            self.transaction = f"{self.identity[:24]}-tx{next(self._transactions)}"
            self._numbers = itertools.count()
        facts: Payload = {
            "eventType": kind,
            "timestamp": now(),
            "triggerReason": trigger,
            "seqNo": next(self._numbers),
            "transactionInfo": {"transactionId": self.transaction, **(info or {})},
            "evse": EVSE,
            **more,
        }
        if state is not None:
            facts["transactionInfo"]["chargingState"] = state
        if token is not None:
            facts["idToken"] = id_token(token)
        answer = await self.call("TransactionEvent", facts)
        if token == VALID:
            assert answer["idTokenInfo"]["status"] == "Accepted"
        return answer

    async def charge(self) -> str:
        """The usual way into a charging session; its id."""
        assert (await self.authorize())["status"] == "Accepted"
        await self.status("Occupied")
        begin = sampled("Transaction.Begin")
        await self.event("Started", "Authorized", "EVConnected", VALID, meterValue=begin)
        await self.event("Updated", "ChargingStateChanged", "Charging")
        return self.transaction

    async def end(self, trigger: str, reason: str, state: str = "Idle", **more: Any) -> Payload:
        """The end of the transaction."""
        info = {"stoppedReason": reason}
        meter = sampled("Transaction.End", 4200.0)
        return await self.event("Ended", trigger, state, info=info, meterValue=meter, **more)

    async def leave(self) -> None:
        """The car is unplugged at the end of a local stop, and the connector is free."""
        await self.event("Updated", "StopAuthorized", "EVConnected", VALID)
        await self.end("EVCommunicationLost", "EVDisconnected")
        await self.status("Available")

    async def asked_accepted(self, action: str, payload: Payload, **more: Any) -> Report:
        """An operator sends a command; it arrives as it was asked, and the charger accepts it."""
        return await self.asked_status(action, payload, "Accepted", **more)

    async def asked_status(self, action: str, payload: Payload, status: str, **more: Any) -> Report:
        """The same, with another answer of the charger."""
        sent, told = await self.asked(action, payload, {"status": status, **more})
        assert sent == payload
        assert told["status"] == status
        return told
