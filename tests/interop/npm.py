"""Chargers of the npm package `ocpp-rpc`: a process of Node that does what it is told."""

import asyncio
import json
import pathlib
from asyncio.subprocess import PIPE
from typing import Any, Self

from kit import Server

FOLDER = pathlib.Path(__file__).resolve().parent


class NodeCharger:
    """One process of charger.mjs; `async with` starts and ends it."""

    protocol = ""

    def __init__(self, server: Server, identity: str) -> None:
        self.arguments = [server.ocpp_url, identity, self.protocol]
        self.resets: list[str] = []

    async def __aenter__(self) -> Self:
        assert (FOLDER / "node_modules").is_dir(), f"run npm ci in {FOLDER}, as scripts/test does"
        self.process = await asyncio.create_subprocess_exec(
            "node", "charger.mjs", *self.arguments, stdin=PIPE, stdout=PIPE, cwd=FOLDER
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        connected = await self.hear()
        # It offers to compress, and takes no for an answer.
        assert connected == {"protocol": self.protocol, "extensions": None}
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.tell("close")
                async with asyncio.timeout(10):
                    await self.process.wait()
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    async def boot(self) -> None:
        """Boots, and is accepted."""
        await self.tell("boot")

    async def charge(self, energy_wh: int) -> None:
        """A whole session."""
        await self.tell(f"charge {energy_wh}")

    async def fault(self) -> None:
        """Reports a fault that only a reset cures."""
        await self.tell("fault")

    async def tell(self, line: str) -> None:
        """Has one thing done; fails when it failed, or when a message did not fit its schema."""
        self.stdin.write(f"{line}\n".encode())
        said = await self.hear()
        assert said.get("done") == line.split()[0], said
        assert said["complaints"] == []
        self.resets = said["resets"]

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            line = await self.stdout.readline()
        assert line, "the process of Node ended"
        return json.loads(line)


class Node16(NodeCharger):
    protocol = "ocpp1.6"


class Node201(NodeCharger):
    protocol = "ocpp2.0.1"


class Node21(NodeCharger):
    protocol = "ocpp2.1"
