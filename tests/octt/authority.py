"""A small certificate authority, made with `openssl`: the operator's, or a stranger's."""

import pathlib
import ssl
import subprocess
from dataclasses import dataclass

OPERATOR = "OCTT Operator"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: pathlib.Path
    key: pathlib.Path


def openssl(*arguments: str | pathlib.Path) -> None:
    """Runs the program; its words are shown only when it fails."""
    ran = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


NEW_KEY = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"


class Authority:
    """Signs servers and chargers."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.root = Pair(self.folder / "root.pem", self.folder / "root.key")
        openssl(
            "req", "-x509", *NEW_KEY, "-days", "30", "-subj", f"/O={OPERATOR}/CN={name}",
            "-keyout", self.root.key, "-out", self.root.certificate,
        )  # fmt: skip

    def server(self) -> Pair:
        """A certificate of a server on this machine."""
        return self.sign("server", "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")

    def charger(self, identity: str) -> Pair:
        """A certificate of a charger."""
        return self.sign(identity, identity, "extendedKeyUsage=clientAuth")

    def sign(self, name: str, common_name: str, extension: str) -> Pair:
        """A new key, and a certificate for it."""
        request = self.request(name, common_name)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(extension + "\n")
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        openssl(
            "x509", "-req", "-in", request, "-days", "30", "-CAcreateserial",
            "-CA", self.root.certificate, "-CAkey", self.root.key,
            "-extfile", extensions, "-out", pair.certificate,
        )  # fmt: skip
        return pair

    def request(self, name: str, common_name: str) -> pathlib.Path:
        """A new key, and a request for a certificate; both stay in the folder."""
        request = self.folder / f"{name}.csr"
        openssl(
            "req", "-new", *NEW_KEY, "-subj", f"/O={OPERATOR}/CN={common_name}",
            "-keyout", self.folder / f"{name}.key", "-out", request,
        )  # fmt: skip
        return request


def client(trusted: Authority, own: Pair | None = None) -> ssl.SSLContext:
    """How a charger connects: whom it trusts, and what it shows of itself."""
    context = ssl.create_default_context(cafile=str(trusted.root.certificate))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context
