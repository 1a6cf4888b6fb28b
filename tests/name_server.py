"""A name server of a test's own, as a headless Service of Kubernetes has one: it says which replicas there are."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

HOST_ADDRESS = 1  # the type of a record "A"


class NameServer:
    """Every name has all of `addresses` (IPv4), which may be changed at any time."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def target(self, port: int) -> str:
        """What a client connects to: a name, and whom to ask about it."""
        return f"dns://127.0.0.1:{self._socket.getsockname()[1]}/replicas.test:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035: a header of 12 bytes, the question as it came, and a record for each address."""
        end = query.index(b"\0", 12) + 5
        (kind,) = struct.unpack(">H", query[end - 4 : end - 2])
        addresses = self.addresses if kind == HOST_ADDRESS else []
        header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
        return header + query[12:end] + b"".join(map(_record, addresses))


def _record(address: str) -> bytes:
    """The name is a pointer to the question's; it may be kept for a second."""
    return b"\xc0\x0c" + struct.pack(">HHIH", HOST_ADDRESS, 1, 1, 4) + socket.inet_aton(address)
