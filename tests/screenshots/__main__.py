"""Takes docs/images/walk and docs/images/gateway anew; some five minutes on two cores."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import rlhf

from services.local import Services
from services.local.process import ServiceProcess
from tests.screenshots.document import ROOT, Shell
from tests.screenshots.pages import open_campaigns, take_all
from tests.screenshots.walk import Walk
from tests.unit.gateway.browsing import chromium, visitor

MAX_BYTES = 150_000  # of a picture
TOKENS = f"annotator anna anna-{'0123456789' * 4}"


def main(folder: Path, images: Path) -> int:
    for name in ("walk", "gateway"):
        (images / name).mkdir(parents=True, exist_ok=True)
    with (
        Services(str(folder / "storage"), folder / "services", gateway=True) as services,
        rlhf.Client(**services.connection) as client,
        chromium() as browser,
    ):
        with visitor(browser, services.gateway_url) as person:
            Walk(client, Shell(services.addresses), person, images / "walk").go()
        open_campaigns(client)
        (run,) = [run.id for run in client.runs.list() if run.name == "aligned"]
        with locked_gateway(services, folder) as locked:
            take_all(browser, services.gateway_url, locked, run, images / "gateway")
    return report(images)


@contextmanager
def locked_gateway(services: Services, folder: Path) -> Iterator[str]:
    behind = [f"--{name}={services.addresses[name]}" for name in ("policy", "reward", "trainer", "feedback")]
    gateway = ServiceProcess("gateway", behind, 0, 0, folder / "locked.log", {"RLHF_TOKENS": TOKENS})
    gateway.start()
    try:
        gateway.wait_until_healthy(time.monotonic() + 60)
        yield f"http://{gateway.address}"
    finally:
        gateway.stop(20)


def report(images: Path) -> int:
    """1 where a picture is too large to keep in a repository."""
    sizes = {path.relative_to(images): path.stat().st_size for path in sorted(images.glob("*/*.png"))}
    for path, size in sizes.items():
        print(f"{size / 1000:6.0f} kB  {path}{'  too large' if size > MAX_BYTES else ''}")
    print(f"{sum(sizes.values()) / 1e6:.1f} MB in all")
    return int(max(sizes.values()) > MAX_BYTES)


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary), ROOT / "docs/images"))
