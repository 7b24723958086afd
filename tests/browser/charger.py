"""A charger of OCPP 1.6J that does what a test tells it to; a thread of its own answers the server."""

import json
import queue
import threading
from datetime import datetime, timezone

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ANSWER_S = 20


class Charger:
    """`answers` changes what it says to calls: {"Reset": "Rejected"}; else it accepts everything."""

    def __init__(self, server, identity, answers=None):
        self.server, self.identity = server, identity
        self.answers = answers or {}
        self.asked = []
        self.state = ("Available", "NoError")
        self.calls = 0
        self.waiting = queue.Queue()

    def __enter__(self):
        url = f"{self.server.ocpp_url}/{self.identity}"
        self.connection = connect(url, subprotocols=["ocpp1.6"], max_size=None)
        self.socket = self.connection.__enter__()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.call(
            "BootNotification",
            {
                "chargePointVendor": "Volta",
                "chargePointModel": "AC 22",
                "chargePointSerialNumber": f"SN-{self.identity}",
                "firmwareVersion": "1.4.2",
            },
        )
        self.status("Available")
        return self

    def __exit__(self, *_):
        self.connection.__exit__(None, None, None)
        self.reader.join(5)

    @property
    def public_id(self):
        return self.server.get(f"/chargers/{self.identity}")["charger"]["public_id"]

    def read(self):
        try:
            for text in self.socket:
                kind, message, *rest = json.loads(text)
                if kind == 2:
                    self.answer(message, *rest)
                else:
                    self.waiting.put((message, kind, rest))
        except ConnectionClosed:
            pass

    def answer(self, message, action, payload):
        self.asked.append((action, payload))
        status = self.answers.get(action, "Accepted")
        answer = {"configurationKey": []} if action == "GetConfiguration" else {"status": status}
        self.socket.send(json.dumps([3, message, answer]))
        if action == "TriggerMessage" and payload["requestedMessage"] == "StatusNotification":
            self.send("StatusNotification", self.status_payload())

    def send(self, action, payload):
        self.calls += 1
        message = f"{action}-{self.calls}"
        self.socket.send(json.dumps([2, message, action, payload]))
        return message

    def call(self, action, payload):
        """Sends a call and waits for the answer's payload."""
        message = self.send(action, payload)
        while True:
            answered, kind, rest = self.waiting.get(timeout=ANSWER_S)
            if answered == message:
                assert kind == 3, (action, rest)
                return rest[0]

    def status_payload(self):
        status, error = self.state
        return {"connectorId": 1, "status": status, "errorCode": error, "timestamp": now()}

    def status(self, status, error="NoError"):
        self.state = (status, error)
        self.call("StatusNotification", self.status_payload())

    def charge(self, energy_wh=9_000):
        """A session from plug to plug."""
        tag = {"idTag": "TAG-1"}
        self.status("Preparing")
        self.call("Authorize", tag)
        start = {"connectorId": 1, "meterStart": 1_000, "timestamp": now(), **tag}
        transaction = self.call("StartTransaction", start)["transactionId"]
        self.status("Charging")
        samples = [
            {"value": "7400", "measurand": "Power.Active.Import", "unit": "W"},
            {"value": str(1_000 + energy_wh), "unit": "Wh"},
        ]
        meter = [{"timestamp": now(), "sampledValue": samples}]
        self.call(
            "MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": meter}
        )
        stop = {"transactionId": transaction, "meterStop": 1_000 + energy_wh, "timestamp": now()}
        self.call("StopTransaction", {**stop, **tag})
        self.status("Finishing")
        self.status("Available")


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
