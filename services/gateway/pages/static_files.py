"""Scripts, styles and the plotting library: all from this host."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import plotly
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "static"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PIECE_BYTES = 1 << 16
FILES = {path.name: path for path in (*FOLDER.iterdir(), PLOTLY) if path.suffix in KINDS}


# Plotly's maps bring styles, and add them to a page unless it has an element of this id.
MAP_STYLES = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


@dataclass(frozen=True)
class File:
    packed: bytes
    plain: bytes
    etag: str


@cache
def read(name: str) -> File:
    plain = FILES[name].read_bytes()
    return File(gzip.compress(plain, 6), plain, f'"{hashlib.sha256(plain).hexdigest()[:32]}"')


@cache
def plotly_map_styles() -> str:
    found = MAP_STYLES.search(PLOTLY.read_text())
    return found[1] if found else "plotly"


async def static_file(request: Request) -> Response:
    """Browsers keep it, and ask each time whether it has changed."""
    name = request.path_params["name"]
    if name not in FILES:
        raise HTTPException(404)
    file, headers = read(name), {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    headers["ETag"] = file.etag
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    packed = "gzip" in request.headers.get("accept-encoding", "")
    headers |= {"Content-Encoding": "gzip"} if packed else {}
    return Pieces(file.packed if packed else file.plain, headers=headers, media_type=KINDS[FILES[name].suffix])


class Pieces(Response):
    """Each is sent when the one before has been taken, so that no client makes us hold copies of whole files."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), PIECE_BYTES):
            piece = self.body[start : start + PIECE_BYTES]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
