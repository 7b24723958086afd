"""The program with every security profile: a listener for passwords, one for TLS, one for mTLS."""

import pathlib
import ssl
from typing import TypeVar

from authority import OPERATOR, Authority, Pair, client
from csms import Csms
from kit import free_port
from station import Station

PASSWORD = "a-password-of-the-charger"

Any16or2 = TypeVar("Any16or2", bound=Station)


class TlsCsms(Csms):
    """Profile 1 is at `ocpp_url`, 2 and 3 at the others; `authority` signs all certificates."""

    def __init__(self) -> None:
        super().__init__()
        folder = pathlib.Path(self.folder.name)
        self.authority = Authority(folder, "authority")
        server = self.authority.server()
        ports = free_port(), free_port()
        self.tls_url, self.mutual_url = (f"wss://localhost:{port}/ocpp" for port in ports)
        settings = folder / "mendpoint.toml"
        settings.write_text(
            f"""
            [ocpp]
            operator_name = "{OPERATOR}"
            ca_certificate = "{self.authority.root.certificate}"
            ca_key = "{self.authority.root.key}"
            [[ocpp.listeners]]
            listen = "127.0.0.1:{self.ocpp_port}"
            profile = 1
            [[ocpp.listeners]]
            listen = "127.0.0.1:{ports[0]}"
            profile = 2
            certificate = "{server.certificate}"
            key = "{server.key}"
            [[ocpp.listeners]]
            listen = "127.0.0.1:{ports[1]}"
            profile = 3
            certificate = "{server.certificate}"
            key = "{server.key}"
            client_ca = "{self.authority.root.certificate}"
            """
        )
        self.command += ["--config", str(settings)]

    def with_tls(self, station: Station, context: ssl.SSLContext) -> None:
        """Has a charger connect by TLS, with its password."""
        station.url, station.tls = self.tls_url, context

    def with_certificate(self, station: Station, context: ssl.SSLContext) -> None:
        """Has a charger connect by TLS with a certificate of its own."""
        station.url, station.tls, station.password = self.mutual_url, context, None

    def pair_of(self, station: Station) -> Pair:
        """The charger's key, and where its certificate is to be written."""
        folder = self.authority.folder
        return Pair(folder / f"{station.identity}.pem", folder / f"{station.identity}.key")


def secure(csms: TlsCsms, station: Any16or2) -> Any16or2:
    """Registers a charger with a password, and has it connect by TLS."""
    csms.post("/chargers", {"identity": station.identity, "password": PASSWORD})
    station.password = PASSWORD
    csms.with_tls(station, client(csms.authority))
    return station
