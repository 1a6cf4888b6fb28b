"""How long a certificate is valid, as it is scraped."""

import math
from pathlib import Path

from cryptography import x509
from prometheus_client import REGISTRY

from services.runtime.certificates import not_after, show_expiry
from tests.certificates import Authority


def test_the_end_of_the_certificate_is_read_at_every_scrape(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("server")
    show_expiry(pair.cert)

    def scraped() -> float | None:
        name, labels = "rlhf_certificate_not_after_timestamp_seconds", {"certificate": "server"}
        return REGISTRY.get_sample_value(name, labels)

    until = x509.load_pem_x509_certificate(pair.cert.read_bytes()).not_valid_after_utc
    assert scraped() == until.timestamp()
    pair.cert.unlink()
    assert math.isnan(scraped() or 0.0)


def test_a_file_that_is_being_replaced_gives_no_number(tmp_path: Path) -> None:
    (tmp_path / "half.crt").write_text("-----BEGIN CERTIFICATE-----")
    assert math.isnan(not_after(tmp_path / "half.crt"))
