"""Ids of assignments: opaque, and good for one rater of one campaign.

An id holds the item and the occasion, encrypted and authenticated together with the rater's name by AES-SIV (RFC 5297),
which needs no nonce: the same assignment has the same id after every restart, and nothing has to be stored. Nobody can
tell from it which item it is or that it is a repeat, and nobody without the campaign's key can make one.
"""

import base64
import hashlib
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from services.feedback.tally import Occasion

SEALED = re.compile(r"[A-Za-z0-9_-]{28}")
CONTENT = struct.Struct(">IB")  # the item's number, and the occasion


class Seal:
    """`key` is the campaign's secret."""

    def __init__(self, key: str) -> None:
        self._cipher = AESSIV(hashlib.sha512(f"assignments\0{key}".encode()).digest())

    def close(self, rater: str, occasion: Occasion) -> str:
        item, number = occasion
        content = CONTENT.pack(int(item.removeprefix("i")), number)
        return base64.urlsafe_b64encode(self._cipher.encrypt(content, [rater.encode()])).decode()

    def open(self, rater: str, sealed: str) -> Occasion | None:
        """None for what was not closed for this rater in this campaign. `sealed` looks like SEALED."""
        try:
            content = self._cipher.decrypt(base64.urlsafe_b64decode(sealed), [rater.encode()])
        except InvalidTag:
            return None
        item, number = CONTENT.unpack(content)
        return f"i{item}", number
