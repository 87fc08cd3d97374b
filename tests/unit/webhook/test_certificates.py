import contextlib
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sympozium.webhook.certificates import CA_LIFE, LEAF_LIFE, Material, renewed

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HOSTS = ["sympozium-webhook.sympozium-system.svc", "127.0.0.1"]


def made(now: datetime = NOW) -> Material:
    material = renewed(None, HOSTS, now=now)
    assert material is not None
    return material


def authorities(material: Material) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(material.ca_bundle)


def test_a_good_certificate_is_left_alone() -> None:
    assert renewed(made(), HOSTS, now=NOW + timedelta(days=200)) is None
    assert Material.from_data(made().to_data()) is not None
    assert Material.from_data({"tls.crt": b""}) is None


def test_it_is_renewed_when_two_thirds_are_over_under_the_same_authority() -> None:
    old = made()
    fresh = renewed(old, HOSTS, now=NOW + LEAF_LIFE * 2 / 3 + timedelta(days=1))
    assert fresh is not None
    assert fresh.ca_bundle == old.ca_bundle
    assert fresh.certificate != old.certificate


def test_an_old_authority_stays_trusted_beside_the_new_one() -> None:
    old = made()
    later = NOW + CA_LIFE * 2 / 3 + timedelta(days=1)
    fresh = renewed(old, HOSTS, now=later)
    assert fresh is not None
    both = authorities(fresh)
    assert both[1:] == authorities(old)
    assert both[0].subject != both[1].subject
    assert renewed(fresh, HOSTS, now=later) is None
    again = renewed(fresh, HOSTS, now=later + CA_LIFE)
    assert again is not None
    assert len(authorities(again)) == 1


def test_what_is_being_served_with_stays_trusted_when_the_secret_is_gone() -> None:
    old = made()
    fresh = renewed(None, HOSTS, now=NOW, serving=old)
    assert fresh is not None
    assert authorities(fresh)[1:] == authorities(old)
    assert fresh.ca_key != old.ca_key
    late = renewed(None, HOSTS, now=NOW + CA_LIFE + timedelta(days=1), serving=old)
    assert late is not None
    assert len(authorities(late)) == 1
    damaged = renewed(None, HOSTS, now=NOW, serving=Material(b"x", b"", b"", b""))
    assert damaged is not None
    assert len(authorities(damaged)) == 1


def test_a_new_name_is_added_to_the_others() -> None:
    fresh = renewed(made(), ["other.example"], now=NOW)
    assert fresh is not None
    assert renewed(fresh, [*HOSTS, "other.example"], now=NOW) is None


def test_a_certificate_without_names_is_replaced() -> None:
    """Whoever writes the Secret by hand."""
    held = made()
    ca_key = serialization.load_pem_private_key(held.ca_key, None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    leaf = x509.load_pem_x509_certificate(held.certificate)
    bare = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + LEAF_LIFE)
        .sign(ca_key, hashes.SHA256())
    )
    odd = replace(held, certificate=bare.public_bytes(serialization.Encoding.PEM))
    fresh = renewed(odd, HOSTS, now=NOW)
    assert fresh is not None
    assert renewed(fresh, HOSTS, now=NOW) is None


@pytest.mark.parametrize("field", ["ca_bundle", "ca_key", "certificate", "key"])
def test_what_does_not_fit_together_is_replaced(field: str) -> None:
    parts = made().to_data(), made().to_data()
    names = {"ca_bundle": "ca.crt", "ca_key": "ca.key", "certificate": "tls.crt", "key": "tls.key"}
    mixed = Material.from_data({**parts[0], names[field]: parts[1][names[field]]})
    broken = Material.from_data({**parts[0], names[field]: b"not PEM"})
    for material in (mixed, broken):
        fresh = renewed(material, HOSTS, now=NOW)
        assert fresh is not None
        assert renewed(fresh, HOSTS, now=NOW) is None


def test_a_client_that_knows_the_bundle_believes_the_certificate(tmp_path: Path) -> None:
    material = made(datetime.now(UTC))
    pair = tmp_path / "pair.pem"
    pair.write_bytes(material.key + material.certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair)

    def shake(host: str) -> None:
        client = ssl.create_default_context(cadata=material.ca_bundle.decode())
        wires = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = (
            client.wrap_bio(wires[0], wires[1], server_hostname=host),
            server.wrap_bio(wires[1], wires[0], server_side=True),
        )
        for _ in range(4):
            for end in ends:
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        assert ends[0].version() in ("TLSv1.3", "TLSv1.2")

    shake("127.0.0.1")
    shake("sympozium-webhook.sympozium-system.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake("evil.example")


def test_what_each_certificate_may_be_used_for() -> None:
    material = made()
    (authority,) = authorities(material)
    leaf = x509.load_pem_x509_certificate(material.certificate)

    def of(certificate: x509.Certificate) -> dict[str, tuple[bool, object]]:
        return {one.oid._name: (one.critical, one.value) for one in certificate.extensions}

    assert authority.subject.rfc4514_string() == "CN=sympozium-webhook-ca-20261126000000"
    found = of(authority)
    assert found["basicConstraints"] == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert found["keyUsage"] == (
        True,
        x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        ),
    )  # fmt: skip
    assert not found["subjectKeyIdentifier"][0]
    found = of(leaf)
    assert leaf.subject.rfc4514_string() == "CN=sympozium-webhook"
    assert leaf.issuer == authority.subject
    assert found["basicConstraints"] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert found["extendedKeyUsage"] == (False, x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]))
    assert not found["subjectAltName"][0]


def test_it_is_old_from_two_thirds_of_its_life_on() -> None:
    old = made()
    leaf = x509.load_pem_x509_certificate(old.certificate)
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    due = begin + (end - begin) * 2 / 3
    assert renewed(old, HOSTS, now=due - timedelta(seconds=1)) is None
    assert renewed(old, HOSTS, now=due) is not None


def test_renewed_under_two_authorities_both_stay_trusted() -> None:
    later = NOW + CA_LIFE * 2 / 3 + timedelta(days=1)
    two = renewed(made(), HOSTS, now=later)
    assert two is not None
    again = renewed(two, [*HOSTS, "other.example"], now=later)
    assert again is not None
    assert again.ca_bundle == two.ca_bundle


def test_what_is_read_is_what_was_written() -> None:
    old = made()
    assert Material.from_data(old.to_data()) == old
