"""Who may do and reach what: budgets, network policies, rights, secrets."""

import re

import pytest

from tests.unit.k8s.manifests import (
    DEPLOYED,
    K8S,
    RENDERED,
    SERVICES,
    Manifest,
    containers,
    named,
    of_kind,
    pods,
    render,
)

# What docs/deploy.md tells people to make, and cert-manager makes.
KNOWN_SECRETS = {
    "rlhf-object-store",
    "rlhf-tokens",
    "rlhf-token-operator",
    "rlhf-token-worker",
    "rlhf-token-feedback",
    "rlhf-session-key",
    "rlhf-tls",
    "rlhf-worker-tls",
}
LONG_RANDOM = re.compile(r"\b(?=[A-Za-z0-9+/_-]*[0-9])(?=[A-Za-z0-9+/_-]*[A-Za-z])[A-Za-z0-9+/_-]{32,}={0,2}")


@pytest.mark.parametrize("name", RENDERED)
def test_a_budget_for_each_that_stays_never_blocks_a_drain(name: str) -> None:
    budgets = [m["spec"] for m in of_kind(name, "PodDisruptionBudget")]
    assert all(b["maxUnavailable"] == 1 and "minAvailable" not in b for b in budgets)
    for manifest in of_kind(name, "Deployment", "StatefulSet"):
        assert manifest["spec"]["selector"] in [budget["selector"] for budget in budgets], manifest["metadata"]["name"]


