"""Loading configs: layers, kinds, and mistakes word for word."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Discriminator, Field, Tag, model_validator
from vemo.foundation import Config, UserError
from vemo.foundation.config import config_schema, dump_config, load_config


class Optim(Config):
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)


class MaskedAutoencoder(Config):
    kind: Literal["mae"] = "mae"
    mask_ratio: float = Field(0.75, gt=0, lt=1)


class Contrastive(Config):
    kind: Literal["clip"] = "clip"
    temperature: float = 0.07


Objective = Annotated[MaskedAutoencoder | Contrastive, Field(discriminator="kind")]


class Run(Config):
    root: Path = Path("data")
    optim: Optim = Optim()
    objective: Objective = MaskedAutoencoder()
    extra_objectives: list[Objective] = []
    epochs: int | Literal["auto"] = 3
    splits: dict[str, float] = {}
    note: str | None = "none"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Writes configs/pretrain/NAME.yaml below an empty working directory."""
    monkeypatch.chdir(tmp_path)
    Path("configs/pretrain").mkdir(parents=True)

    def write(text: str, name: str = "tiny") -> str:
        path = f"configs/pretrain/{name}.yaml"
        Path(path).write_text(text)
        return path

    return write


def mistake(path: str | None, *overrides: str, schema: type[Config] = Run) -> str:
    with pytest.raises(UserError) as caught:
        load_config(schema, path, overrides)
    return str(caught.value)


def test_all_mistakes_at_once_in_the_words_of_the_design(tiny):
    path = tiny("objective: {kind: mae, mask_ratio: 1.4}")
    assert mistake(path, "optim.lrr=1") == (
        "configs/pretrain/tiny.yaml: 2 problems\n"
        "  unknown key optim.lrr (did you mean optim.lr?)          from the command line\n"
        "  objective.mask_ratio: must be less than 1, got 1.4      from configs/pretrain/tiny.yaml"
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("epoch=3", "unknown key epoch (did you mean epochs?)"),
        ("lr=3", "unknown key lr (did you mean optim.lr?)"),
        ("optim.color=3", "unknown key optim.color (the keys here are lr, betas)"),
        ("optim=3", "optim: must be a section of keys, got 3"),
        ("optim.lr.x=3", "optim.lr: must be a number, got {'x': 3}"),
        ("optim.lr=fast", "optim.lr: must be a number, got 'fast'"),
        ("optim.betas=[0.9]", "optim.betas: must have more than 1 values, got [0.9]"),
        ("epochs=abc", "epochs: must be a whole number or 'auto', got 'abc'"),
        ("splits.train=x", "splits.train: must be a number, got 'x'"),
        ("objective.kind=clop", "objective.kind: must be one of mae, clip, got 'clop'"),
        ("objective=3", "objective: must be a section of keys, got 3"),
        ("bar", "'bar' is not key=value"),
        ("=3", "'=3' is not key=value"),
        ("optim..lr=3", "'optim..lr=3' is not key=value"),
    ],
)
def test_one_mistake_on_the_command_line(override, line):
    assert mistake(None, override) == f"the command line: 1 problem\n  {line}      from the command line"


def test_a_key_of_another_kind_names_the_kind(tiny):
    path = tiny("objective: {kind: mae, mask_ratio: 0.4}")
    assert mistake(path, "objective.kind=clip", "objective.mask_ratio=0.5") == (
        "configs/pretrain/tiny.yaml: 1 problem\n"
        "  unknown key objective.mask_ratio (kind clip has temperature)      from the command line"
    )


def test_mistakes_inside_a_list_of_kinds(tiny):
    message = mistake(
        tiny("extra_objectives:\n- {kind: clip}\n- {kind: mae, mask_ratio: 2}\n- {kind: mae, mask_ration: 1}")
    )
    assert "extra_objectives.1.mask_ratio: must be less than 1, got 2 " in message
    assert "extra_objectives.2.mask_ration (did you mean extra_objectives.2.mask_ratio?)" in message


def test_a_section_without_its_kind():
    assert mistake(None, "objective={mask_ratio: 0.5}") == (
        "the command line: 1 problem\n  missing key objective.kind (one of mae, clip)"
    )


class Folder(Config):
    folder: Path
    workers: int = 0


class Member(Config):
    folder: Path
    weight: float = 1


class Several(Config):
    several: dict[str, Member]
    workers: int = 0


class Forms(Config):
    """A section in two forms, told apart by a key, one of them with sections under free names."""

    data: Annotated[
        Annotated[Folder, Tag("[one]")] | Annotated[Several, Tag("[several]")],
        Discriminator(lambda data: "[several]" if "several" in data else "[one]"),
    ]


@pytest.mark.parametrize(
    ("data", "override", "line"),
    [
        ("{several: {}}", "data.folder=x", "(did you mean data.several.NAME.folder?)"),
        ("{several: {}}", "data.worker=1", "(did you mean data.workers?)"),
        ("{folder: x}", "data.weight=1", "(did you mean data.several.NAME.weight?)"),
        ("{folder: x}", "data.color=1", "(the keys here are folder, workers)"),
        ("{several: {a: {folder: x}}}", "data.several.a.wieght=1", "(did you mean data.several.a.weight?)"),
        ("{several: {a: {folder: x}}}", "data.several.a.color=1", "(the keys here are folder, weight)"),
        ("{several: {a: {folder: x}}}", "data.several.a.workers=1", "(did you mean data.workers?)"),
    ],
)
def test_a_key_of_another_form_and_in_a_section_under_a_free_name(data, override, line):
    key = override.partition("=")[0]
    assert mistake(None, f"data={data}", override, schema=Forms) == (
        f"the command line: 1 problem\n  unknown key {key} {line}      from the command line"
    )


