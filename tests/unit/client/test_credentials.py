"""What a client shows, from where, and what is refused before anything is sent."""

from pathlib import Path

import pytest
import rlhf
from rlhf.credentials import Credentials, Shown, credentials_from_environment, own_variables

from tests.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_token_becomes_the_header() -> None:
    assert Shown(Credentials(token="abc")).metadata() == (("authorization", "Bearer abc"),)
    assert Shown(Credentials()).metadata() == ()
    assert Shown(Credentials()).security() is None


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    shown = Shown(Credentials(token_file=file))
    assert shown.metadata() == (("authorization", "Bearer first"),)
    file.write_text("the-second\n")
    assert shown.metadata() == (("authorization", "Bearer the-second"),)


def test_certificates_are_made_anew_only_when_a_file_changes(authority: Authority) -> None:
    own = authority.issue("client")
    shown = Shown(Credentials(ca=authority.ca, cert=own.cert, key=own.key))
    first = shown.security()
    assert first is not None
    assert shown.security() is first
    authority.issue("client")
    assert shown.security() is not first


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Credentials(token="secret"))


def test_everything_that_cannot_be_used_is_named(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    (tmp_path / "words").write_text("my secret token")
    (tmp_path / "empty").write_text("")
    cases = [
        ({"token": "a", "token_file": one.key}, "token_file: got a token as well"),
        ({"token": "a b"}, "token: got white space"),
        ({"token_file": tmp_path / "words"}, "holds 3 words"),
        ({"token_file": tmp_path / "none"}, "token_file: got .*none, which cannot be used"),
        ({"ca": tmp_path / "empty"}, "ca: got .*empty, which cannot be used"),
        ({"cert": one.cert, "key": one.key}, "ca: got nothing"),
        ({"ca": authority.ca, "cert": one.cert}, "key: got nothing"),
        ({"ca": authority.ca, "cert": one.cert, "key": other.key}, "cert: got .*one.crt, which cannot be used"),
    ]
    for given, message in cases:
        with pytest.raises(rlhf.InvalidInputError, match=message) as caught:
            Credentials(**given)
        assert "secret" not in str(caught.value)


def test_a_process_has_its_own_from_the_environment_and_hands_them_on(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To a child that starts in another folder."""
    monkeypatch.chdir(tmp_path)
    environ = {"RLHF_TOKEN": "t", "RLHF_CA": authority.ca.name, "RLHF_CERT": "", "RLHF_TOKENS": "x", "PATH": "/bin"}
    assert credentials_from_environment(environ) == Credentials(token="t", ca=Path(authority.ca.name))
    assert own_variables(environ) == {"RLHF_TOKEN": "t", "RLHF_CA": str(authority.ca)}
