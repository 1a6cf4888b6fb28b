"""The curves of a run: the Run dashboard and the run report draw the same ones."""

from dataclasses import dataclass

from services.trainer.figures import FIGURES, Figure

BY_KEY = {figure.key: figure for figure in FIGURES}


@dataclass(frozen=True)
class Curve:
    """One plot of the figures with these keys. `bounds` are the values from which on amber and red begin."""

    title: str
    keys: tuple[str, ...]
    reading: str  # how to read it, for people
    bounds: tuple[float, float]

    @property
    def figures(self) -> list[Figure]:
        return [BY_KEY[key] for key in self.keys]

    @property
    def unit(self) -> str:
        return self.figures[0].metric.unit

    @property
    def description(self) -> str:
        formulas = dict.fromkeys(f"{figure.metric.help} [{figure.metric.unit}]" for figure in self.figures)
        return f"{self.reading} {'. '.join(formulas)}."


_LENGTHS = tuple(figure.key for figure in FIGURES if figure.key.startswith("reward_at_length_"))

CURVES = (
    Curve("Loss", ("loss",), "SFT, reward model and DPO; falls, and flattens.", (5, 10)),
    Curve("Pairs in the right order", ("accuracy",), "Reward model and DPO; 0.5 is guessing.", (0.98, 0.999)),
    Curve("Margin", ("margin", "chosen_reward", "rejected_reward"), "Reward model and DPO; grows.", (10, 20)),
    Curve(
        "Reward",
        ("reward", "objective", "score"),
        "Demonstrations score 0. Rises; where it rises alone, look at Reward health.",
        (5, 8),
    ),
    Curve("Reward quantiles", ("reward_p10", "reward_p50", "reward_p90"), "All three rise together.", (5, 8)),
    Curve("Reward (raw logit)", ("raw_reward",), "What plain transformers gives.", (10, 20)),
    Curve("Reward by response length", _LENGTHS, "Longer must not simply mean better.", (5, 8)),
    Curve("KL to the reference, per response", ("kl",), "What the reward has cost.", (15, 50)),
    Curve("KL to the reference, per token", ("kl_per_token",), "The same, whatever the length.", (0.5, 1)),
    Curve("KL coefficient", ("kl_coefficient",), "Constant, or led by the controller.", (0.5, 1)),
    Curve("Entropy", ("entropy",), "Near 0 the policy says one thing only.", (5, 8)),
    Curve("Response length", ("response_length",), "Growth without better answers is hacking.", (512, 2048)),
    Curve("Responses without an end, prompts cut", ("without_eos", "truncated"), "Both near 0.", (0.1, 0.3)),
    Curve("Policy loss", ("policy_loss",), "Small, around 0.", (0.5, 1)),
    Curve("Value loss", ("value_loss",), "Falls.", (1, 5)),
    Curve("Explained variance", ("explained_variance",), "Rises towards 1; below 0 the value model harms.", (1.1, 1.2)),
    Curve("Clip fraction", ("clip_fraction",), "Above 0.3 the updates are too large.", (0.2, 0.3)),
    Curve("KL of the update", ("approx_kl",), "Above 0.1 the updates are too large.", (0.05, 0.1)),
    Curve("Gradient norm", ("grad_norm", "value_grad_norm"), "Before clipping; spikes are worth a look.", (10, 100)),
    Curve("Learning rate", ("learning_rate",), "As the schedule says.", (0.01, 0.1)),
    Curve("Tokens per second", ("tokens_per_second",), "Response tokens over the whole step.", (1e6, 1e7)),
    Curve(
        "Mismatch with the generator",
        ("mismatch", "mismatch_max"),
        "Two forwards of one model differ little.",
        (0.05, 0.5),
    ),
    Curve("Age of the generating weights", ("weights_lag", "max_staleness"), "At most the allowed age.", (2, 4)),
    Curve("Failed scores (evaluation)", ("failed_scores",), "None.", (1, 10)),
)
