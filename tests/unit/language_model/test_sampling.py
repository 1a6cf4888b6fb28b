import numpy as np
import pytest
import torch

from services.language_model.sampling import BatchParams, SamplingParams, request_key, sample, uniforms
from services.runtime.errors import InvalidInput

LOGITS_V = torch.tensor([2.0, 1.0, 0.0, -1.0, -1.0, 0.5, -3.0, 1.5])
N = 20_000


def draw(**settings) -> tuple[torch.Tensor, torch.Tensor]:
    """N draws as N requests make them: one key each, at position 3."""
    params = BatchParams.of([SamplingParams(max_new_tokens=1, **settings)] * N)
    keys_B = np.array([request_key(11, prompt, 0) for prompt in range(N)])
    return sample(LOGITS_V.expand(N, -1), params, uniforms(keys_B, np.full(N, 3)))


def fits(ids_B: torch.Tensor, probs_V: torch.Tensor) -> bool:
    """Pearson's chi-square at about the 0.1 % level (Wilson and Hilferty's approximation of its quantile)."""
    support = probs_V > 0
    counts = torch.bincount(ids_B, minlength=len(probs_V))
    expected = probs_V[support].double() / probs_V.sum() * len(ids_B)
    degrees = int(support.sum()) - 1
    limit = degrees * (1 - 2 / (9 * degrees) + 3.09 * (2 / (9 * degrees)) ** 0.5) ** 3
    statistic = float(((counts[support] - expected) ** 2 / expected).sum())
    return bool(counts[~support].eq(0).all()) and statistic < limit


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.0])
def test_frequencies_follow_the_tempered_softmax(temperature: float) -> None:
    ids_B, logprobs_B = draw(temperature=temperature)
    probs_V = (LOGITS_V / temperature).softmax(-1)
    assert fits(ids_B, probs_V)
    torch.testing.assert_close(logprobs_B, probs_V.log()[ids_B], atol=1e-5, rtol=0)


def test_positions_of_one_sequence_are_independent_draws() -> None:
    params = BatchParams.of([SamplingParams(max_new_tokens=1)] * N)
    keys_B = np.full(N, request_key(11, 0, 0))
    ids_B, _ = sample(LOGITS_V.expand(N, -1), params, uniforms(keys_B, np.arange(N)))
    assert fits(ids_B, LOGITS_V.softmax(-1))
    pairs_B = ids_B[:-1:2] * len(LOGITS_V) + ids_B[1::2]
    probs_VV = torch.outer(LOGITS_V.softmax(-1), LOGITS_V.softmax(-1))
    likely = probs_VV.flatten() * len(pairs_B) > 5
    assert fits(pairs_B[likely[pairs_B]], torch.where(likely, probs_VV.flatten(), 0))
    assert not fits(ids_B, torch.ones(len(LOGITS_V)))


def test_top_k_keeps_the_k_most_likely_and_reports_full_log_probs() -> None:
    ids_B, logprobs_B = draw(top_k=3)
    probs_V = LOGITS_V.softmax(-1)
    kept = torch.zeros_like(probs_V).scatter(0, probs_V.topk(3).indices, 1.0)
    assert fits(ids_B, probs_V * kept)
    torch.testing.assert_close(logprobs_B, probs_V.log()[ids_B], atol=1e-5, rtol=0)


def test_top_p_keeps_the_smallest_set_that_holds_the_mass() -> None:
    probs_V = LOGITS_V.softmax(-1)  # sorted: tokens 0, 7, 1, 5, ... with mass .44, .27, .16, .10
    ids_B, _ = draw(top_p=0.75)
    assert set(ids_B.tolist()) == {0, 7, 1}
    assert fits(ids_B, torch.where(probs_V >= probs_V[1], probs_V, 0))
    assert set(draw(top_p=1e-6)[0].tolist()) == {0}


def test_rows_keep_their_own_settings() -> None:
    rows = [{"temperature": 0.0}, {"top_k": 1}, {"top_p": 0.01}, {"temperature": 0.5}, {}]
    params = BatchParams.of([SamplingParams(max_new_tokens=1, **row) for row in rows])
    logits_BV = torch.stack([LOGITS_V.roll(i) for i in range(5)])
    ids_B, logprobs_B = sample(logits_BV, params, torch.full((5,), 0.999, dtype=torch.float64))
    assert ids_B[:3].tolist() == [0, 1, 2]
    temperatures = torch.tensor([1.0, 1.0, 1.0, 0.5, 1.0])
    want = (logits_BV / temperatures[:, None]).log_softmax(-1).gather(1, ids_B[:, None])[:, 0]
    torch.testing.assert_close(logprobs_B, want, atol=1e-5, rtol=0)


def test_extreme_numbers_stay_within_the_support() -> None:
    logits_BV = torch.full((2, 5), -torch.inf)
    logits_BV[:, 2] = 0.0
    params = BatchParams.of([SamplingParams(max_new_tokens=1)] * 2)
    ids_B, logprobs_B = sample(logits_BV, params, torch.tensor([0.0, 1 - 2.0**-52], dtype=torch.float64))
    assert ids_B.tolist() == [2, 2]
    assert logprobs_B.tolist() == [0, 0]


def test_uniforms_fill_the_interval_and_depend_on_every_part_of_the_key() -> None:
    keys_B = np.array([request_key(seed, p, s) for seed in range(10) for p in range(20) for s in range(20)])
    assert len(set(keys_B.tolist())) == len(keys_B)
    u_B = uniforms(keys_B, np.zeros(len(keys_B), dtype=np.int64))
    assert fits((u_B * 100).long(), torch.ones(100))
    assert 0 <= u_B.min() < u_B.max() < 1
    assert request_key(2**64 - 1, 2**32, 0) != request_key(0, 2**32, 0)


def test_known_numbers_never_change() -> None:
    """A resumed run draws what the interrupted one would have drawn, also after an upgrade."""
    key = request_key(1, 2, 3)
    assert (int(key), uniforms(np.array([key]), np.array([4])).item()) == (7702586659592502839, 0.9217616540191533)


def test_all_settings_out_of_range_are_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        SamplingParams(max_new_tokens=0, temperature=-1, top_p=0, top_k=-1, seed=-1, stop=("",))
    for field in ("temperature", "top_p", "top_k", "max_new_tokens", "seed", "stop"):
        assert f"sampling.{field}" in str(caught.value)
    with pytest.raises(InvalidInput, match="temperature"):
        SamplingParams(max_new_tokens=1, temperature=float("nan"))