@pytest.mark.parametrize("name", RENDERED)
def test_a_network_policy_selects_each_pod(name: str) -> None:
    """By its name, beside the one that denies everything."""
    policies = [m["spec"] for m in of_kind(name, "NetworkPolicy")]
    own = {p["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name") for p in policies}
    deny = [p for p in policies if "ingress" not in p and "egress" not in p]
    assert [p["podSelector"] for p in deny] == [{"matchLabels": {"app.kubernetes.io/part-of": "rlhf"}}]
    assert deny[0]["policyTypes"] == ["Ingress", "Egress"]
    for who, pod in pods(name):
        labels = pod["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "rlhf", who
        assert labels["app.kubernetes.io/name"] in own | {"rlhf-bucket"}, who
    assert "rlhf-worker" in own


@pytest.mark.parametrize("name", RENDERED)
def test_no_policy_lets_in_everybody(name: str) -> None:
    for policy in of_kind(name, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"], policy["metadata"]["name"]
            assert all(peer not in ({}, {"namespaceSelector": {}}, {"podSelector": {}}) for peer in rule["from"])


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", SERVICES)
def test_a_headless_service_leads_to_each(name: str, service: str) -> None:
    spec = named(name, "Service", f"rlhf-{service}")["spec"]
    template = named(name, "Deployment", f"rlhf-{service}")["spec"]["template"]
    assert spec["clusterIP"] == "None"
    assert spec["selector"].items() <= template["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert [port["port"] for port in spec["ports"]] == [ports["grpc"]]


@pytest.mark.parametrize("name", RENDERED)
def test_the_gateway_has_an_address_of_its_own(name: str) -> None:
    """Programs that speak HTTP do not balance over what a name leads to."""
    spec = named(name, "Service", "rlhf-gateway")["spec"]
    template = named(name, "Deployment", "rlhf-gateway")["spec"]["template"]
    assert spec.get("clusterIP") is None
    assert spec["selector"].items() <= template["metadata"]["labels"].items()
    (port,) = spec["ports"]
    secured = "RLHF_GATEWAY_TLS_CERT" in named(name, "ConfigMap", "rlhf-gateway")["data"]
    assert (port["targetPort"], port["appProtocol"]) == ("http", "https" if secured else "http")


@pytest.mark.parametrize("name", RENDERED)
def test_the_gateway_reaches_those_that_it_asks(name: str) -> None:
    """Out of its own pod, and into theirs."""
    settings = named(name, "ConfigMap", "rlhf-gateway")["data"]
    asked = {s for s in SERVICES if f"RLHF_GATEWAY_{s.upper()}" in settings}
    (rule,) = named(name, "NetworkPolicy", "rlhf-gateway")["spec"]["egress"]
    (peer,) = rule["to"]
    (expression,) = peer["podSelector"]["matchExpressions"]
    assert set(expression["values"]) == {f"rlhf-{service}" for service in asked}
    for service in asked:
        (ingress,) = named(name, "NetworkPolicy", f"rlhf-{service}")["spec"]["ingress"]
        assert {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "rlhf"}}} in ingress["from"]
        assert ingress["ports"] == rule["ports"]


@pytest.mark.parametrize("name", RENDERED)
def test_the_rights_are_those_of_the_trainer_and_no_more(name: str) -> None:
    assert not list(of_kind(name, "ClusterRole", "ClusterRoleBinding"))
    (role,) = of_kind(name, "Role")
    (binding,) = of_kind(name, "RoleBinding")
    assert [s["name"] for s in binding["subjects"]] == ["rlhf-trainer"]
    lease = named(name, "ConfigMap", "rlhf-trainer")["data"]["RLHF_TRAINER_LEASE"]
    assert _rights(role) == {
        "jobs": {"create", "get", "list", "watch", "delete"},
        "pods": {"list", "watch"},
        "pods/log": {"get"},
        "events": {"list"},
        "leases": {"create"},
        f"leases {lease}": {"get", "update"},
    }


@pytest.mark.parametrize("name", RENDERED)
def test_each_pod_runs_under_an_account_of_ours(name: str) -> None:
    accounts = {m["metadata"]["name"] for m in of_kind(name, "ServiceAccount")}
    assert all(pod["spec"]["serviceAccountName"] in accounts for _, pod in pods(name))


@pytest.mark.parametrize("name", RENDERED)
def test_no_secret_is_in_what_is_applied(name: str) -> None:
    assert not list(of_kind(name, "Secret"))
    assert _secrets(name) <= KNOWN_SECRETS


def test_no_secret_is_in_the_tree() -> None:
    found = []
    for file in (f for f in K8S.rglob("*") if f.is_file()):
        text = file.read_text()
        assert "kind: Secret\n" not in text, file
        found += [(file.name, m.group()) for m in LONG_RANDOM.finditer(text) if "dashboards" not in file.parts]
    assert found == []


def test_the_script_makes_the_secrets_that_local_wants() -> None:
    script = (K8S / "secrets.sh").read_text()
    identities = re.search(r"for identity in (.*); do", script)
    assert identities
    made = {f"rlhf-token-{word.split(':')[0]}" for word in identities[1].split()} | {
        "rlhf-object-store",
        "rlhf-session-key",
        "rlhf-tokens",
    }
    assert _secrets("overlays/local") <= made


def test_applications_call_under_names_that_the_certificate_has() -> None:
    name = "overlays/production"
    certificate = named(name, "Certificate", "rlhf")
    for service in DEPLOYED:
        own = named(name, "Service", f"rlhf-{service}")["metadata"]
        full = f"{own['name']}.{own['namespace']}.svc"
        assert {own["name"], full, f"{full}.cluster.local"} <= set(certificate["spec"]["dnsNames"])


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    for name in RENDERED:
        for scaler in of_kind(name, "ScaledObject", "HorizontalPodAutoscaler"):
            target = named(name, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
            assert "replicas" not in target["spec"]
            assert target["metadata"]["name"] not in ("rlhf-trainer", "rlhf-feedback")


def test_scaling_counts_what_waits_in_this_namespace() -> None:
    for scaler in of_kind("overlays/production", "ScaledObject"):
        query = scaler["spec"]["triggers"][0]["metadata"]["query"]
        assert f'namespace="{scaler["metadata"]["namespace"]}"' in query


def _rights(role: Manifest) -> dict[str, set[str]]:
    rights = {}
    for rule in role["rules"]:
        for resource in rule["resources"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            rights[" ".join([resource, *rule.get("resourceNames", ())])] = set(rule["verbs"])
    return rights


def _secrets(name: str) -> set[str]:
    volumes = [v for _, pod in pods(name) for v in pod["spec"].get("volumes", ())]
    variables = [e for _, pod in pods(name) for c in containers(pod) for e in c.get("env", ())]
    settings = {k: v for m in render(name) if m["kind"] == "ConfigMap" for k, v in m["data"].items()}
    return (
        {v["secret"]["secretName"] for v in volumes if "secret" in v}
        | {e["valueFrom"]["secretKeyRef"]["name"] for e in variables if "secretKeyRef" in e.get("valueFrom", {})}
        | {v for k, v in settings.items() if k.startswith("RLHF_") and k.endswith("_SECRET")}
    )
