import json

from ..scripted_server import Script, as_json_lines


def test_generate_from_arguments_and_from_stdin(cli, script: Script) -> None:
    assert cli("generate", "a", "b", "--samples", 2).stdout.splitlines() == [
        f"answer {i}.{j}" for i in "01" for j in "01"
    ]
    assert len(json.loads(cli("generate", "--json", "--temperature", 0, input="a\n\nb\n").stdout)) == 2
    assert [prompt.text for prompt in script.requests["Generate"][1].prompts] == ["a", "b"]
    assert "expected some as arguments or as lines of stdin" in cli("generate", input="", exit_code=1).stderr


def test_chat_remembers_what_was_said_until_it_is_reset(cli, script: Script) -> None:
    result = cli("chat", "--system", "be brief", input="hi\nwhy?\n/reset\nagain\n/exit\nnever\n")
    assert result.stdout == "answer 0.0\n" * 3
    said = [[(m.role, m.content) for m in r.prompt.conversation.messages] for r in script.requests["GenerateStream"]]
    assert said == [
        [("system", "be brief"), ("user", "hi")],
        [("system", "be brief"), ("user", "hi"), ("assistant", "answer 0.0"), ("user", "why?")],
        [("system", "be brief"), ("user", "again")],
    ]


def test_chat_as_json_is_a_line_per_answer(cli) -> None:
    answers = as_json_lines(cli("chat", "--json", input="hi\nwhy?\n").stdout)
    assert answers == [{"role": "assistant", "content": "answer 0.0"}] * 2
