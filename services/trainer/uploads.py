"""What the files of a model may be."""

from services.runtime.errors import InvalidInput, Problem

MODEL_FILES = (".safetensors", ".json", ".txt", ".model", ".jinja")


def check_model_file(name: str) -> None:
    """Raises InvalidInput for anything that could hold code or pickled weights."""
    if not name.endswith(MODEL_FILES):
        raise InvalidInput(Problem("file.path", repr(name[:200]), f"a file ending in {', '.join(MODEL_FILES)}"))


def check_model_files(names: list[str]) -> None:
    """Raises InvalidInput where they cannot be a model."""
    problems = []
    if not any(name.endswith(".safetensors") for name in names):
        problems.append(Problem("model", f"files {', '.join(sorted(names)[:8])}", "weights as *.safetensors"))
    if "config.json" not in names:
        problems.append(Problem("model", "no config.json", "a folder in Hugging Face layout"))
    if problems:
        raise InvalidInput(*problems)
