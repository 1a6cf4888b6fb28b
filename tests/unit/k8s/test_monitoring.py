"""What monitoring is given: all dashboards and rules that are generated, and a way to every pod that has metrics."""

from pathlib import Path

import yaml

from tests.unit.k8s.manifests import DEPLOYED, K8S, named, of_kind, pods

ROOT = K8S.parent
PRODUCTION = "overlays/production"


def test_every_dashboard_is_provisioned() -> None:
    provisioned = named(PRODUCTION, "ConfigMap", "rlhf-dashboards")
    assert provisioned["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = {file.name: file.read_text() for file in (ROOT / "monitoring/dashboards").glob("*.json")}
    assert provisioned["data"] == files
    assert sum(len(text.encode()) for text in files.values()) < 900_000, "a ConfigMap holds 1 MiB"


def test_the_data_source_is_provisioned() -> None:
    provisioned = named(PRODUCTION, "ConfigMap", "rlhf-datasource")
    (source,) = yaml.safe_load(provisioned["data"]["datasource.yaml"])["datasources"]
    assert provisioned["metadata"]["labels"]["grafana_datasource"] == "1"
    assert source["type"] == "prometheus"


def test_the_rules_are_the_generated_ones() -> None:
    (rule,) = of_kind(PRODUCTION, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "monitoring/rules/rlhf.yaml").read_text())


def test_the_pod_monitor_selects_every_pod_with_metrics() -> None:
    (monitor,) = of_kind(PRODUCTION, "PodMonitor")
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    found = [
        who
        for who, pod in pods(PRODUCTION)
        if selector <= pod["metadata"]["labels"].items()
        and endpoint["port"] in [port["name"] for c in pod["spec"]["containers"] for port in c.get("ports", ())]
    ]
    assert found == [f"Deployment/rlhf-{service}" for service in sorted(DEPLOYED)]


def test_plain_discovery_keeps_by_the_same_label_and_port() -> None:
    (monitor,) = of_kind(PRODUCTION, "PodMonitor")
    (job,) = yaml.safe_load(Path(K8S / "components/monitoring/prometheus.yaml").read_text())["scrape_configs"]
    kept = {rule["source_labels"][0]: rule["regex"] for rule in job["relabel_configs"] if rule.get("action") == "keep"}
    ((label, value),) = monitor["spec"]["selector"]["matchLabels"].items()
    assert kept == {
        "__meta_kubernetes_pod_label_" + label.translate(str.maketrans("./-", "___")): value,
        "__meta_kubernetes_pod_container_port_name": monitor["spec"]["podMetricsEndpoints"][0]["port"],
    }
