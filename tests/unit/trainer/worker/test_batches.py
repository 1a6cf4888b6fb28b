import pytest

from services.trainer.worker.batches import MAX_PADDING, cut, epoch_order, micro_batches, plan, stream


def test_every_epoch_visits_everything_once_in_an_order_of_its_own() -> None:
    batches = plan([1] * 10, batch_size=4, epochs=3, seed=7)
    epochs = [batches[start : start + 3] for start in (0, 3, 6)]
    orders = [[index for batch in epoch for index in batch] for epoch in epochs]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert [len(batch) for batch in epochs[0]] == [4, 4, 2]


def test_the_plan_follows_from_the_seed_alone() -> None:
    assert plan([1] * 50, 8, 2, seed=1) == plan([1] * 50, 8, 2, seed=1)
    assert plan([1] * 50, 8, 2, seed=1) != plan([1] * 50, 8, 2, seed=2)


def test_what_belongs_together_is_not_split() -> None:
    sizes = [3, 1, 6, 2, 2]
    batches = cut([0, 1, 2, 3, 4], sizes, 4)
    assert batches == [[0, 1], [2], [3, 4]]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_micro_batches_hold_everything_longest_first(size: int) -> None:
    lengths = [5, 9, 1, 7, 9, 3]
    pieces = micro_batches(range(6), lengths, [1] * 6, size)
    assert [index for piece in pieces for index in piece] == [1, 4, 3, 0, 5, 2]
    assert all(len(piece) <= size for piece in pieces)
    assert micro_batches(range(6), lengths, [1] * 6, 0) == [[1, 4, 3, 0, 5, 2]]


def test_padding_beyond_the_price_of_another_forward_is_cut() -> None:
    lengths = [1000, 10, 990, 12, 500]
    assert micro_batches(range(5), lengths, [1] * 5, 0) == [[0, 2], [4], [3, 1]]
    for piece in micro_batches(range(200), [index % 97 for index in range(200)], [1] * 200, 0):
        longest = max(index % 97 for index in piece)
        assert sum(longest - index % 97 for index in piece) <= MAX_PADDING


def test_the_stream_of_prompts_walks_through_epochs_without_a_gap() -> None:
    steps = [stream(10, 4, step, seed=3) for step in range(5)]
    flat = [index for step in steps for index in step]
    assert flat == epoch_order(10, 3, 0) + epoch_order(10, 3, 1)


def test_a_step_may_be_larger_than_the_dataset() -> None:
    found = stream(2, 4, 0, seed=0)
    assert sorted(found) == [0, 0, 1, 1]
