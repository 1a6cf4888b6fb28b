"""What commands print: results on stdout, as text or as JSON; everything else on stderr."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="print JSON on stdout, for machines")]

notes = Console(stderr=True, soft_wrap=True)


def show(value: Any, text: str, as_json: bool) -> None:
    """The result of a command: `text` for people, `value` for machines."""
    typer.echo(to_json(value) if as_json else text)


def show_table(values: Sequence[Any], columns: Sequence[str], rows: Iterable[Sequence[str]], as_json: bool) -> None:
    """A table on a terminal; tab-separated lines in a pipe, so that `cut` and `awk` can read them."""
    console = Console()
    if as_json:
        typer.echo(to_json(values))
    elif console.is_terminal:
        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        for row in rows:
            typer.echo("\t".join(row))


def to_json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """What JSON knows. It has no NaN or infinity: these become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def moment(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M") if time else ""


def size(num_bytes: int) -> str:
    """Readable bytes, e.g. 3.9 MB."""
    amount, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
