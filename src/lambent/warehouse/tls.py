"""The platform's own certificate authority and the warehouse's certificate, made once and kept."""

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lambent.lazy import Lazy

httpsession = Lazy("botocore.httpsession")  # for machines that have no list of authorities

AUTHORITY_DAYS = 3650
SERVER_DAYS = 730
RENEWAL_DAYS = 90  # a start within so many days of the end makes a new certificate
ALWAYS = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Tls:
    """What a server needs to speak TLS, and the file by which its clients trust it."""

    context: ssl.SSLContext
    bundle: Path  # the authorities that the machine trusts, and ours: for SSL_CERT_FILE


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def load_or_create(folder: Path, names: Iterable[str]) -> Tls:
    """The TLS of a server that is reached by `names` (IP addresses or host names), kept in `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _load(folder / "ca") or _create(folder / "ca", None, ())
    wanted = sorted({*ALWAYS, *names})
    server = _load(folder / "server")
    if server is None or not _serves(server.certificate, wanted, authority.certificate):
        _create(folder / "server", authority, wanted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Tls(context, _bundle(folder, authority.certificate))


def _load(stem: Path) -> _Pair | None:
    """A kept pair; None if there is none, or only half of one because a node died while making it."""
    try:
        certificate = x509.load_pem_x509_certificate(stem.with_suffix(".pem").read_bytes())
        key = serialization.load_pem_private_key(stem.with_suffix(".key").read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _Pair(certificate, key) if certificate.public_key() == key.public_key() else None


def _serves(certificate: x509.Certificate, wanted: list[str], authority: x509.Certificate) -> bool:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}
    held |= set(names.get_values_for_type(x509.DNSName))
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    ours = certificate.issuer == authority.subject and left.days >= RENEWAL_DAYS
    return ours and held >= set(wanted)


def _create(stem: Path, authority: _Pair | None, names: Iterable[str]) -> _Pair:
    """A new pair, signed by `authority`, or by itself as an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = key if authority is None else authority.key
    now = datetime.datetime.now(datetime.UTC)
    serial = x509.random_serial_number()
    # Two authorities of one name confuse a client that trusts both: a part of the number tells them apart.
    subject = _name(f"Lambent authority {serial % 2**32:08x}" if authority is None else "Lambent warehouse")
    days = AUTHORITY_DAYS if authority is None else SERVER_DAYS
    builder = x509.CertificateBuilder(
        issuer_name=subject if authority is None else authority.certificate.subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=serial,
        not_valid_before=now - datetime.timedelta(days=1),
        not_valid_after=now + datetime.timedelta(days=days),
    )
    extensions = _authority_extensions() if authority is None else _server_extensions(names)
    extensions.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(signer, hashes.SHA256())
    _write(stem.with_suffix(".key"), _pem(key), 0o600)
    _write(stem.with_suffix(".pem"), certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return _Pair(certificate, key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(ca=True, path_length=0), True), (_usage(signs_others=True), True)]


def _server_extensions(names: Iterable[str]) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_others=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
    ]


def _usage(*, signs_others: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_others,
        key_cert_sign=signs_others,
        crl_sign=signs_others,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file whole; a secret is never readable by others, not even for a moment."""
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _bundle(folder: Path, authority: x509.Certificate) -> Path:
    """A file with what the machine trusts (or botocore's list where the machine has none) and ours."""
    trusted = Path(ssl.get_default_verify_paths().cafile or httpsession.where())
    path = folder / "bundle.pem"
    wanted = trusted.read_bytes() + b"\n" + authority.public_bytes(serialization.Encoding.PEM)
    if not path.exists() or path.read_bytes() != wanted:
        _write(path, wanted, 0o644)
    return path
