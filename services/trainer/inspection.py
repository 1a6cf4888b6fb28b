"""What a model folder that somebody brings is, found out in a process of its own.

So the control plane holds no torch, and a folder that brings its reader down takes nothing with it. Run as
`python -m services.trainer.inspection FOLDER`: prints one JSON object, {"facts": …} or {"problems": […]}. Weights are
not loaded, since they may be larger than the control plane's memory.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from services.runtime.errors import InvalidInput, Problem

TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Inspection:
    """`prepared_tokenizer_digest` is the tokenizer's once training has given it a pad token where it had none."""

    architecture: str
    tokenizer_digest: str
    chat_template_digest: str
    prepared_tokenizer_digest: str


def inspect(folder: Path) -> Inspection:
    """Raises InvalidInput for a folder that is no model, naming what is missing or unreadable."""
    check_weights(folder)
    command = [sys.executable, "-m", "services.trainer.inspection", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise _unreadable(f"a folder that takes more than {TIMEOUT_SECONDS:g} s to look at") from None
    if done.returncode != 0:
        raise _unreadable(f"a folder whose reader ended with code {done.returncode}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if problems := answer.get("problems"):
        raise InvalidInput(*(Problem(**problem) for problem in problems))
    return Inspection(**answer["facts"])


def check_weights(folder: Path) -> None:
    """Reads the headers alone, which is safe and quick."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="np") as file:
                file.keys()
        except SafetensorError as error:
            raise InvalidInput(Problem(path.name, str(error)[:200], "a safetensors file")) from error


def _unreadable(given: str) -> InvalidInput:
    return InvalidInput(Problem("model", given, "a model folder that transformers can read"))


def look(folder: Path) -> Inspection:
    """Raises InvalidInput. The model is built without memory for its weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            body = AutoModel.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "a config of an architecture that transformers knows"
        raise InvalidInput(Problem("config.json", str(error).splitlines()[0][:200], expected)) from error
    architecture = next(iter(config.architectures or []), "")
    if architecture.endswith("ForSequenceClassification") and config.num_labels != 1:
        raise InvalidInput(Problem("config.json", f"{config.num_labels} labels", "1 label, for a reward model"))
    return _with_tokenizer(folder, architecture, body)


def _with_tokenizer(folder: Path, architecture: str, body: Any) -> Inspection:
    from services.language_model.loading import load_tokenizer
    from services.language_model.tokens import chat_template_digest, prepare_tokenizer, tokenizer_digest

    tokenizer = load_tokenizer(folder)
    digest, template = tokenizer_digest(tokenizer), chat_template_digest(tokenizer)
    if tokenizer.eos_token_id is not None or architecture.endswith(("ForCausalLM", "LMHeadModel")):
        prepare_tokenizer(tokenizer, body)  # refuses a language model whose responses could not end
    return Inspection(architecture, digest, template, tokenizer_digest(tokenizer))


def main() -> None:
    try:
        answer = {"facts": asdict(look(Path(sys.argv[1])))}
    except InvalidInput as error:
        answer = {"problems": [asdict(problem) for problem in error.problems]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
