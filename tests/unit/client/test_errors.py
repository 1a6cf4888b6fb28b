"""What the services raise arrives as the matching error here: the real interceptor makes the statuses."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import rlhf
from rlhf.errors import ERRORS, error_from

from services.runtime import errors as server
from tests.certificates import Authority
from tests.conftest import free_port

from .scripted_server import Script, raising

CASES = [
    (server.NotFound("model", "x", ["sft"]), rlhf.NotFoundError, LookupError, "no model 'x'; there are sft"),
    (server.AlreadyExists("taken"), rlhf.AlreadyExistsError, rlhf.RlhfError, "taken"),
    (server.Conflict("it runs"), rlhf.ConflictError, rlhf.RlhfError, "it runs"),
    (server.DeadlinePassed("late"), rlhf.DeadlineError, TimeoutError, "longer timeout"),
    (server.Unauthenticated("no token"), rlhf.UnauthenticatedError, PermissionError, "no token. Give one .*RLHF_TOKEN"),
    (server.PermissionDenied("not you"), rlhf.AccessDeniedError, PermissionError, "not you. Ask its operator"),
    (KeyError("secret"), rlhf.ServiceFailedError, RuntimeError, "internal error [0-9a-f]{12}"),
]


@pytest.mark.parametrize(("raised", "kind", "standard", "message"), CASES, ids=lambda case: str(case)[:20])
def test_each_error_keeps_its_meaning_on_the_wire(
    client: rlhf.Client, script: Script, raised, kind, standard, message: str
) -> None:
    script.faults["Promote"] = [raising(raised)]
    with pytest.raises(kind, match=message) as caught:
        client.models.promote("a@1", "policy/default")
    assert isinstance(caught.value, standard)
    assert isinstance(caught.value, rlhf.RlhfError)
    assert "secret" not in str(caught.value)


def test_all_problems_of_an_input_arrive(client: rlhf.Client, script: Script) -> None:
    problems = [server.Problem("a", "1", "2"), server.Problem("b", "x", "y")]
    script.faults["CreateRun"] = [raising(server.InvalidInput(*problems))]
    with pytest.raises(rlhf.InvalidInputError) as caught:
        client.runs.create(rlhf.Sft(base_model="m", dataset="d"), name="n")
    assert isinstance(caught.value, ValueError)
    assert [(p.field, p.description) for p in caught.value.problems] == [
        ("a", "got 1, expected 2"),
        ("b", "got x, expected y"),
    ]


def test_the_text_of_an_error_holds_every_problem_whole(client: rlhf.Client, script: Script) -> None:
    """Where the status' own message is cut short."""
    problems = [server.Problem(f"field{number}", "x" * 200, "y" * 200) for number in range(3)]
    script.faults["CreateRun"] = [raising(server.InvalidInput(*problems))]
    with pytest.raises(rlhf.InvalidInputError) as caught:
        client.runs.create(rlhf.Sft(base_model="m", dataset="d"), name="n")
    assert str(caught.value) == "; ".join(map(str, problems))


def test_a_service_that_loads_is_told_from_one_that_is_away(client: rlhf.Client, script: Script) -> None:
    script.faults["Generate"] = [raising(server.NotReady("sft is still loading", 30.0))]
    with pytest.raises(rlhf.NotReadyError, match="still loading") as caught:
        client.policy.generate("a", timeout=5)
    assert caught.value.retry_after == 30.0
    assert script.calls("Generate") == 1, "there is no time left at which to ask again"


def test_a_service_that_is_not_there_is_named_with_what_to_do() -> None:
    address = f"127.0.0.1:{free_port()}"
    with rlhf.Client(trainer=address) as client, pytest.raises(rlhf.ConnectionFailedError) as caught:
        client.runs.list()
    assert isinstance(caught.value, ConnectionError)
    for part in (address, "rlhf up", "RLHF_TRAINER"):
        assert part in str(caught.value)


def test_another_service_at_the_address_is_told_from_none() -> None:
    failure = grpc.aio.AioRpcError(grpc.StatusCode.UNIMPLEMENTED, grpc.aio.Metadata(), grpc.aio.Metadata())
    error = error_from(failure, "policy", "h:1")
    assert "h:1 answers, but it is not the policy service" in str(error)
    assert not isinstance(error, ConnectionError), "asking again would not help"


@pytest.mark.parametrize(
    ("named", "trusted", "advice"),
    [
        ("127.0.0.1", "ours", "cannot reach policy .* Its certificate is not from the authority in ca=… or .RLHF_CA"),
        ("policy.example", "theirs", "or not for this address"),
        ("127.0.0.1", "", "If it speaks TLS, give ca=…"),
    ],
)
def test_a_connection_that_tls_prevents_says_what_to_change(
    named: str, trusted: str, advice: str, tmp_path: Path
) -> None:
    """The server stands at one address: where a name means several, the error is that of whichever is asked last."""
    authorities = {name: Authority(tmp_path, name) for name in ("ours", "theirs")}
    pair = authorities["theirs"].issue("server", hosts=(named,))
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.cert.read_bytes())])
    )
    server.start()
    ca, address = authorities[trusted].ca if trusted else "", f"127.0.0.1:{port}"
    with rlhf.Client(policy=address, ca=ca) as client, pytest.raises(rlhf.ConnectionFailedError, match=advice):
        client.policy.generate("a", timeout=2)
    server.stop(None).wait()


def test_a_service_without_tls_is_told_from_one_that_is_not_trusted(address: str, tmp_path: Path) -> None:
    with (
        rlhf.Client(policy=address, ca=Authority(tmp_path).ca) as client,
        pytest.raises(rlhf.ConnectionFailedError, match="It speaks no TLS"),
    ):
        client.policy.generate("a", timeout=2)


def test_every_error_is_of_the_one_family() -> None:
    assert all(issubclass(kind, rlhf.RlhfError) for kind in ERRORS.values())
