import rlhf

from .scripted_server import Script


def test_log_probs_are_aligned_with_the_responses(client: rlhf.Client, script: Script) -> None:
    found = client.reference.log_probs([([1], [2, 3]), ([1, 2], [4])], model="sft", temperature=0.7)
    assert found.sequences == [[-1.0, -1.0], [-1.0]]
    assert str(found.model_version) == "sft@1.3-aa"
    request = script.requests["LogProbs"][0]
    assert [list(s.response_ids) for s in request.sequences] == [[2, 3], [4]]
    assert abs(request.temperature - 0.7) < 1e-6
