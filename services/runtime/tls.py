"""Certificates of a server, renewed while it runs."""

from collections.abc import Iterator
from pathlib import Path

import grpc
from rlhf.credentials import check_authority, check_pair
from rlhf.watched import Watched

from services.runtime.errors import InvalidInput, Problem
from services.runtime.settings import ListenSettings


def server_credentials(settings: ListenSettings) -> grpc.ServerCredentials | None:
    """None: no TLS. Each new connection is met with the files as they are then. Raises InvalidInput."""
    if settings.tls_cert is None:
        return None
    files = [file for file in (settings.tls_key, settings.tls_cert, settings.tls_client_ca) if file]
    certificates = Watched(files, lambda: _read(settings, files)).value
    return grpc.dynamic_ssl_server_credentials(certificates(), certificates, settings.tls_client_ca is not None)


def _read(settings: ListenSettings, files: list[Path]) -> grpc.ServerCertificateConfiguration:
    if problems := list(_problems(settings)):  # e.g. a new certificate beside the key of the old one
        raise InvalidInput(*problems)
    key, cert, *client_ca = [file.read_bytes() for file in files]
    return grpc.ssl_server_certificate_configuration([(key, cert)], *client_ca)


def _problems(settings: ListenSettings) -> Iterator[Problem]:
    cert, client_ca = settings.tls_cert, settings.tls_client_ca
    assert cert is not None, "who asks wants TLS"
    try:
        check_pair(cert, settings.tls_key)
    except (OSError, ValueError) as error:
        yield Problem("tls_cert", str(cert), f"a certificate and its key in PEM, without a password ({error})")
    try:
        if client_ca:
            check_authority(client_ca)
    except (OSError, ValueError) as error:
        yield Problem("tls_client_ca", str(client_ca), f"certificates in PEM ({error})")
