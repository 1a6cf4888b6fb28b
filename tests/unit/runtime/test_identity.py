"""Tokens, roles, and what a gate says to whom."""

import hashlib
import logging
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput, PermissionDenied, Unauthenticated
from services.runtime.identity import LOCAL, Gate, Identity, Role, current_identity, open_gate, read_tokens
from services.runtime.settings import ListenSettings

ANNA, OPS, NEW = "a" * 40, "o" * 40, "n" * 40
HASHED = hashlib.sha256(OPS.encode()).hexdigest()
LINES = f"""
# role     name   token
annotator  anna   {ANNA}   # on loan
operator   ops    sha256:{HASHED}
"""


def admit(gate: Gate, token: str, *roles: Role) -> Identity:
    return gate.admit(f"Bearer {token}", roles or tuple(Role), "a call")


def test_a_token_stands_for_a_name_and_a_role() -> None:
    gate = open_gate(ListenSettings(tokens=LINES))
    assert admit(gate, ANNA) == Identity("anna", Role.ANNOTATOR)
    assert admit(gate, OPS) == Identity("ops", Role.OPERATOR), "its hash is enough to know it"


def test_a_hash_is_no_token() -> None:
    gate = open_gate(ListenSettings(tokens=LINES))
    for stolen in (f"sha256:{HASHED}", HASHED):
        with pytest.raises(Unauthenticated):
            admit(gate, stolen)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", ANNA, f"Basic {ANNA}", f"Bearer {ANNA}x", f"Bearer {ANNA[1:]}"]
)
def test_whoever_is_not_known_is_told_so_and_not_what_would_be(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        open_gate(ListenSettings(tokens=LINES)).admit(header, Role, "a call")
    assert ANNA[:-1] not in str(caught.value)


def test_the_scheme_may_be_written_as_http_allows() -> None:
    assert open_gate(ListenSettings(tokens=LINES)).admit(f"bearer  {ANNA}", Role, "a call").name == "anna"


def test_the_role_decides() -> None:
    gate = open_gate(ListenSettings(tokens=LINES))
    assert admit(gate, OPS, Role.OPERATOR, Role.TRAINER).name == "ops"
    with pytest.raises(PermissionDenied, match="anna is annotator, and a call takes operator or trainer"):
        admit(gate, ANNA, Role.OPERATOR, Role.TRAINER)


def test_without_tokens_whoever_is_on_this_machine_may_do_everything() -> None:
    assert open_gate(ListenSettings()).admit(None, (), "a call") == LOCAL == current_identity()


def test_a_change_of_the_file_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(LINES)
    gate = open_gate(ListenSettings(tokens_file=file))
    assert admit(gate, ANNA).name == "anna"
    file.write_text(f"caller anna {NEW}\n")
    assert admit(gate, NEW) == Identity("anna", Role.CALLER)
    with pytest.raises(Unauthenticated):
        admit(gate, ANNA)


def test_a_change_that_cannot_be_read_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Half a file must neither lock everybody out nor let anybody in."""
    file = tmp_path / "tokens"
    file.write_text(LINES)
    gate = open_gate(ListenSettings(tokens_file=file))
    with caplog.at_level(logging.WARNING):
        file.write_text(f"caller new {NEW}\nannotator anna")
        assert admit(gate, ANNA).name == "anna"
        with pytest.raises(Unauthenticated):
            admit(gate, NEW)
        file.unlink()
        assert admit(gate, ANNA).name == "anna"
    assert "tokens:2: got 2 words" in caplog.text
    assert ANNA not in caplog.text
    assert NEW not in caplog.text


def test_two_tokens_of_one_name_are_how_one_replaces_the_other() -> None:
    tokens = read_tokens(f"caller app {ANNA}\ncaller app {NEW}", "x")
    assert tokens.find(ANNA) == tokens.find(NEW) == Identity("app", Role.CALLER)


def test_all_that_is_wrong_is_told_by_line_and_without_a_token() -> None:
    lines = (
        f"caller one {ANNA}",
        f"boss two {OPS}",
        "caller three short-secret",
        f"three words {NEW} more",
        f"trainer one {NEW}",
        f"caller four {ANNA}",
    )
    with pytest.raises(InvalidInput) as caught:
        read_tokens("\n".join(lines), "tokens")
    message = str(caught.value)
    for part in ("tokens:2: got another role", "tokens:3: got a short token", "tokens:4: got 4 words"):
        assert part in message
    assert "tokens:5: got a second role of one" in message
    assert "tokens:6: got a token that stands there twice" in message
    assert not any(secret in message for secret in (ANNA, OPS, NEW, "short-secret"))


@pytest.mark.parametrize("text", ["", "\n# nobody\n"])
def test_a_table_without_a_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no token"):
        read_tokens(text, "x")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"tokens_file: got .*none"):
        open_gate(ListenSettings(tokens_file=tmp_path / "none"))


def test_settings_do_not_show_tokens() -> None:
    assert ANNA not in repr(ListenSettings(tokens=LINES))
