import json
from pathlib import Path

from ..scripted_server import Script


def test_list(cli) -> None:
    assert cli("models", "list").stdout.split("\t")[:4] == [
        "sft@1.3-aa",
        "LlamaForCausalLM",
        "3.9 MB",
        "policy/default",
    ]
    assert json.loads(cli("models", "list", "--json").stdout)[0]["version"] == "1.3-aa"


def test_download_brings_a_folder_home(cli, script: Script, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    script.files = {"config.json": b"{}"}
    assert cli("models", "download", "policy/default").stdout == "policy-default\n"
    assert (tmp_path / "policy-default" / "config.json").read_bytes() == b"{}"
    assert "not empty" in cli("models", "download", "policy/default", exit_code=1).stderr


def test_upload_import_promote_rollback(cli, script: Script, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 2000)
    result = cli("models", "upload", tmp_path, "--name", "mine")
    assert (result.stdout, "2.0 kB" in result.stderr) == ("mine@1.3-aa\n", True)
    cli("models", "import", "hf://owner/name", "--name", "theirs")
    assert script.requests["ImportModel"][0].source == "hf://owner/name"
    assert cli("models", "promote", "mine@1", "policy/default").stdout == "policy/default is now sft@1.3-aa\n"
    assert cli("models", "rollback", "policy/default").stdout == "policy/default is now sft@1.3-aa\n"


def test_a_place_that_cannot_be_written_is_told_without_a_traceback(cli, script: Script, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = cli("models", "download", "sft", tmp_path / "file" / "home", exit_code=1)
    assert result.stderr.startswith("error: ")
    assert str(tmp_path / "file") in result.stderr
