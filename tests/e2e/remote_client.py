"""What a client does on a machine of its own: everything by the SDK, in its own folder, as a user who may not read the
services' files. Arguments: the services' addresses as JSON, and the folder that it must not be able to read."""

import encodings.idna  # noqa: F401 (loaded before the rights are gone, with which Python itself may be unreadable)
import json
import os
import sys
from pathlib import Path

import rlhf

NOBODY = 65534


def become_nobody(forbidden: str) -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    assert not os.access(forbidden, os.R_OK | os.X_OK), f"{forbidden} can be read"


def train(client: rlhf.Client) -> dict[str, str]:
    base = client.models.upload("base", name="far")
    dataset = client.datasets.upload("demonstrations.jsonl", name="far")
    spec = rlhf.Sft(base_model=base, dataset=dataset, epochs=1, batch_size=32)
    run = client.runs.create(spec, name="from-afar")
    model = run.wait(timeout=400).results["sft"].model
    assert model is not None
    client.models.download(model, "trained")
    client.datasets.download(dataset, "home.jsonl")
    (rollout,) = client.policy.generate("Name four birds.", model=model, max_new_tokens=4)
    return {"model": str(model), "digest": model.digest, "answered_by": str(rollout.model_version)}


if __name__ == "__main__":
    addresses, forbidden = json.loads(sys.argv[1]), sys.argv[2]
    if os.getuid() == 0:
        become_nobody(forbidden)
    with rlhf.Client(**addresses) as remote:
        Path("result.json").write_text(json.dumps(train(remote)))
