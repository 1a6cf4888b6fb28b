"""A prompt, with what a good answer must and must not say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    prompt: str
    family: str
    subject: str
    pieces: tuple[str, ...]  # what a complete answer states, in this order
    form: tuple[str, ...]  # phrases that give an answer of this family its form
    frame: tuple[str, ...] = ()  # other words that belong to a good answer
    false_claims: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()  # agreeing with what is wrong, complying, assuming, keeping the harsh word
    count: int = 0  # lists only: how many of `pieces` are wanted, in any order
    opinion: bool = False  # the prompt states a wrong opinion
    unseen: bool = False  # of a template, or a family, that no stage sees
