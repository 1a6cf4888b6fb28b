from copy import deepcopy

from services.quickstart.acceptance import failures, markdown, provenance

EFFECT = {"mean": 0.6, "low": 0.5, "high": 0.7, "prompts": 224}
RUN = {
    "effects": {
        "ppo over sft": {
            "bar": 0.2, "passed": True, "held_out": EFFECT, "matched_length": EFFECT,
            "unseen_template": EFFECT, "unseen_family": EFFECT,
        }
    },
    "controls": {"ppo, inverted labels": {"must": "lowered", "passed": True, "held_out": EFFECT}},
    "reward_model": {"accuracy": 0.75, "ceiling": 0.79, "recovered": 0.86},
    "judged": {name: {"held_out": {"kl_to_sft": 1.0}} for name in ("ppo", "dpo")},
    "seconds": {"total": 500, "controls": 250},
    "peak_memory_mib": 3000,
}  # fmt: skip


def test_a_run_above_every_bar_has_no_failures() -> None:
    assert failures(RUN) == []


def test_each_bar_can_fail() -> None:
    run = deepcopy(RUN)
    run["effects"]["ppo over sft"]["passed"] = False
    run["controls"]["ppo, inverted labels"]["passed"] = False
    run["reward_model"]["recovered"] = 0.79
    run["seconds"]["total"] = 551
    run["peak_memory_mib"] = 6145
    found = failures(run)
    for words in ("ppo over sft", "must be lowered", "recovers 79%", "took 301 s", "took 6145 MiB"):
        assert any(words in failure for failure in found), words


def test_the_report_says_what_it_came_from() -> None:
    origin = provenance()
    assert len(origin["commit"].split()[0]) == 40
    assert any(name.endswith("model.safetensors") for name in origin)
    text = markdown({"provenance": origin, "failures": {}, "runs": {"seed 0": RUN}})
    assert origin["commit"] in text
    assert "| seed 0 | ppo over sft | +0.60 [+0.50, +0.70] |" in text
