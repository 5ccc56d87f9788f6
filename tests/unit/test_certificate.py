"""Certificates of a server: what is taken, and how each mistake is told before anybody calls."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from fakes.certified import Certified, Pair
from thinkaloud_server.app.certificate import read_certificate
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.config_tls import TlsSection

DAY = timedelta(days=1)


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


def section(pair: Pair, client_ca: Path | None = None) -> TlsSection:
    return TlsSection(certificate_file=pair.certificate, key_file=pair.key, client_ca_file=client_ca)


@pytest.mark.parametrize("kind", [trustme.KeyType.RSA, trustme.KeyType.ECDSA])
def test_a_certificate_of_today_is_taken(kind: trustme.KeyType, certified: Certified) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + 90 * DAY
    found = read_certificate(section(certified.pair("it", key_type=kind, not_after=ends)))
    assert found.expires_at_s == ends.timestamp()
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert found.context.verify_mode is ssl.CERT_NONE
    assert "PRIVATE" not in repr(found)


def test_callers_are_asked_for_theirs_where_somebody_signs_them(certified: Certified) -> None:
    found = read_certificate(section(certified.server, certified.ca_file))
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.client_ca == certified.ca_file.read_bytes()


def test_certificate_and_key_may_be_one_file(certified: Certified) -> None:
    both = certified.folder / "both.pem"
    both.write_bytes(certified.server.key.read_bytes() + certified.server.certificate.read_bytes())
    assert read_certificate(section(Pair(both, both))).expires_at_s


def test_one_that_ends_soon_is_told_in_its_last_fifth(certified: Certified) -> None:
    begins, ends = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC).replace(microsecond=0) + 90 * DAY
    found = read_certificate(section(certified.pair("it", not_before=begins, not_after=ends)))
    life_s = (ends - begins).total_seconds()
    assert not found.caution(ends.timestamp() - 0.21 * life_s)
    assert found.caution(ends.timestamp() - 0.19 * life_s) == (
        f"tls.certificate_file: the certificate expires at {ends:%Y-%m-%dT%H:%M:%SZ}, and was not renewed yet"
    )


def _missing(certified: Certified) -> TlsSection:
    return section(Pair(certified.folder / "none.pem", certified.server.key))


def _folder(certified: Certified) -> TlsSection:
    return section(Pair(certified.server.certificate, certified.folder))


def _mismatched(certified: Certified) -> TlsSection:
    return section(Pair(certified.server.certificate, certified.pair("other").key))


def _exchanged(certified: Certified) -> TlsSection:
    return section(Pair(certified.server.key, certified.server.certificate))


def _no_key(certified: Certified) -> TlsSection:
    return section(Pair(certified.server.certificate, certified.server.certificate))


def _huge(certified: Certified) -> TlsSection:
    certified.server.key.write_bytes(b"x" * 2_000_000)
    return section(certified.server)


def _encrypted(certified: Certified) -> TlsSection:
    key = serialization.load_pem_private_key(certified.server.key.read_bytes(), None)
    kind = serialization.BestAvailableEncryption(b"canary")
    form = serialization.PrivateFormat.PKCS8
    certified.server.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, kind))
    return section(certified.server)


def _expired(certified: Certified) -> TlsSection:
    now = datetime.now(UTC)
    return section(certified.pair("it", not_before=now - 2 * DAY, not_after=now - DAY))


def _early(certified: Certified) -> TlsSection:
    now = datetime.now(UTC)
    return section(certified.pair("it", not_before=now + DAY, not_after=now + 2 * DAY))


def _of_key(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, certified: Certified) -> TlsSection:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    form, encrypted = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    certified.server.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    certified.server.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encrypted))
    return section(certified.server)


def _ed25519(certified: Certified) -> TlsSection:
    return _of_key(ed25519.Ed25519PrivateKey.generate(), certified)


def _p521(certified: Certified) -> TlsSection:
    return _of_key(ec.generate_private_key(ec.SECP521R1()), certified)


def _no_ca(certified: Certified) -> TlsSection:
    return section(certified.server, certified.server.key)


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (_missing, r"tls\.certificate_file: .*none\.pem: No such file or directory"),
        (_folder, r"tls\.key_file: .*: Is a directory"),
        (_huge, r"tls\.key_file: .*server\.key: larger than"),
        (_mismatched, r"tls\.key_file: .*other\.key: the key does not belong to the certificate in .*server\.pem"),
        (_exchanged, r"tls\.certificate_file: .*server\.key: holds no certificate in PEM form"),
        (_no_key, r"tls\.key_file: .*server\.pem: holds no private key in PEM form"),
        (_encrypted, r"tls\.key_file: .*server\.key: the key is encrypted"),
        (_expired, r"tls\.certificate_file: .*it\.pem: certificate has expired"),
        (_early, r"tls\.certificate_file: .*it\.pem: certificate is not yet valid"),
        (_ed25519, r"tls\.certificate_file: .*server\.pem: .*gRPC.*refuse.* take RSA, P-256 or P-384"),
        (_p521, r"tls\.certificate_file: .*server\.pem: .*gRPC.*refuse.* take RSA, P-256 or P-384"),
        (_no_ca, r"tls\.client_ca_file: .*server\.key: holds no certificate in PEM form"),
    ],
)
def test_a_mistake_is_told_by_key_and_file_and_never_by_what_is_in_it(
    mistake: Callable[[Certified], TlsSection], told: str, certified: Certified
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        read_certificate(mistake(certified))
    assert "-----" not in str(caught.value)
    assert "canary" not in str(caught.value)
