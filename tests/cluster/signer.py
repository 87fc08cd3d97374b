"""Certificates of the authority of SYMPOZIUM_TEST_KUBECONFIG, asked for as a kubelet asks for its own."""

from dataclasses import dataclass
from pathlib import Path

from cluster.external import EXTERNAL
from conformance.gateway import administrator, signed
from sympozium.kube.kubeconfig import load

NODES = "system:nodes"
TLS = ("digital signature", "key encipherment")


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: Path
    key: Path


class Signer:
    """What tests ask of localkube's CertificateAuthority, of another server."""

    def __init__(self, directory: Path) -> None:
        access = load(Path(EXTERNAL))
        self._admin = administrator(access)
        self.certificate_pem = access.ca or b""
        self.certificate_path = directory / "ca.crt"
        self.certificate_path.write_bytes(self.certificate_pem)

    def issue(self, name: str, groups: list[str], path: Path) -> Pair:
        """Of a client."""
        node = groups == [NODES]
        signer = "kubernetes.io/kube-apiserver-client" + ("-kubelet" if node else "")
        return _write(path, *signed(self._admin, name, groups[0], signer, *TLS, "client auth"))

    def issue_server(self, name: str, addresses: list[str], *, path: Path) -> Pair:
        """Of a node's own endpoint."""
        signer = "kubernetes.io/kubelet-serving"
        subject = f"system:node:{name}"
        return _write(
            path, *signed(self._admin, subject, NODES, signer, *TLS, "server auth", addresses=addresses)
        )


def _write(path: Path, certificate: bytes, key: bytes) -> Pair:
    pair = Pair(path.with_suffix(".crt"), path.with_suffix(".key"))
    pair.certificate.write_bytes(certificate)
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(key)
    return pair
