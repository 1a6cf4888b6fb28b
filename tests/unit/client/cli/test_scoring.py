import json

from ..scripted_server import Script


def test_scores_are_sorted_and_failures_come_last(cli, script: Script) -> None:
    result = cli("score", "q", "a", "", "ccc", "--model", "x", "--model", "y")
    assert result.stdout.splitlines() == ["+2.000  ccc", "+0.000  a", "no score (empty response)  "]
    assert list(script.requests["Rank"][0].models) == ["x", "y"]
    ranked = json.loads(cli("score", "q", "a", "--json").stdout)
    assert ranked[0]["score"]["normalized"] == 0.0
    assert list(script.requests["Rank"][1].models) == ["reward/default"]
