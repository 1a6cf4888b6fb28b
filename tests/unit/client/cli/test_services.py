"""Commands that run the services: here with stand-ins, so that only the passing on is tested."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import rlhf

from services.runtime.errors import Conflict


def test_quickstart_passes_its_flags_on(offline, monkeypatch, tmp_path: Path) -> None:
    asked: list[dict] = []

    def main(**given) -> dict:
        asked.append(given)
        print("once upon a time")
        return {"gold": 1.5}

    monkeypatch.setitem(sys.modules, "services.quickstart", SimpleNamespace(main=main))
    result = offline("quickstart", "--seed", 4, "--out", tmp_path, "--fast", "--json")
    given = {"seed": 4, "storage": None, "world": None, "out": tmp_path, "fast": True, "label": False, "client": None}
    assert asked == [given]
    assert json.loads(result.stdout) == {"gold": 1.5}
    assert "once upon a time" in result.stderr
    assert "once upon a time" in offline("quickstart").stdout


def test_quickstart_takes_services_that_run_already(offline, monkeypatch) -> None:
    clients: list[rlhf.Client] = []

    def main(*, client: rlhf.Client, **given) -> dict:
        clients.append(client)
        return {}

    monkeypatch.setitem(sys.modules, "services.quickstart", SimpleNamespace(main=main))
    assert offline("quickstart", "--connected").exit_code == 0
    assert isinstance(clients[0], rlhf.Client)
    refused = offline("quickstart", "--connected", "--storage", "x")
    assert (refused.exit_code, len(clients)) == (1, 1)
    refused = offline("quickstart", "--connected", "--label")
    assert (refused.exit_code, len(clients)) == (1, 1)
    assert "rlhf campaigns create" in refused.stderr


def test_an_error_of_the_services_is_told_like_our_own(offline, monkeypatch) -> None:
    def main(**given) -> dict:
        raise Conflict("port 50051 is taken")

    monkeypatch.setitem(sys.modules, "services.quickstart", SimpleNamespace(main=main))
    result = offline("quickstart")
    assert (result.exit_code, result.stderr) == (1, "error: port 50051 is taken\n")


def test_without_the_services_it_says_what_to_install(offline, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "services.local", None)
    result = offline("up")
    assert result.exit_code == 1
    assert "pip install" in result.stderr


def test_up_starts_a_prometheus_beside_the_services_where_asked(offline, monkeypatch, tmp_path: Path) -> None:
    entered: list[tuple] = []

    class Stand:
        addresses, metrics_addresses, gateway_url, url = {"policy": "p:1"}, {"policy": "p:2"}, "http://g", "http://here"

        def __init__(self, *given, **named) -> None:
            self.given = given

        def __enter__(self):
            entered.append(self.given)
            return self

        def __exit__(self, *_) -> None:
            entered.append(("left",))

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rlhf.cli.services.signal.pause", interrupt)
    monkeypatch.setitem(
        sys.modules, "services.local", SimpleNamespace(Services=Stand, Prometheus=Stand, FIXED_PORTS={})
    )
    result = offline("up", "--monitoring", "--logs", tmp_path, "--json")
    assert json.loads(result.stdout) == {"policy": "p:1", "gateway": "http://g", "prometheus": "http://here"}
    assert entered == [(), ({"policy": "p:2"}, tmp_path / "prometheus"), ("left",), ("left",)]
    entered.clear()
    assert json.loads(offline("up", "--json").stdout) == {"policy": "p:1", "gateway": "http://g"}
    assert entered == [(), ("left",)]
