"""A small Kubernetes API server over HTTP, as the real `kubernetes` client sees one: no controllers, no nodes.

Lists by label and field, watches with resume and 410 Gone, answers 409 to a name that is taken and to an old version,
403 and more where a test says so, and streams logs. What it answers has the form that kube-apiserver 1.36 answers in.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATH = re.compile(r"/(?:api/v1|apis/[a-z0-9./]+)/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?")
KINDS = {
    "jobs": ("batch/v1", "Job"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
}
REASONS = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid"}

Object = dict[str, Any]


class Refusal(Exception):
    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.reason = code, message, reason or REASONS.get(code, "InternalError")

    @property
    def status(self) -> Object:
        said = {"message": self.message, "reason": self.reason, "code": self.code}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **said}


@dataclass
class Cluster:
    """What the server has, and what a test does to it."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    history: list[tuple[int, str, str, Object]] = field(default_factory=list)  # (version, resource, type, object)
    logs: dict[str, bytes] = field(default_factory=dict)
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)  # by (method, resource)
    requests: list[str] = field(default_factory=list)
    version: int = 100
    oldest: int = 0  # what happened before is forgotten
    epoch: int = 0  # a new one ends every stream
    changed: threading.Condition = field(default_factory=threading.Condition)

    def refuse(self, method: str, resource: str, code: int, message: str, reason: str = "") -> None:
        self.refusals[method, resource] = Refusal(code, message, reason)

    def forget(self) -> None:
        """Compaction: who wants to go on from an earlier version gets 410. Streams end."""
        with self.changed:
            self.version += 1
            self.oldest, self.history = self.version, []
        self.break_streams()

    def break_streams(self) -> None:
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def print(self, pod: str, text: str) -> None:
        with self.changed:
            self.logs[pod] = self.logs.get(pod, b"") + text.encode()
            self.changed.notify_all()

    def change(self, resource: str, kind: str, thing: Object) -> Object:
        with self.changed:
            self.version += 1
            thing = {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(self.version)}}
            name = thing["metadata"]["name"]
            if kind == "DELETED":
                self.objects.pop((resource, name), None)
            else:
                self.objects[resource, name] = thing
            self.history.append((self.version, resource, kind, thing))
            self.changed.notify_all()
            return thing

    def get(self, resource: str, name: str) -> Object:
        if (resource, name) not in self.objects:
            raise Refusal(404, f'{resource} "{name}" not found')
        return self.objects[resource, name]

    def create(self, resource: str, namespace: str, thing: Object) -> Object:
        name = thing["metadata"]["name"]
        if (resource, name) in self.objects:
            raise Refusal(409, f'{resource} "{name}" already exists', "AlreadyExists")
        made = {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        defaults = {"suspend": False} if resource == "jobs" else {}
        version, kind = KINDS[resource]
        spec = {"spec": {**defaults, **thing["spec"]}} if "spec" in thing else {}
        status = {"status": thing.get("status") or {}} if resource in ("jobs", "pods") else {}
        metadata = {**thing["metadata"], **made}
        whole = {**thing, **spec, **status, "apiVersion": version, "kind": kind, "metadata": metadata}
        return self.change(resource, "ADDED", whole)

    def replace(self, resource: str, name: str, thing: Object, part: str) -> Object:
        old = self.get(resource, name)
        if (given := thing["metadata"].get("resourceVersion")) and given != old["metadata"]["resourceVersion"]:
            text = "the object has been modified; please apply your changes to the latest version and try again"
            raise Refusal(409, f'Operation cannot be fulfilled on {resource} "{name}": {text}')
        return self.change(resource, "MODIFIED", {**old, part: thing[part]})

    def delete(self, resource: str, name: str) -> Object:
        return self.change(resource, "DELETED", self.get(resource, name))

    def listed(self, resource: str, query: dict[str, str]) -> Object:
        items = [o for (kind, _), o in self.objects.items() if kind == resource and matches(o, query)]
        version, kind = KINDS[resource]
        metadata = {"resourceVersion": str(self.version)}
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items}

    def watched(self, resource: str, query: dict[str, str]) -> Iterator[Object]:
        """Until the time is up or streams are broken."""
        seen, until = int(query["resourceVersion"]), time.monotonic() + float(query.get("timeoutSeconds", 60))
        if seen < self.oldest:
            yield {"type": "ERROR", "object": Refusal(410, f"too old resource version: {seen} ({self.oldest})").status}
            return
        epoch = self.epoch
        while epoch == self.epoch and time.monotonic() < until:
            with self.changed:
                news = [entry for entry in self.history if entry[0] > seen]
                if not news:
                    self.changed.wait(0.2)
            for version, kind, change, thing in news:
                seen = version
                if kind == resource and matches(thing, query):
                    yield {"type": change, "object": thing}

    def printed(self, pod: str, follow: bool) -> Iterator[bytes]:
        """To the pod's end."""
        position, epoch = 0, self.epoch
        while True:
            over = not follow or self.epoch != epoch or not self._runs(pod)
            if piece := self.logs.get(pod, b"")[position:]:
                position += len(piece)
                yield piece
            elif over:
                return
            with self.changed:
                self.changed.wait(0.05)

    def _runs(self, pod: str) -> bool:
        found = self.objects.get(("pods", pod))
        return found is not None and found["status"].get("phase") == "Running"


def matches(thing: Object, query: dict[str, str]) -> bool:
    labels = thing["metadata"].get("labels") or {}
    wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
    fields = dict(part.split("=", 1) for part in query.get("fieldSelector", "").split(",") if part)
    involved = thing.get("involvedObject", {})
    return wanted.items() <= labels.items() and all(
        involved.get(path.removeprefix("involvedObject.")) == value for path, value in fields.items()
    )


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def serving(cluster: Cluster) -> Iterator[str]:
    """The address, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def do_PUT(self) -> None:
            self._answer("PUT")

        def do_DELETE(self) -> None:
            self._answer("DELETE")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            cluster.requests.append(f"{method} {self.path}")
            try:
                answer = self._handle(method, parts.path, query, json.loads(body or "{}"))
                if isinstance(answer, dict):
                    self._send(200, answer)
                else:
                    self._stream(answer)
            except Refusal as refusal:
                self._send(refusal.code, refusal.status)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _handle(self, method: str, path: str, query: dict[str, str], body: Object) -> Any:
            match = PATH.fullmatch(path)
            assert match, path
            namespace, resource, name, part = match.groups()
            if refusal := cluster.refusals.get((method, part or resource)):
                raise refusal
            if part == "log":
                cluster.get("pods", name)
                return cluster.printed(name, query.get("follow") == "true")
            if method == "GET" and query.get("watch") == "true":
                return (json.dumps(event).encode() + b"\n" for event in cluster.watched(resource, query))
            if method == "GET":
                return cluster.get(resource, name) if name else cluster.listed(resource, query)
            if method == "POST":
                return cluster.create(resource, namespace, body)
            if method == "PUT":
                return cluster.replace(resource, name, body, part or "spec")
            return cluster.delete(resource, name)

        def _send(self, code: int, answer: Object) -> None:
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, pieces: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        cluster.break_streams()
        server.shutdown()
        server.server_close()
