"""Takes docs/images/walk and docs/images/gateway anew; some five minutes on two cores."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import rlhf

from services.local import Services
from tests.e2e.front_door import front_door
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
        with front_door(services, folder / "locked", {"RLHF_TOKENS": TOKENS}) as locked:
            take_all(browser, services.gateway_url, locked, run, images / "gateway")
    return report(images)


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
