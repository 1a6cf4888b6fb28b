"""PolicyService over gRPC: decode, call, encode."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc.aio import ServicerContext
from prometheus_client import REGISTRY, CollectorRegistry
from rlhf.v1 import policy_pb2 as pb
from rlhf.v1 import policy_pb2_grpc, types_pb2

from services.policy.metrics import policy_metrics
from services.policy.policy import Policy, Rollout
from services.policy.requests import GenerateCall
from services.policy.settings import PolicySettings
from services.runtime.errors import InvalidInput
from services.runtime.unknown_fields import unknown_fields
from services.serving.lifecycle_servicer import add_lifecycle
from services.serving.prompts import read_prompt

FINISH_REASONS = {"stop": types_pb2.FINISH_REASON_STOP, "length": types_pb2.FINISH_REASON_LENGTH}


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    def __init__(self, policy: Policy):
        self._policy = policy

    async def Generate(self, request: pb.GenerateRequest, context: ServicerContext) -> pb.GenerateResponse:
        call = GenerateCall(
            request.model,
            list(request.acceptable_versions),
            {f"prompts[{i}]": read_prompt(prompt) for i, prompt in enumerate(request.prompts)},
            request.samples_per_prompt or 1,
            read_sampling(request.sampling),
            request.deterministic,
        )
        return pb.GenerateResponse(rollouts=map(write_rollout, await self._policy.generate(call)))

    async def GenerateStream(
        self, request: pb.GenerateStreamRequest, context: ServicerContext
    ) -> AsyncIterator[pb.GenerateStreamResponse]:
        prompts, sampling = {"prompt": read_prompt(request.prompt)}, read_sampling(request.sampling)
        call = GenerateCall(request.model, (), prompts, 1, sampling, stream=True)
        async for text, rollout in self._policy.stream(call):
            yield pb.GenerateStreamResponse(text=text, rollout=write_rollout(rollout) if rollout else None)


def read_sampling(sampling: types_pb2.Sampling) -> dict[str, Any]:
    if problems := list(unknown_fields("sampling", sampling)):
        raise InvalidInput(*problems)
    given = {name: getattr(sampling, name) for name in ("temperature", "top_p") if sampling.HasField(name)}
    return given | {
        "top_k": sampling.top_k,
        "max_new_tokens": sampling.max_new_tokens,
        "seed": sampling.seed,
        "stop": tuple(sampling.stop),
    }


def write_rollout(rollout: Rollout) -> types_pb2.Rollout:
    request, generation, version = rollout.request, rollout.generation, rollout.version
    return types_pb2.Rollout(
        prompt_index=request.prompt_index,
        sample_index=request.sample_index,
        prompt_ids=request.prompt_ids,
        response_ids=generation.response_ids,
        log_probs=generation.log_probs,
        finish_reason=FINISH_REASONS[generation.finish_reason],
        model_version=types_pb2.ModelVersion(model=version.model, version=version.version, digest=version.digest),
        text=generation.text,
    )


def register(settings: PolicySettings, server: grpc.aio.Server, registry: CollectorRegistry = REGISTRY) -> list[str]:
    """The full names of what the server answers from now on."""
    policy = Policy(settings, policy_metrics(registry))
    policy_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyServicer(policy), server)
    return [pb.DESCRIPTOR.services_by_name["PolicyService"].full_name, add_lifecycle(server, policy.pool)]
