"""Ask any OpenAI-compatible model for several answers, and sort them by a reward model.

    python examples/rerank.py "How do I make tea?"                          # the gateway of `rlhf up` answers
    python examples/rerank.py "How do I make tea?" --base-url http://127.0.0.1:11434/v1 --model llama3.2   # or another

Needs `pip install openai rlhf-client`. The key of that model's server is read from OPENAI_API_KEY; where the reward
service is, and the token for it, from the environment and configuration that `rlhf` itself reads.
"""

import argparse
import os
import sys

import openai
import rlhf


def main() -> None:
    given = arguments()
    answers = ask(given.prompt, given)
    with rlhf.Client() as client:
        ranked = client.reward.rank(given.prompt, answers, model=given.reward_model)
    for one in ranked:
        score = f"{one.score.normalized:+.2f}" if one.score.ok else f"no score ({one.score.error})"
        print(f"{score}  {one.response}")


def ask(prompt: str, given: argparse.Namespace) -> list[str]:
    """`n` answers. Some servers give one at a time, whatever they are asked for."""
    key = os.environ.get("OPENAI_API_KEY", "none")
    server = openai.OpenAI(base_url=given.base_url, api_key=key)
    answers: list[str] = []
    while len(answers) < given.n:
        completion = server.chat.completions.create(
            model=given.model,
            messages=[{"role": "user", "content": prompt}],
            n=given.n - len(answers),
            max_tokens=given.max_tokens,
            temperature=given.temperature,
        )
        if not completion.choices:
            sys.exit(f"error: {given.base_url} gave {len(answers)} of {given.n} answers, then none; try a smaller -n")
        answers += [choice.message.content or "" for choice in completion.choices]
    return answers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Several answers of a model, best first.")
    parser.add_argument("prompt")
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1", help="of an OpenAI-compatible server")
    parser.add_argument("--model", default="policy/default", help="as that server calls it")
    parser.add_argument("--reward-model", default="reward/default")
    parser.add_argument("-n", type=int, default=8, help="how many answers")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (openai.OpenAIError, rlhf.RlhfError) as error:
        sys.exit(f"error: {error}")
