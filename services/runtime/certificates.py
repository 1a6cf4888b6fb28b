"""How long this process's certificate is valid."""

from pathlib import Path

from cryptography import x509

from services.runtime.definitions import gauge

NOT_AFTER = gauge(
    "rlhf_certificate_not_after_timestamp_seconds",
    "unix seconds",
    "When a certificate of this process ends to be valid; absent without TLS",
    ("certificate",),
)

_not_after = NOT_AFTER.on()


def show_expiry(certificate: Path) -> None:
    """The file is read at every scrape: it is renewed while the process runs."""
    _not_after.labels("server").set_function(lambda: not_after(certificate))


def not_after(certificate: Path) -> float:
    """Seconds since the epoch; NaN where the file cannot be read, as while it is being replaced."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return float("nan")
