"""Chargers of the PyPI package `ocpp`, in each version that it speaks."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Self

import websockets
from kit import Server
from ocpp import v16, v21, v201
from ocpp.routing import on

TAG = "TAG-1"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Connected:
    """What the chargers of all versions share; `async with` opens and closes the connection."""

    protocol = ""
    #: The package's words for this version.
    version: ModuleType
    #: The package's own way to send a request.
    call: Callable[[Any], Awaitable[Any]]
    #: The package's own loop that reads.
    start: Callable[[], Coroutine[Any, Any, None]]

    def __init__(self, server: Server, identity: str) -> None:
        super().__init__(identity, None)  # type: ignore[call-arg]
        self.url = f"{server.ocpp_url}/{identity}"
        self.faulted = False
        self.resets: list[str] = []
        self.transactions = 0

    async def __aenter__(self) -> Self:
        protocols = [websockets.Subprotocol(self.protocol)]
        self._connection = await websockets.connect(self.url, subprotocols=protocols)
        assert self._connection.subprotocol == self.protocol
        # This client, too, offers to compress.
        assert self._connection.protocol.extensions == []
        self._reader = asyncio.create_task(self.start())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await self._connection.close()

    def boot_notification(self) -> Any:
        """A boot in the words of the version."""
        raise NotImplementedError

    async def status(self, status: str = "Available") -> None:
        """Reports a status, or the fault while there is one."""
        raise NotImplementedError

    async def charge(self, energy_wh: int) -> None:
        """A whole session."""
        raise NotImplementedError

    async def boot(self) -> None:
        """Boots, and is accepted."""
        answer = await self.call(self.boot_notification())
        assert answer.status == "Accepted"
        await self.status()
        await self.call(self.version.call.Heartbeat())

    async def fault(self) -> None:
        """Reports a fault that only a reset cures."""
        self.faulted = True
        await self.status()

    async def restart(self) -> None:
        await asyncio.sleep(0.3)
        self.faulted = False
        await self.boot()

    @on("Reset")
    async def on_reset(self, type: str, **_: Any) -> Any:
        self.resets.append(type)
        self._restart = asyncio.create_task(self.restart())
        return self.version.call_result.Reset(status="Accepted")

    @on("TriggerMessage")
    async def on_trigger(self, requested_message: str, **_: Any) -> Any:
        if requested_message == "StatusNotification":
            self._status = asyncio.create_task(self.status())
        return self.version.call_result.TriggerMessage(status="Accepted")


class Charger16(Connected, v16.ChargePoint):
    """OCPP 1.6."""

    protocol = "ocpp1.6"
    version = v16

    @on("GetConfiguration")
    async def on_get_configuration(self, **_: Any) -> Any:
        key = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        return v16.call_result.GetConfiguration(configuration_key=[key])

    def boot_notification(self) -> Any:
        return v16.call.BootNotification(
            charge_point_model="Loop 22", charge_point_vendor="Foreign"
        )

    async def status(self, status: str = "Available") -> None:
        await self.call(
            v16.call.StatusNotification(
                connector_id=1,
                error_code="InternalError" if self.faulted else "NoError",
                status="Faulted" if self.faulted else status,
                timestamp=now(),
            )
        )

    async def charge(self, energy_wh: int) -> None:
        """A whole session."""
        answer = await self.call(v16.call.Authorize(id_tag=TAG))
        assert answer.id_tag_info["status"] == "Accepted"
        await self.status("Preparing")
        started = await self.call(
            v16.call.StartTransaction(connector_id=1, id_tag=TAG, meter_start=1000, timestamp=now())
        )
        transaction = started.transaction_id
        assert transaction > 0
        await self.status("Charging")
        stop_wh = 1000 + energy_wh
        sampled = [
            {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"},
            {"value": str(stop_wh), "unit": "Wh"},
        ]
        await self.call(
            v16.call.MeterValues(
                connector_id=1,
                transaction_id=transaction,
                meter_value=[{"timestamp": now(), "sampledValue": sampled}],
            )
        )
        await self.call(
            v16.call.StopTransaction(
                transaction_id=transaction, meter_stop=stop_wh, timestamp=now(), id_tag=TAG
            )
        )
        await self.status("Finishing")
        await self.status()


class Charger2(Connected):
    """The same story in the newer words."""

    @on("GetVariables")
    async def on_get_variables(self, get_variable_data: list[dict[str, Any]], **_: Any) -> Any:
        results = [
            {
                "attributeStatus": "UnknownVariable",
                "component": entry["component"],
                "variable": entry["variable"],
            }
            for entry in get_variable_data
        ]
        return self.version.call_result.GetVariables(get_variable_result=results)

    @on("GetBaseReport")
    async def on_get_base_report(self, **_: Any) -> Any:
        return self.version.call_result.GetBaseReport(status="NotSupported")

    def boot_notification(self) -> Any:
        station = {"model": "Loop DC", "vendor_name": "Foreign"}
        reason = "RemoteReset" if self.resets else "PowerUp"
        return self.version.call.BootNotification(charging_station=station, reason=reason)

    async def status(self, status: str = "Available") -> None:
        await self.call(
            self.version.call.StatusNotification(
                timestamp=now(),
                connector_status="Faulted" if self.faulted else status,
                evse_id=1,
                connector_id=1,
            )
        )

    async def event(
        self, kind: str, number: int, trigger: str, energy_wh: float, info: dict[str, Any]
    ) -> Any:
        """A TransactionEvent."""
        self.transactions += kind == "Started"
        sampled = [
            {"value": energy_wh, "measurand": "Energy.Active.Import.Register"},
            {"value": 48000, "measurand": "Power.Active.Import"},
        ]
        return await self.call(
            self.version.call.TransactionEvent(
                event_type=kind,
                timestamp=now(),
                trigger_reason=trigger,
                seq_no=number,
                transaction_info={"transactionId": f"tx-{self.transactions}", **info},
                evse={"id": 1, "connectorId": 1},
                id_token={"idToken": TAG, "type": "ISO14443"} if kind == "Started" else None,
                meter_value=[{"timestamp": now(), "sampledValue": sampled}],
            )
        )

    async def charge(self, energy_wh: int) -> None:
        """A whole session."""
        token = {"idToken": TAG, "type": "ISO14443"}
        answer = await self.call(self.version.call.Authorize(id_token=token))
        assert answer.id_token_info["status"] == "Accepted"
        await self.status("Occupied")
        connected = {"chargingState": "EVConnected"}
        started = await self.event("Started", 0, "Authorized", 5000.0, connected)
        assert started.id_token_info["status"] == "Accepted"
        charging = {"chargingState": "Charging"}
        await self.event("Updated", 1, "ChargingStateChanged", 5000.0 + energy_wh / 2, charging)
        idle = {"chargingState": "Idle", "stoppedReason": "EVDisconnected"}
        await self.event("Ended", 2, "EVDeparted", 5000.0 + energy_wh, idle)
        await self.status()


class Charger201(Charger2, v201.ChargePoint):
    """OCPP 2.0.1."""

    protocol = "ocpp2.0.1"
    version = v201


class Charger21(Charger2, v21.ChargePoint):
    """OCPP 2.1."""

    protocol = "ocpp2.1"
    version = v21