def test_a_missing_key_says_how_to_give_it(tiny):
    class Build(Config):
        root: Path

    assert mistake(tiny(""), schema=Build) == (
        "configs/pretrain/tiny.yaml: 1 problem\n"
        "  missing key root (set it in the file, or with root=... on the command line)"
    )


def test_a_rule_over_several_keys_speaks_for_itself():
    class Sizes(Config):
        small: int = 1
        large: int = 2

        @model_validator(mode="after")
        def _ordered(self):
            if self.small > self.large:
                raise ValueError("small must not exceed large")
            return self

    assert mistake(None, "small=3", schema=Sizes) == (
        "the command line: 1 problem\n  small must not exceed large"
    )


def test_overrides_are_yaml_and_apply_in_any_order(tiny):
    path = tiny("objective: {kind: mae, mask_ratio: 0.4}\nsplits: {train: 0.8, test: 0.2}")
    overrides = ["objective.temperature=.2", "objective.kind=clip", "optim.betas=[.1, 1e-1]", "optim.lr=1e-4"]
    config = load_config(Run, path, [*overrides, "note=", "splits={train: 1}", "root=/data/a b"])
    assert config.objective == Contrastive(temperature=0.2)
    assert config.optim == Optim(lr=1e-4, betas=(0.1, 0.1))
    assert config.note is None
    assert config.splits == {"train": 1.0}
    assert config.root == Path("/data/a b")
    assert load_config(Run, path, ["note=null"]).note is None
    assert load_config(Run, path, ["optim.lr=1", "optim.lr=2"]).optim.lr == 2
    assert load_config(Run, path, ["optim.lr=2", "optim={betas: [0, 0]}"]).optim == Optim(lr=2, betas=(0, 0))


@pytest.mark.parametrize("text", ["2024-01-01", "1:30", "on", "@file", "[1,", "é"])
def test_scalars_that_yaml_1_1_would_twist_stay_text(text):
    assert load_config(Run, None, [f"note={text}"]).note == text


def test_numbers_written_any_way_are_numbers(tiny):
    assert load_config(Run, tiny("optim: {lr: 1e-3}")).optim.lr == 1e-3
    assert load_config(Run, tiny("optim: {lr: '1e-3'}")).optim.lr == 1e-3
    assert load_config(Run, tiny("epochs: 010")).epochs == 10


def test_extends_merges_sections_and_the_nearest_file_wins(tiny):
    tiny("optim: {lr: 1, betas: [0, 0]}\nobjective: {kind: mae, mask_ratio: 0.5}\nepochs: 7", "base")
    tiny("extends: base.yaml\noptim: {lr: 2}", "middle")
    path = tiny("extends: ../pretrain/middle.yaml\nobjective: {kind: clip}")
    config = load_config(Run, path)
    assert config.optim == Optim(lr=2, betas=(0, 0))
    assert config.objective == Contrastive()
    assert config.epochs == 7


def test_a_mistake_in_an_extended_file_is_traced_to_it(tiny):
    tiny("epochs: many", "base")
    message = mistake(tiny("extends: base.yaml"))
    assert message.startswith("configs/pretrain/tiny.yaml: 1 problem\n")
    assert message.endswith("got 'many'      from configs/pretrain/base.yaml")


def test_extends_refuses_cycles_and_absent_files(tiny):
    tiny("extends: tiny.yaml", "base")
    path = tiny("extends: base.yaml")
    assert mistake(path) == (
        "configs/pretrain/tiny.yaml: extends itself: "
        "configs/pretrain/tiny.yaml -> configs/pretrain/base.yaml -> configs/pretrain/tiny.yaml"
    )
    path = tiny("extends: gone.yaml")
    assert mistake(path) == (
        "configs/pretrain/tiny.yaml: extends configs/pretrain/gone.yaml, which does not exist"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3\nnote: x\nepochs: 4", "configs/pretrain/tiny.yaml, line 3: key 'epochs' is given twice"),
        ("epochs: 3\nnote: [", "configs/pretrain/tiny.yaml, line 2: "),
        ("a: 1\nb: !!python/object:os.system x", "configs/pretrain/tiny.yaml, line 2: could not determine"),
        ("optim: &o\n  lr: *o", "configs/pretrain/tiny.yaml, line 1: found unconstructable recursive node"),
        ("- 1", "configs/pretrain/tiny.yaml: must hold `key: value` lines, holds list"),
        ("extends: [a]", "configs/pretrain/tiny.yaml: extends must name one YAML file, got ['a']"),
    ],
)
def test_bad_yaml_names_the_line(tiny, text, message):
    assert mistake(tiny(text)).startswith(message)


def test_files_that_cannot_be_read(tiny):
    assert mistake("gone.yaml") == "gone.yaml: no such file"
    assert mistake("configs").startswith("configs: cannot be read: ")
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert mistake("binary.yaml").startswith("binary.yaml: cannot be read: ")


def test_a_dumped_config_reads_back_equal(tiny):
    config = load_config(Run, None, ["objective.kind=clip", "optim.lr=1e-5", "note=ünï", "splits.a=0.5"])
    assert load_config(Run, tiny(dump_config(config))) == config


def test_the_schema_knows_extends_and_kinds():
    schema = config_schema(Run)
    assert set(schema["properties"]) == {*Run.model_fields, "extends"}
    assert schema["properties"]["objective"]["discriminator"]["propertyName"] == "kind"
    assert schema["additionalProperties"] is False
