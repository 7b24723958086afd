"""A peer that knows how to break the rules of WebSocket: bytes on a TCP connection."""

import asyncio
import base64
import os
import struct
from typing import Self

from kit import Server

CONTINUATION, TEXT, CLOSE, PING = 0x0, 0x1, 0x8, 0x9
FIN, RSV1 = 0x80, 0x40


def frame(opcode: int, payload: bytes = b"", flags: int = FIN, masked: bool = True) -> bytes:
    """A frame as a client sends it, with a mask of zeros."""
    return header(opcode, len(payload), flags, masked) + payload


def header(opcode: int, length: int, flags: int = FIN, masked: bool = True) -> bytes:
    """The head of a frame, whatever follows it."""
    mask_bit, mask = (0x80, bytes(4)) if masked else (0, b"")
    if length < 126:
        size = struct.pack("!B", mask_bit | length)
    elif length < 1 << 16:
        size = struct.pack("!BH", mask_bit | 126, length)
    else:
        size = struct.pack("!BQ", mask_bit | 127, length)
    return bytes([flags | opcode]) + size + mask


class Peer:
    """A charger that has shaken hands properly, and may do anything from then on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: Server, identity: str, protocol: str = "ocpp1.6") -> Self:
        """Opens a connection and upgrades it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ocpp_port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /ocpp/{identity} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        """Sends bytes; waits while the server does not take them."""
        self.writer.write(data)
        await self.writer.drain()

    async def close_code(self) -> int | None:
        """Reads until the server closes: its code, or `None` when it only hung up."""
        try:
            async with asyncio.timeout(20):
                while True:
                    opcode, payload = await self.receive()
                    if opcode == CLOSE:
                        return int(struct.unpack("!H", payload[:2])[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def receive(self) -> tuple[int, bytes]:
        """The next frame of the server; none is longer than 64 KiB here."""
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        return first & 0x0F, await self.reader.readexactly(length)

    async def call(self, action: str, payload: str = "{}") -> str:
        """Sends a request and gives the text of the next answer."""
        await self.send(frame(TEXT, f'[2,"m","{action}",{payload}]'.encode()))
        async with asyncio.timeout(20):
            while True:
                opcode, text = await self.receive()
                if opcode == TEXT and text.startswith(b'[3,"m"'):
                    return text.decode()

    def abort(self) -> None:
        """Gone without a word."""
        self.writer.transport.abort()
