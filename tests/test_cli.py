"""The command line as a user meets it: exit codes, one-line errors, what make passes through."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from vemo.cli import main
from vemo.cli.config import CONFIGS, config_class
from vemo.foundation.config import Config

ROOT = Path(__file__).parent.parent


def test_a_user_error_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shards", "build", str(tmp_path / "absent.yaml")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "absent.yaml" in message
    assert "Traceback" not in message


def test_unknown_config_keys_are_all_named(capsys: pytest.CaptureFixture[str]) -> None:
    config = str(ROOT / "configs/datasets/emoset.yaml")
    assert main(["shards", "build", config, "root=/nowhere", "out=/nowhere", "wrkers=2", "toleranc=1"]) == 2
    message = capsys.readouterr().err
    assert "did you mean workers?" in message
    assert "did you mean tolerance?" in message


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["datasets", "synthesize"], ["datasets", "list"], ["datasets", "map"], ["shards", "build"],
        ["shards", "verify"], ["shards", "stats"], ["shards", "audit"], ["shards", "card"],
        ["shards", "persons"], ["shards", "faces"], ["shards", "hashes"], ["shards", "embed"],
        ["pretrain"], ["finetune"], ["probe"], ["evaluate"], ["predict"], ["audit"], ["shards", "apply"],
        ["curate", "open"], ["curate", "edits"], ["curate", "merge"],
        ["config", "schema"], ["config", "show"],
        ["checkpoints", "list"], ["checkpoints", "download"], ["checkpoints", "verify"],
        ["checkpoints", "pack"], ["checkpoints", "card"], ["checkpoints", "export"], ["doctor"],
    ):  # fmt: skip
        with pytest.raises(SystemExit) as left:
            main([*command, "--help"])
        assert left.value.code == 0
        assert "usage: vemo" in capsys.readouterr().out


@pytest.mark.parametrize("config", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_config_of_the_repository_is_valid(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = {"datasets": "shards", "evaluation": "evaluate", "tasks": "task", "annotation": "curate"}
    kind = folders.get(config.parent.name, config.parent.name)
    kind = "published" if config.name == "published.yaml" else kind
    kind = "art" if config.name.startswith("art_") else kind  # a `vemo finetune` of another kind
    given = {
        "shards": ["root=/data/somewhere", "out=/data/elsewhere"],
        "probe": ["checkpoint=runs/some/release", "shards=data/some-shards"],
    }.get(kind, [])
    assert main(["config", "show", kind, str(config), *given]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_config_has_a_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", kind]) == 0
    properties = json.loads(capsys.readouterr().out)["properties"]
    schema = config_class(kind)
    assert issubclass(schema, Config) and properties.keys() == {*schema.model_fields, "extends"}


def test_no_command_loads_a_config_without_a_schema() -> None:
    source = "".join(path.read_text() for path in (ROOT / "cli").glob("*.py"))
    loaded = set(re.findall(r"load_config\((\w+Config),", source))
    by_other_rooms = {"TaskConfig", "PublishedConfig", "RegistryConfig"}
    assert loaded | by_other_rooms == {name for _, name in CONFIGS.values()}


def test_show_fills_in_what_a_file_leaves_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "embed.yaml").write_text("what: [images]\n")
    assert main(["config", "show", "embed", str(tmp_path / "embed.yaml"), "shards=some/set"]) == 0
    shown = capsys.readouterr().out
    assert "what:\n- images\n" in shown and "name: teacher\n" in shown


def test_sidecars_take_settings_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("nme: mine\n")
    for command in ("persons", "faces", "hashes", "embed"):
        assert main(["shards", command, str(tmp_path), "--config", str(settings)]) == 2
        assert "unknown key nme (did you mean name?)" in capsys.readouterr().err


def test_settings_may_follow_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    config = str(ROOT / "configs/evaluation/probe/tweets.yaml")
    assert main(["probe", "/absent", "/nowhere", "--config", config, "seed=1"]) == 2
    assert "/nowhere" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["probe", "/absent", "/nowhere", "--config", config, "--sed=1"])
    assert "unrecognized arguments: --sed=1" in capsys.readouterr().err


def test_help_does_not_wait_for_torch() -> None:
    program = "import sys; from vemo.cli import parser; parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def dry_make(*words: str) -> str:
    run = subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.skipif(
    subprocess.run(["which", "make"], capture_output=True).returncode != 0, reason="no make here"
)
def test_make_passes_settings_through() -> None:
    line = next(
        line
        for line in dry_make(
            "pretrain", "CONFIG=configs/pretrain/uniemox.yaml", "GPUS=2", "a.b=5e-4"
        ).splitlines()
        if " pretrain configs" in line
    )
    assert line.rstrip().endswith("pretrain configs/pretrain/uniemox.yaml a.b=5e-4")
    assert "--nproc-per-node=2 " in line and " --no-python " in line


def test_python_files_of_this_package_are_importable_by_their_own_name() -> None:
    """`vemo` must come from the checkout the tests lie in, not from another copy."""
    import vemo

    assert Path(vemo.__file__).resolve().parent == ROOT.resolve()
