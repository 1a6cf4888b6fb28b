"""Everything PPO needs before its first step: models, prompts, roles, and the checkpoint to go on from."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from services.language_model.loading import load_causal, load_tokenizer
from services.storage.models import Version
from services.trainer.attempts import VERSIONS
from services.trainer.recipes import PpoSpec
from services.trainer.worker.checkpoints import Checkpoint
from services.trainer.worker.collector import Prompt, RewardRole
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import length_limit, pad_id
from services.trainer.worker.ledger import Ledger
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ppo.learner import Learner
from services.trainer.worker.ppo.publisher import WeightPublisher
from services.trainer.worker.ppo.rewards import KlController
from services.trainer.worker.ppo.value_model import load_value_model
from services.trainer.worker.roles import load_prompts, reward_role


@dataclass
class Ppo:
    """A run's parts, and `step`: how many steps they have behind them."""

    tokenizer: PreTrainedTokenizerBase
    prompts: list[Prompt]
    num_long: int  # prompts left out
    reference: Version
    reward: RewardRole
    learner: Learner
    publisher: WeightPublisher
    controller: KlController
    ledger: Ledger
    step: int = 0

    def checkpoint(self, step: int) -> Checkpoint:
        tensors = {"policy": self.learner.policy.tensors(), "value": self.learner.value.tensors()}
        state = {"kl_coefficient": self.controller.coefficient, "used": self.ledger.used}
        return Checkpoint(step, tensors, state | {VERSIONS: self.publisher.state()})

    def restore(self, checkpoint: Checkpoint) -> None:
        self.learner.policy.load(checkpoint.tensors["policy"])
        self.learner.value.load(checkpoint.tensors["value"])
        self.controller.coefficient = checkpoint.state["kl_coefficient"]
        self.ledger.used = checkpoint.state["used"]
        self.step = checkpoint.step
        self.publisher.restore(self.step, checkpoint.state[VERSIONS])


def prepare(context: StageContext, spec: PpoSpec) -> Ppo:
    start, folder = context.model(spec.policy_model)
    reward_version, reward_folder = context.model(spec.reward_model)
    tokenizer, policy = load_tokenizer(folder), load_causal(folder)
    limit = length_limit(policy.config, tokenizer) - spec.max_new_tokens
    prompts, num_long = load_prompts(context, "ppo.prompts", spec.prompts, tokenizer, limit)
    value_model = load_value_model(reward_folder, folder, tokenizer, context.seed)
    updates = Learner.total_updates(spec)
    learner = Learner(
        Optimizer(context.ranks.shard(policy), spec.optimization, updates),
        Optimizer(context.ranks.shard(value_model), spec.optimization, updates, spec.value_learning_rate),
        spec,
        pad_id(tokenizer),
        context.seed,
        context.ranks,
    )
    ppo = Ppo(
        tokenizer,
        prompts,
        num_long,
        reference=start,
        reward=reward_role("ppo.reward_model", reward_version, reward_folder, tokenizer),
        learner=learner,
        publisher=WeightPublisher(context, policy, tokenizer, spec.max_staleness, [start]),
        controller=KlController(spec.kl_coefficient, spec.kl_target),
        ledger=Ledger(context.attempt.objects, context.stage, context.collector.calls, context.collector.items),
    )
    if checkpoint := context.restore():
        ppo.restore(checkpoint)
    return ppo
