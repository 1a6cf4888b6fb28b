"""People's sessions in a browser: a cookie that only this gateway can read, and a token for each form."""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.errors import Refused
from services.gateway.settings import GatewaySettings

SESSION, NONCE = "rlhf_session", "rlhf_form"
HEADER, FIELD = "x-csrf-token", "csrf_token"


class Sessions:
    """The cookie holds a person's token, encrypted and signed, so that replicas with one key know the same people."""

    def __init__(self, settings: GatewaySettings) -> None:
        key = settings.session_key or secrets.token_hex(32)
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"session {key}".encode()).digest()))
        self._form_key = hashlib.sha256(f"form {key}".encode()).digest()
        self._seconds = round(settings.session_hours * 3600)
        self._secure = settings.secure_cookies
        # Browsers take such a name from this host alone, so that no neighbour can plant a cookie.
        prefix = "__Host-" if self._secure else ""
        self._session, self._nonce = f"{prefix}{SESSION}", f"{prefix}{NONCE}"

    def token(self, request: Request) -> str:
        """Of whoever logged in here; empty where nobody did, or too long ago."""
        try:
            return self._fernet.decrypt(request.cookies.get(self._session, ""), ttl=self._seconds).decode()
        except InvalidToken:
            return ""

    def begin(self, response: Response, token: str) -> None:
        self._set(response, self._session, self._fernet.encrypt(token.encode()).decode(), self._seconds)

    def end(self, response: Response) -> None:
        response.delete_cookie(self._session, httponly=True, samesite="lax", secure=self._secure)

    def nonce(self, request: Request) -> str:
        """What the browser's forms are tied to; a new one where it has none."""
        return request.cookies.get(self._nonce) or secrets.token_urlsafe(24)

    def keep_nonce(self, response: Response, nonce: str) -> None:
        self._set(response, self._nonce, nonce, self._seconds)

    def form_token(self, request: Request, nonce: str) -> str:
        """For this browser, and the person who is logged in there."""
        person = hashlib.sha256(self.token(request).encode()).hexdigest()
        return hmac.new(self._form_key, f"{person} {nonce}".encode(), hashlib.sha256).hexdigest()

    def check_form(self, request: Request, given: str) -> None:
        """Raises Refused where the page did not come from here: another site can send a cookie, and not read a page."""
        nonce = request.cookies.get(self._nonce, "")
        expected = self.form_token(request, nonce)
        if not nonce or not hmac.compare_digest(expected.encode(), given.encode()):
            raise Refused(403, "this page is out of date; reload it and try again")

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        # Lax, not Strict: a link to a campaign in a mail or a chat opens it.
        response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=self._secure)
