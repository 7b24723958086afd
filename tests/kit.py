"""Starts the real program for tests that are not written in Rust."""

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("MENDPOINT_BINARY", ROOT / "target/debug/mendpoint"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """`mendpoint serve` with a database and ports of its own.

    `pace` shortens every duration of the engine: 0.02 makes a minute 1.2 seconds.
    """

    def __init__(self, pace=0.02, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="mendpoint-test-")
        self.token = secrets.token_hex(20)
        self.ocpp_port, self.web_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.ocpp_url = f"ws://127.0.0.1:{self.ocpp_port}/ocpp"
        self.log_path = pathlib.Path(self.folder.name) / "server.log"
        self.environment = {
            **os.environ,
            "MENDPOINT__OCPP__LISTEN": f"127.0.0.1:{self.ocpp_port}",
            "MENDPOINT__OCPP__UNKNOWN_CHARGERS": "accept",
            "MENDPOINT__WEB__LISTEN": f"127.0.0.1:{self.web_port}",
            "MENDPOINT__WEB__BOOTSTRAP_TOKEN": self.token,
            "MENDPOINT__DATABASE__URL": f"sqlite://{self.folder.name}/test.db",
            "MENDPOINT__ENGINE__PACE": str(pace),
            **{f"MENDPOINT__{key.upper()}": value for key, value in settings.items()},
        }
        self.command = [str(BINARY), "serve"]
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, cwd=self.folder.name
            )
        self.wait_for(self.is_ready, "the server to be ready", 20)

    def stop(self, kill=False):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(20)
        self.command = [str(BINARY), "serve"]
        self.process = None

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended:\n{self.log_path.read_text()}")
        try:
            return self.fetch("/readyz")[0] == 200
        except OSError:
            return False

    def add_user(self, name, password, role="admin"):
        subprocess.run(
            [BINARY, "user", "add", name, "--role", role, "--password-stdin"],
            env=self.environment, input=password.encode(), check=True, cwd=self.folder.name,
            stdout=subprocess.DEVNULL,
        )

    def fetch(self, path, body=None, method=None, token=None):
        """The status and the body of an answer, read as JSON where it is JSON."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, kind, text = answer.status, answer.headers.get_content_type(), answer.read()
        except urllib.error.HTTPError as error:
            status, kind, text = error.code, error.headers.get_content_type(), error.read()
        return status, json.loads(text) if kind == "application/json" else text.decode()

    def get(self, path):
        status, body = self.fetch("/api/v1" + path)
        assert status == 200, (path, status, body)
        return body

    def post(self, path, body):
        status, answer = self.fetch("/api/v1" + path, body, "POST")
        assert status in (200, 201, 202), (path, status, answer)
        return answer

    def wait_for(self, check, what, seconds=30):
        """Waits until `check` gives something true, and returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = check()
            if result:
                return result
            time.sleep(0.1)
        log = self.log_path.read_text()[-4000:] if self.log_path.exists() else ""
        raise AssertionError(f"waited {seconds} s for {what}\n{log}")

    def incident(self, charger, rule, state=None, seconds=30):
        """Waits for an incident of a rule on a charger, in a state where one is given."""

        def look():
            for incident in self.get(f"/incidents?charger={charger}")["items"]:
                if incident["rule"] == rule and state in (None, incident["state"]):
                    return incident
            return None

        return self.wait_for(look, f"{rule} of {charger} to be {state or 'there'}", seconds)
