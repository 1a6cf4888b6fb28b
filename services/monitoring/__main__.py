"""Writes docs/metrics.md and monitoring/; with `--check` says what is not as it would be written."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from services.monitoring.alerts import rules
from services.monitoring.dashboards import DASHBOARDS
from services.monitoring.document import metrics_page

ROOT = Path(__file__).parents[2]
GENERATED = "# Written by `make monitoring` from services/monitoring/alerts.py.\n"


def files() -> Iterator[tuple[Path, str]]:
    yield ROOT / "docs/metrics.md", metrics_page()
    for dashboard in DASHBOARDS:
        yield ROOT / f"monitoring/dashboards/{dashboard.uid}.json", json.dumps(dashboard.json(), indent=1) + "\n"
    yield ROOT / "monitoring/rules/rlhf.yaml", GENERATED + _yaml(rules())
    yield ROOT / "monitoring/rules/prometheusrule.yaml", GENERATED + _yaml(prometheus_rule())


def prometheus_rule() -> dict[str, Any]:
    """The same rules for Prometheus' operator."""
    metadata = {"name": "rlhf", "labels": {"app.kubernetes.io/part-of": "rlhf"}}
    kind = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule"}
    return {**kind, "metadata": metadata, "spec": rules()}


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Blocks, sort_keys=False, width=1000)


class _Blocks(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)


def main(check: bool) -> int:
    stale = [(path, text) for path, text in files() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(f"{path.relative_to(ROOT)} {'is not as `make monitoring` would write it' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
