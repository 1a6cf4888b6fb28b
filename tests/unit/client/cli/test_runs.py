import json

from ..scripted_server import FAILED, Script, as_json_lines, make_events


def test_list_is_tab_separated_in_a_pipe(cli) -> None:
    assert cli("runs", "list").stdout.split("\t")[:3] == ["r1", "mine", "succeeded"]


def test_show_names_what_the_stages_left(cli) -> None:
    assert "sft: sft@1.3-aa  loss 0.5" in cli("runs", "show", "r1").stdout


def test_watch_shows_each_step_and_where_the_model_is(cli, script: Script) -> None:
    script.events = make_events()
    result = cli("runs", "watch", "r1")
    assert "sft 2/3 loss 0.5\n" in result.stderr
    assert "rlhf models download sft@1.3-aa" in result.stdout


def test_watch_as_json_is_a_line_per_event(cli, script: Script) -> None:
    script.events = make_events()
    events = as_json_lines(cli("runs", "watch", "r1", "--json").stdout)
    assert [event["event"] for event in events] == [10, 11, 21, 22, 23, 90]
    assert events[2]["metrics"] == {"loss": 1.0}


def test_a_failed_run_exits_with_one_and_says_what_to_do(cli, script: Script) -> None:
    script.events = make_events(FAILED, "out of memory")
    result = cli("runs", "watch", "r1", exit_code=1)
    for part in ("run r1 failed: out of memory", "rlhf runs logs r1", "rlhf runs resume r1"):
        assert part in result.stderr


def test_logs_come_as_they_were_written(cli) -> None:
    assert cli("runs", "logs", "r1", "--follow").stdout == "one\ntwo\nthree\n"


def test_events_are_a_line_each_and_whole_as_json(cli) -> None:
    lines = cli("runs", "events", "r1").stdout.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["1", "Queued", "the run was accepted"],
        ["2", "Queued", "attempt 2 goes on from step 4 of stage sft: it was evicted; it printed last:"],
    ]
    assert json.loads(cli("runs", "events", "r1", "--json").stdout)[1]["message"].endswith("last:\nstep 4")


def test_cancel_and_resume(cli, script: Script) -> None:
    assert cli("runs", "cancel", "r1").stdout == "run r1 cancelled\n"
    assert json.loads(cli("runs", "resume", "r1", "--no-wait", "--json").stdout)["state"] == "queued"
