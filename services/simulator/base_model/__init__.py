"""The committed tiny base model and how it was made."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
