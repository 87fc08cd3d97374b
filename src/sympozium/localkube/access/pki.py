"""The certificates and keys of one data directory, `DIR/pki`.

    ca.{crt,key}                         signs all others; also `certificate-authority` of kubeconfigs
    apiserver.{crt,key}                  127.0.0.1, localhost, ::1, kubernetes.default.svc...
    admin.{crt,key}                      system:masters, for DIR/kubeconfig
    admin.token                          the same user, for what cannot carry a certificate (a browser's session)
    apiserver-kubelet-client.{crt,key}   how the API server is known to the node's log endpoint
    sa.key                               RS256 key of ServiceAccount tokens

Made once, private (0600, directory 0700), replaced when a third of their life is left or when the CA
above them is another one. A file appears with its content or not at all, and a key before its
certificate, so being killed in between leaves a pair that `pair` notices and makes again. EC P-256 for
certificates, since it is made in a millisecond; RSA for tokens, since RS256 is what every verifier
of Kubernetes tokens reads.
"""

import datetime as dt
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sympozium.localkube import earlykey
from sympozium.privatefile import write_private

CA_DAYS = 3650
LEAF_DAYS = 365
ADMIN = "kubernetes-admin"
ADMIN_GROUPS = ("system:masters",)
SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "127.0.0.1",
    "::1",
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Paths of a certificate and its key, both PEM."""

    certificate: Path
    key: Path


class CertificateAuthority:
    """The CA of a data directory. Opening it makes the directory, the CA and the standing certificates."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        self._certificate, self._key = self._load_or_make_ca()
        self.serving = self.issue_server("apiserver", SERVER_NAMES)
        self.admin = self.issue(ADMIN, ADMIN_GROUPS, directory / "admin")
        self.kubelet_client = self.issue(
            "kube-apiserver-kubelet-client", ("system:masters",), directory / "apiserver-kubelet-client"
        )

    @property
    def certificate_path(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def certificate_pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, cn: str, orgs: Sequence[str], path: Path, *, days: int = LEAF_DAYS) -> KeyPair:
        """A client certificate at `path`.crt and `path`.key: user `cn`, groups `orgs`.

        What is there already is kept while it is for the same user, from this CA and not near its end.
        """
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, org) for org in orgs]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, cn)])
        return self._pair(path, subject, (), ExtendedKeyUsageOID.CLIENT_AUTH, days)

    def issue_server(
        self,
        name: str,
        hosts: Sequence[str],
        *,
        path: Path | None = None,
        cn: str = "kube-apiserver",
        orgs: Sequence[str] = (),
        days: int = LEAF_DAYS,
    ) -> KeyPair:
        """A serving certificate for `hosts` (names and addresses), by default at DIR/pki/`name`.{crt,key}."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, org) for org in orgs]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, cn)])
        return self._pair(
            path or self.directory / name, subject, hosts, ExtendedKeyUsageOID.SERVER_AUTH, days
        )

    def admin_token(self) -> str:
        """The administrator's bearer token, made at the first call."""
        path = self.directory / "admin.token"
        if path.exists() and (token := path.read_text().strip()):
            return token
        token = secrets.token_urlsafe(32)
        write_private(path, token)
        return token

    def service_account_key(self) -> rsa.RSAPrivateKey:
        """The signing key of ServiceAccount tokens, made at the first call."""
        path = self.directory / "sa.key"
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise ValueError(f"{path}: not an RSA key; remove it to have a new one made")
            return key
        made = earlykey.take()
        write_private(path, _key_pem(made))
        return made

    def _load_or_make_ca(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        certificate_path, key_path = self.certificate_path, self.directory / "ca.key"
        if certificate_path.exists() and key_path.exists():
            certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{key_path}: not an EC key; remove ca.crt and ca.key to have new ones made")
            if certificate.public_key() == key.public_key() and _fresh(certificate):
                return certificate, key
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localkube-ca")])
        builder = _builder(subject, subject, key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(ca=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        certificate = builder.sign(key, hashes.SHA256())
        write_private(key_path, _key_pem(key))
        write_private(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate, key

    def _pair(
        self, path: Path, subject: x509.Name, hosts: Sequence[str], usage: x509.ObjectIdentifier, days: int
    ) -> KeyPair:
        pair = KeyPair(path.with_name(path.name + ".crt"), path.with_name(path.name + ".key"))
        alternative = [_general_name(host) for host in hosts]
        if self._usable(pair, subject, alternative):
            return pair
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._certificate.subject, key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        write_private(pair.key, _key_pem(key))
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        return pair

    def _usable(self, pair: KeyPair, subject: x509.Name, hosts: Sequence[x509.GeneralName]) -> bool:
        """Whether what is on disk can stay: asked on each start, so that nothing needs a renewal job."""
        if not (pair.certificate.exists() and pair.key.exists()):
            return False
        try:
            certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
            certificate.verify_directly_issued_by(self._certificate)
        except InvalidSignature:
            return False  # from another CA: ca.key was replaced
        except (ValueError, TypeError, x509.InvalidVersion) as error:
            raise ValueError(f"{pair.certificate}: {error}; remove it to have a new one made") from error
        same_key = (
            isinstance(key, ec.EllipticCurvePrivateKey) and certificate.public_key() == key.public_key()
        )
        return (
            same_key
            and certificate.subject == subject
            and _hosts(certificate) == set(hosts)
            and _fresh(certificate)
        )


def subject_of(certificate_der: bytes) -> tuple[str, tuple[str, ...]]:
    """Common name and organizations of a client certificate: Kubernetes' user and groups."""
    subject = x509.load_der_x509_certificate(certificate_der).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    orgs = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return (_text(names[0].value) if names else "", tuple(_text(org.value) for org in orgs))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _fresh(certificate: x509.Certificate) -> bool:
    now = _now()
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - life / 3


def _hosts(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # Clocks of clients on the same machine agree; an hour covers a machine that was just set right.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
