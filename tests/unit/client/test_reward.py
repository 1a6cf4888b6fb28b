import rlhf

from .scripted_server import Script


def test_a_failed_score_has_a_reason_and_no_number(client: rlhf.Client, script: Script) -> None:
    good, failed = client.reward.score([("q", "fine"), ("q", "")], model=["rm@1", "rm@2"])
    assert list(script.requests["Score"][0].models) == ["rm@1", "rm@2"]
    assert (good.ok, good.raw, good.normalized, good.error) == (True, 4.0, 3.0, None)
    assert (failed.ok, failed.raw, failed.normalized, failed.spread) == (False, None, None, None)
    assert failed.error == "empty response"


def test_rank_brings_the_responses_back_best_first(client: rlhf.Client) -> None:
    ranked = client.reward.rank("q", ["a", "", "ccc"])
    assert [(r.index, r.response, r.score.ok) for r in ranked] == [(2, "ccc", True), (0, "a", True), (1, "", False)]


def test_ids_travel_with_the_digest_of_their_tokenizer(client: rlhf.Client, script: Script) -> None:
    client.reward.score([([1, 2], [3])], tokenizer_digest="abc")
    request = script.requests["Score"][0]
    assert request.tokenizer_digest == "abc"
    assert list(request.items[0].response.token_ids.ids) == [3]
