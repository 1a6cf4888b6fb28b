"""Logging in, and what another site or another person cannot do."""

import re

import pytest
import requests

from services.gateway.pages.login import on_this_host
from services.gateway.pages.markdown import to_html
from tests.unit.gateway.town import TOKEN, Town


def form_token(page: str) -> str:
    found = re.search(r'name="csrf-token" content="(\w+)"', page)
    assert found
    return found[1]


def log_in(url: str, name: str, **fields: str) -> tuple[requests.Session, requests.Response]:
    session = requests.Session()
    opened = session.get(f"{url}/login", timeout=20)
    given = {"csrf_token": form_token(opened.text), "token": TOKEN[name], "next": "/campaigns", **fields}
    return session, session.post(f"{url}/login", data=given, timeout=20, allow_redirects=False)


def test_a_cookie_is_out_of_reach_and_says_nothing(town: Town) -> None:
    _, answer = log_in(town.url, "anna")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/campaigns")
    cookie = next(value for value in answer.headers["Set-Cookie"].split(", ") if "rlhf_session" in value)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN["anna"] not in cookie
    with town.gateway(https=True) as url:
        _, answer = log_in(url, "anna")
        assert "__Host-rlhf_form=" in answer.headers["Set-Cookie"]
        assert "Secure" in answer.headers["Set-Cookie"]


def test_wrong_tokens_are_refused_and_not_too_often(town: Town) -> None:
    with town.gateway(logins_per_minute=3) as url:
        statuses = [log_in(url, "anna", token="wrong")[1].status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]


def test_a_form_from_elsewhere_does_nothing(town: Town) -> None:
    assert log_in(town.url, "anna", csrf_token="0" * 64)[1].status_code == 403
    session, _ = log_in(town.url, "anna")
    send = f"{town.url}/campaigns/tea/next"
    assert session.post(send, json={}, timeout=20).status_code == 403
    assert session.post(f"{town.url}/logout", data={}, timeout=20, allow_redirects=False).status_code == 403
    model = {"model": "base", "messages": [{"role": "user", "content": "tea"}]}
    session, _ = log_in(town.url, "shop")
    assert session.post(f"{town.url}/v1/chat/completions", json=model, timeout=20).status_code == 403


def test_a_page_of_one_person_sends_nothing_in_the_name_of_another(town: Town) -> None:
    """Not even in one browser: who logs in has new pages."""
    session, _ = log_in(town.url, "anna")
    headers = {"X-CSRF-Token": form_token(session.get(f"{town.url}/campaigns", timeout=20).text)}
    given = {"csrf_token": headers["X-CSRF-Token"], "token": TOKEN["ben"], "next": "/campaigns"}
    assert session.post(f"{town.url}/login", data=given, timeout=20, allow_redirects=False).status_code == 303
    send = f"{town.url}/campaigns/nowhere/next"
    assert session.post(send, json={}, headers=headers, timeout=20).status_code == 403
    headers = {"X-CSRF-Token": form_token(session.get(f"{town.url}/campaigns", timeout=20).text)}
    assert session.post(send, json={}, headers=headers, timeout=20).status_code == 404


def test_a_session_ends_with_its_time_its_token_or_its_key(town: Town) -> None:
    session, _ = log_in(town.url, "anna")
    assert session.get(f"{town.url}/campaigns", timeout=20, allow_redirects=False).status_code == 200
    with town.gateway() as url:  # another key
        cookies = session.cookies.get_dict()
        found = requests.get(f"{url}/campaigns", cookies=cookies, timeout=20, allow_redirects=False)
        assert found.headers["Location"] == "/login?next=/campaigns"


def test_replicas_with_one_key_know_each_others_people(town: Town) -> None:
    key = "k" * 40
    with town.gateway(session_key=key) as one, town.gateway(session_key=key) as other:
        session, _ = log_in(one, "anna")
        cookies = session.cookies.get_dict()
        found = requests.get(f"{other}/campaigns", cookies=cookies, timeout=20, allow_redirects=False)
        assert found.status_code == 200


def test_annotators_cannot_answer_for_others_or_see_what_is_not_theirs(town: Town) -> None:
    session, _ = log_in(town.url, "anna")
    page = session.get(f"{town.url}/campaigns", timeout=20)
    headers = {"X-CSRF-Token": form_token(page.text)}
    with town.client() as client:
        client.feedback.create("mine")
    found = session.post(f"{town.url}/campaigns/mine/next", json={"rater": "ben"}, headers=headers, timeout=20)
    assert found.status_code == 403
    for path in ("/runs", "/campaigns/mine", "/playground", "/campaigns/..%2f..%2fetc/label", "/runs/x/events"):
        assert session.get(f"{town.url}{path}", timeout=20).status_code in (400, 403, 404)
    answer = {"assignment": "somebody-elses", "guidelines_version": 1, "choice": "first", "request": "r" * 12}
    found = session.post(f"{town.url}/campaigns/mine/judge", json=answer, headers=headers, timeout=20)
    assert found.status_code in (400, 403, 404, 409)


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/\tx", "javascript:x", ""]
)
def test_a_login_leads_to_no_other_site(path: str) -> None:
    assert on_this_host(path) == "/"
    assert on_this_host("/campaigns/tea/label?rater=x") == "/campaigns/tea/label?rater=x"


def test_markdown_makes_no_html_of_what_it_is_given() -> None:
    made = to_html(
        "<b onclick=x>&amp; **bold** [a](javascript:x) ![i](http://x/y.png) <http://x>\n\n<script>x</script>"
    )
    assert "<strong>bold</strong>" in made
    assert re.findall(r"<(?!/?(?:p|strong)>)", made) == []
