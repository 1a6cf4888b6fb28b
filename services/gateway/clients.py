"""The services behind the gateway, asked with the token that the caller came with.

The gateway has no rights of its own: whatever a service allows or records is decided by who asked. A gateway with
rights for all would have to be trusted by every service never to confuse two callers.
"""

from collections.abc import Callable, Mapping

import rlhf
from rlhf.configuration import Settings

from services.gateway.settings import GatewaySettings

PRUNED_AT = 256


class Clients:
    """One per token. `known` says whether a token still is one; those that are none any more go with their calls."""

    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str], known: Callable[[str], bool]) -> None:
        self._connection = connection(settings, environ)
        self._known = known
        self._clients: dict[str, rlhf.AsyncClient] = {}

    async def of(self, token: str) -> rlhf.AsyncClient:
        if token not in self._clients:
            await self._prune()
            self._clients[token] = rlhf.AsyncClient(**{**self._connection, "token": token})
        return self._clients[token]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    async def _prune(self) -> None:
        if len(self._clients) < PRUNED_AT:
            return
        for token in [token for token in self._clients if not self._known(token)]:
            await self._clients.pop(token).close()


def connection(settings: GatewaySettings, environ: Mapping[str, str]) -> Settings:
    """Where the services are and by which certificates, as a process is told: by its environment, and no file."""
    addresses = {name: getattr(settings, name) for name in ("policy", "reward", "trainer", "feedback")}
    files = {name: environ.get(f"RLHF_{name.upper()}", "") for name in ("ca", "cert", "key")}
    allow = environ.get("RLHF_ALLOW_PLAINTEXT_TOKEN", "").lower() in ("1", "true", "yes", "on")
    return {**addresses, **files, "allow_plaintext_token": allow}  # type: ignore[typeddict-item]
