"""OCPP-J frames, checked against the schemas of the Open Charge Alliance.

The schemas are those that the PyPI package `ocpp` ships. What the server sends must fit them to the
letter; so must what the tests send, or they would prove nothing.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpp.messages import get_validator

CALL, RESULT, ERROR = 2, 3, 4
Payload = dict[str, Any]

#: The one spelling that every charger in the field reads.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass
class Call:
    """A request that came from the server."""

    id: str
    action: str
    payload: Payload


class CallRefused(Exception):
    """The server answered a request with an error."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


def check(kind: int, action: str, protocol: str, payload: str) -> None:
    """Fails unless a payload fits its schema."""
    version = protocol.removeprefix("ocpp")
    validator = get_validator(kind, action, version, parse_float=Decimal)
    # Decimals: 0.1 must be a multiple of 0.1.
    document = json.loads(payload, parse_float=Decimal)
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    assert not problems, f"{protocol} {action} ({kind}) {payload}: {problems}"
    time = document.get("currentTime")
    assert time is None or TIME.fullmatch(time), f"{action}: currentTime {time!r}"


def now(seconds: float = 0) -> str:
    """The time now, or some seconds from now."""
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
