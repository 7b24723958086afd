"""A charger on a raw WebSocket, as the compliance tool is one: it says what the test has it say."""

import asyncio
import base64
import itertools
import json
import ssl
from collections.abc import Awaitable
from typing import Any, Self

import pytest
import websockets
from csms import Csms
from wire import CALL, ERROR, RESULT, Call, CallRefused, Payload, check

#: How long anything may take that must happen.
PATIENCE_S = 15

#: What the server asks on its own account, and the plainest answer to it; to anything else of that
#: kind the answer is NotSupported. Its requests are known by their ids: those of an operator begin
#: with `u-`.
UNASKED: dict[str, Payload] = {
    "GetConfiguration": {"configurationKey": []},
    "GetBaseReport": {"status": "NotSupported"},
    "TriggerMessage": {"status": "NotImplemented"},
}

#: What follows from a message of the charger's, for its test to answer.
FOLLOWING = {"CertificateSigned"}


class Report(dict[str, Any]):
    """What the API tells an operator about a command."""


class Station:
    """One charger; `async with` connects it and looks at the end for what went wrong unseen."""

    protocol = ""

    def __init__(self, csms: Csms, identity: str, password: str | bytes | None = None) -> None:
        self.csms = csms
        self.identity = identity
        #: The user name of Basic authentication.
        self.user = identity
        self.password = password
        #: Where it connects, and how it makes itself sure of the server and known to it.
        self.url = csms.ocpp_url
        self.tls: ssl.SSLContext | None = None
        self._ids = itertools.count(1)
        self._asked: asyncio.Queue[Call] = asyncio.Queue()
        self._waiting: dict[str, tuple[str, asyncio.Future[Payload]]] = {}
        self._faults: list[BaseException] = []
        self._socket: websockets.ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.disconnect()
        if kind is None:
            self.look_for_faults()
            assert self._asked.empty(), f"nobody expected {self._asked.get_nowait()}"

    def look_for_faults(self) -> None:
        """Raises the first thing that went wrong in the background."""
        if self._faults:
            raise self._faults[0]

    async def connect(self) -> None:
        """Opens the connection, with Basic authentication where there is a password."""
        headers = {}
        if self.password is not None:
            password = self.password
            secret = password.encode() if isinstance(password, str) else password
            pair = base64.b64encode(self.user.encode() + b":" + secret)
            headers["Authorization"] = f"Basic {pair.decode()}"
        self._socket = await websockets.connect(
            f"{self.url}/{self.identity}",
            subprotocols=[websockets.Subprotocol(self.protocol)],
            additional_headers=headers,
            ssl=self.tls,
        )
        assert self._socket.subprotocol == self.protocol
        self._reader = asyncio.create_task(self._read(self._socket))

    async def is_refused(self) -> None:
        """Tries to connect, and is told 401 before the connection is upgraded."""
        with pytest.raises(websockets.InvalidStatus, match="401"):
            await self.connect()

    async def disconnect(self, abruptly: bool = False) -> None:
        """Closes the connection; abruptly as in a loss of power."""
        if self._socket is None or self._reader is None:
            return
        if abruptly:
            self._socket.transport.abort()
        await self._socket.close()
        await self._reader
        self._socket = None

    async def reconnect(self, abruptly: bool = False) -> None:
        """Goes away and comes back."""
        await self.disconnect(abruptly)
        await self.connect()

    async def closed_by_server(self) -> int | None:
        """Waits until the server closes the connection; the close code."""
        assert self._socket is not None
        async with asyncio.timeout(PATIENCE_S):
            await self._socket.wait_closed()
        return self._socket.close_code

    async def call(self, action: str, payload: Payload | None = None, **fields: Any) -> Payload:
        """Sends a request and gives its answer; raises `CallRefused` for an error."""
        self.look_for_faults()
        assert self._socket is not None, "not connected"
        text = json.dumps({**(payload or {}), **fields})
        check(CALL, action, self.protocol, text)
        id_ = f"{self.identity[:20]}-{next(self._ids)}"
        answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = (action, answer)
        await self._socket.send(f'[2,"{id_}","{action}",{text}]')
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    async def expect(self, action: str) -> Call:
        """Waits for the request that an operator asked for."""
        async with asyncio.timeout(PATIENCE_S):
            call = await self._asked.get()
        assert call.action == action, f"expected {action}, got {call}"
        return call

    async def answer(self, call: Call, payload: Payload | None = None, **fields: Any) -> None:
        """Answers a request of the server."""
        assert self._socket is not None, "not connected"
        text = json.dumps({**(payload or {}), **fields})
        check(RESULT, call.action, self.protocol, text)
        await self._socket.send(f'[3,"{call.id}",{text}]')

    async def asked(self, action: str, payload: Payload, answer: Payload) -> tuple[Payload, Report]:
        """An operator sends a command by the API and this charger answers it.

        Gives what came over the wire, and what the operator was told.
        """
        report = self.trigger(action, payload)
        call = await self.expect(action)
        await self.answer(call, answer)
        told = await report
        assert told["outcome"] == "answered", told
        assert told["payload"] == answer, told
        return call.payload, told

    async def refuses(self, action: str, payload: Payload, code: str) -> Report:
        """An operator sends a command, and this charger answers with an error."""
        report = self.trigger(action, payload)
        call = await self.expect(action)
        assert call.payload == payload
        assert self._socket is not None
        await self._socket.send(json.dumps([ERROR, call.id, code, "", {}]))
        return await report

    def trigger(self, action: str, payload: Payload) -> Awaitable[Report]:
        """An operator sends a command by the API; the charger's answer is up to the test."""
        path = f"/chargers/{self.identity}/commands"
        body = {"action": action, "payload": payload}
        return asyncio.ensure_future(asyncio.to_thread(self.csms.post, path, body))

    async def _read(self, socket: websockets.ClientConnection) -> None:
        try:
            async for text in socket:
                await self._hear(socket, str(text))
        except websockets.ConnectionClosed:
            pass
        except BaseException as fault:
            self._faults.append(fault)
            self._fail_waiting(fault)
            raise
        finally:
            self._fail_waiting(ConnectionError("the connection ended"))

    def _fail_waiting(self, fault: BaseException) -> None:
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(fault)
        self._waiting.clear()

    async def _hear(self, socket: websockets.ClientConnection, text: str) -> None:
        kind, id_, *rest = json.loads(text)
        if kind == CALL:
            action, payload = rest
            assert len(id_) <= 36, f"a message id has at most 36 characters: {id_}"
            check(CALL, action, self.protocol, json.dumps(payload))
            if id_.startswith("u-") or action in FOLLOWING:
                self._asked.put_nowait(Call(id_, action, payload))
            elif action in UNASKED:
                await socket.send(json.dumps([RESULT, id_, UNASKED[action]]))
            else:
                await socket.send(json.dumps([ERROR, id_, "NotSupported", "", {}]))
            return
        action, answer = self._waiting.pop(id_)
        if answer.done():
            return
        if kind == RESULT:
            try:
                check(RESULT, action, self.protocol, json.dumps(rest[0]))
            except AssertionError as fault:
                answer.set_exception(fault)
                return
            answer.set_result(rest[0])
        else:
            answer.set_exception(CallRefused(*rest[:2]))
