import json

import pytest

from ..scripted_server import Script, make_events

PPO = ("train", "ppo", "--policy-model", "sft", "--reward-model", "rm", "--prompts", "p", "--name", "tuned")


def test_flags_are_the_fields_of_the_spec(cli, script: Script) -> None:
    script.events = make_events()
    cli(
        *PPO, "--kl-coefficient", "0", "--steps", 7, "--learning-rate", "1e-4", "--missing-eos", "subtract", "--seed", 5
    )
    spec = script.requests["CreateRun"][0].spec
    assert (spec.name, spec.seed, spec.ppo.steps, spec.ppo.missing_eos) == ("tuned", 5, 7, 2)
    assert spec.ppo.HasField("kl_coefficient")
    assert not spec.ppo.HasField("gamma")
    assert spec.ppo.optimization.learning_rate == pytest.approx(1e-4)


def test_it_waits_with_progress_on_stderr_and_ends_with_the_run_as_json(cli, script: Script) -> None:
    script.events = make_events()
    result = cli("train", "reward", "--base-model", "sft", "--dataset", "c", "--name", "rm", "--json")
    assert json.loads(result.stdout)["state"] == "succeeded"
    assert "sft 3/3" in result.stderr
    assert script.requests["CreateRun"][0].spec.WhichOneof("stage") == "reward_model"


def test_it_need_not_wait(cli, script: Script) -> None:
    result = cli("train", "dpo", "--policy-model", "sft", "--dataset", "c", "--name", "d", "--no-wait")
    assert "rlhf runs watch r1" in result.stderr
    assert not script.calls("WatchRun")


def test_it_can_say_where_the_worker_is_to_stand(cli, offline, script: Script) -> None:
    place = ("--place", "gpus_per_node=2", "--place", "labels.team=a", "--deadline", 60)
    cli("train", "dpo", "--policy-model", "sft", "--dataset", "c", "--name", "d", "--no-wait", *place)
    spec = script.requests["CreateRun"][0].spec
    assert (spec.placement.gpus_per_node, spec.placement.labels["team"], spec.deadline_seconds) == (2, "a", 60)
    assert "expected FIELD=VALUE" in offline(*PPO, "--place", "gpus=2").stderr


def test_a_missing_or_malformed_flag_is_a_usage_error(offline) -> None:
    assert offline(*PPO[:-2]).exit_code == 2
    assert offline(*PPO, "--steps", "many").exit_code == 2
