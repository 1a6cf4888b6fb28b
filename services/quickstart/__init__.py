"""The whole road on one machine: services as processes, SFT, comparisons, reward model, PPO and DPO, and a report."""

from services.quickstart.quickstart import main

__all__ = ["main"]
