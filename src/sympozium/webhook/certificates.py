"""The webhook's own CA and certificate, as values. No I/O.

EC P-256, made in a millisecond. The CA lives ten years and the certificate one; either is renewed when two thirds
of its life are over, so a renewal that fails for months is noticed before it hurts. When the CA is renewed the old one stays
in the bundle: replicas that have not yet loaded the new certificate are still trusted.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE: Final = timedelta(days=3650)
LEAF_LIFE: Final = timedelta(days=365)
_SKEW: Final = timedelta(minutes=5)
"""Clocks of other machines may be behind."""

CA_BUNDLE, CERTIFICATE, KEY, CA_KEY = "ca.crt", "tls.crt", "tls.key", "ca.key"


@dataclass(frozen=True, slots=True)
class Material:
    """What the Secret holds, PEM: the CAs to trust (newest first), the CA's key, certificate and key."""

    ca_bundle: bytes
    ca_key: bytes
    certificate: bytes
    key: bytes

    @classmethod
    def from_data(cls, data: Mapping[str, bytes]) -> Self | None:
        """From the keys of the Secret, or None when one is missing."""
        try:
            return cls(data[CA_BUNDLE], data[CA_KEY], data[CERTIFICATE], data[KEY])
        except KeyError:
            return None

    def to_data(self) -> dict[str, bytes]:
        return {
            CA_BUNDLE: self.ca_bundle,
            CA_KEY: self.ca_key,
            CERTIFICATE: self.certificate,
            KEY: self.key,
        }


def renewed(
    material: Material | None, hosts: Iterable[str], *, now: datetime, serving: Material | None = None
) -> Material | None:
    """What should replace `material`, or None when it will do.

    Unreadable or missing material is replaced whole; the CAs of what is being `serving` stay trusted beside the new
    one, until every replica has taken the new certificate. A certificate that lacks one of `hosts` gets them all.
    """
    wanted = set(hosts)
    held = _loaded(material) if material else None
    if held is None:
        old = _loaded(serving) if serving else None
        kept = [authority for authority in old[0] if authority.not_valid_after_utc > now] if old else []
        return _issue(*_new_ca(now), wanted, now=now, older=kept)
    authorities, ca_key, leaf = held
    if _is_old(authorities[0], now):
        kept = [old for old in authorities if old.not_valid_after_utc > now]
        return _issue(*_new_ca(now), wanted, now=now, older=kept)
    if _is_old(leaf, now) or not wanted <= _hosts(leaf):
        return _issue(authorities[0], ca_key, wanted | _hosts(leaf), now=now, older=authorities[1:])
    return None


def _loaded(
    material: Material,
) -> tuple[list[x509.Certificate], ec.EllipticCurvePrivateKey, x509.Certificate] | None:
    """The CAs, the key of the first and the certificate; None when they cannot be read or do not fit together."""
    try:
        authorities = x509.load_pem_x509_certificates(material.ca_bundle)
        leaf = x509.load_pem_x509_certificate(material.certificate)
        ca_key = serialization.load_pem_private_key(material.ca_key, None)
        own = serialization.load_pem_private_key(material.key, None)
        leaf.verify_directly_issued_by(authorities[0])
        _hosts(leaf)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return None
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        return None
    fits = own.public_key() == leaf.public_key() and ca_key.public_key() == authorities[0].public_key()
    return (authorities, ca_key, leaf) if fits else None


def _is_old(certificate: x509.Certificate, now: datetime) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begin + (end - begin) * 2 / 3


def _hosts(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta) -> x509.CertificateBuilder:  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )


def _new_ca(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The name carries the date: two CAs in one bundle must not be taken for each other.
    subject = f"sympozium-webhook-ca-{now.astimezone(UTC):%Y%m%d%H%M%S}"
    certificate = (
        _builder(subject, _name(subject), key, now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return certificate, key


def _issue(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: set[str],
    *,
    now: datetime,
    older: Iterable[x509.Certificate] = (),
) -> Material:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("sympozium-webhook", authority.subject, key, now, LEAF_LIFE)
        .add_extension(
            x509.SubjectAlternativeName([_general(host) for host in sorted(hosts)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Material(
        ca_bundle=b"".join(certificate.public_bytes(pem) for certificate in (authority, *older)),
        ca_key=_private(authority_key),
        certificate=certificate.public_bytes(pem),
        key=_private(key),
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
