"""Certificates: made once, private, verifiable, renewed when they must be."""

import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sympozium.localkube.access.pki import CertificateAuthority, subject_of


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_what_is_made_is_private_and_stays(tmp_path):
    first = CertificateAuthority(tmp_path / "pki")
    key = first.service_account_key()
    before = {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "pki").iterdir())
    second = CertificateAuthority(tmp_path / "pki")
    assert {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()} == before
    assert second.service_account_key().public_key() == key.public_key()


def test_users_and_groups_are_in_the_subject(tmp_path):
    authority = CertificateAuthority(tmp_path / "pki")
    pair = authority.issue("system:node:n1", ("system:nodes", "more"), tmp_path / "node")
    der = load(pair.certificate).public_bytes(Encoding.DER)
    assert subject_of(der) == ("system:node:n1", ("system:nodes", "more"))
    admin = load(authority.admin.certificate).public_bytes(Encoding.DER)
    assert subject_of(admin) == ("kubernetes-admin", ("system:masters",))


def test_a_client_and_the_server_trust_each_other(tmp_path):
    authority = CertificateAuthority(tmp_path / "pki")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.serving.certificate, authority.serving.key)
    server.load_verify_locations(authority.certificate_path)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(authority.certificate_path))
    client.load_cert_chain(authority.admin.certificate, authority.admin.key)
    for host in ("127.0.0.1", "localhost", "::1", "kubernetes.default.svc"):
        handshake(server, client, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "elsewhere.example")


def handshake(server_context, client_context, host):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    done = set()
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
        if len(done) == 2:
            return
    raise AssertionError("no handshake")


def test_other_hosts_give_another_certificate_and_the_same_ones_do_not(tmp_path):
    authority = CertificateAuthority(tmp_path / "pki")
    first = authority.issue_server("node", ["127.0.0.1"]).certificate.read_bytes()
    assert authority.issue_server("node", ["127.0.0.1"]).certificate.read_bytes() == first
    assert authority.issue_server("node", ["127.0.0.1", "node"]).certificate.read_bytes() != first


def test_a_new_authority_replaces_what_the_old_one_signed(tmp_path):
    old = CertificateAuthority(tmp_path / "pki").serving.certificate.read_bytes()
    (tmp_path / "pki" / "ca.key").unlink()
    renewed = CertificateAuthority(tmp_path / "pki")
    assert renewed.serving.certificate.read_bytes() != old
    load(renewed.serving.certificate).verify_directly_issued_by(load(renewed.certificate_path))


def test_a_certificate_near_its_end_is_renewed(tmp_path, monkeypatch):
    authority = CertificateAuthority(tmp_path / "pki")
    first = authority.issue("u", (), tmp_path / "u", days=30).certificate.read_bytes()
    assert authority.issue("u", (), tmp_path / "u", days=30).certificate.read_bytes() == first

    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=21)
    monkeypatch.setattr("sympozium.localkube.access.pki._now", lambda: later)
    assert authority.issue("u", (), tmp_path / "u", days=30).certificate.read_bytes() != first


def test_killed_between_key_and_certificate_the_pair_is_made_again(tmp_path):
    authority = CertificateAuthority(tmp_path / "pki")
    pair = authority.issue("u", (), tmp_path / "u")
    other = authority.issue("v", (), tmp_path / "v")
    pair.key.write_bytes(other.key.read_bytes())
    again = authority.issue("u", (), tmp_path / "u")
    context = ssl.create_default_context()
    context.load_cert_chain(again.certificate, again.key)


def test_an_unreadable_file_is_named(tmp_path):
    authority = CertificateAuthority(tmp_path / "pki")
    authority.serving.certificate.write_text("nonsense")
    with pytest.raises(ValueError, match=r"apiserver\.crt: .*remove it"):
        CertificateAuthority(tmp_path / "pki")
