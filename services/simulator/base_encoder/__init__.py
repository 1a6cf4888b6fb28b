"""The committed tiny encoder that the quickstart's reward model starts from, and how it was made."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
