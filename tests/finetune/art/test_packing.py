"""A SEVLM as a release: it stands alone, says the same, and what cannot stand alone is refused."""

import json
import shutil

import pytest
import torch
import vemo
import yaml
from tiny_sevlm import ANSWERS
from vemo.datasets.taxonomy import label_space
from vemo.finetune.art.config import ArtConfig
from vemo.finetune.art.explainer import VOCABULARY, load_explainer
from vemo.finetune.art.model import Sevlm
from vemo.finetune.art.packing import ART
from vemo.finetune.art.task import ArtTask
from vemo.finetune.art.vision import Vision
from vemo.finetune.art.vocabulary import train_vocabulary
from vemo.finetune.outcome import save_model
from vemo.foundation import UserError
from vemo.foundation.config import dump_config
from vemo.zoo import load_encoder
from vemo.zoo.pack import PackConfig, pack
from vemo.zoo.reference import reference_images
from vemo.zoo.verify import verify

ENCODER = "timm:vit_tiny_patch16_224:32"


@pytest.fixture
def run(tmp_path):
    """The folder that a finished run leaves, its model never trained."""
    pytest.importorskip("transformers", reason="SEVLM needs transformers: pip install 'vemo[art]'")
    model = {
        "decoder": {"layers": 1, "heads": 2, "width": 32, "positions": 64, "dropout": 0.0},
        "max_length": 36,
        "contrastive": None,
    }
    config = ArtConfig.model_validate(
        {
            "out": tmp_path / "run",
            "encoder": ENCODER,
            "random": True,
            "model": model,
            "data": {"shards": "/data/x"},
        }
    )
    vocabulary = train_vocabulary(ANSWERS * 3, label_space("artemis9").names, 500, 2)
    torch.manual_seed(1)
    vision = Vision(load_encoder(ENCODER, random=True, seed=7))
    task = ArtTask(vision, Sevlm(config.model, vocabulary, vision.width))
    torch.nn.init.normal_(task.model.decoder.wte.weight, std=0.5)
    about = {
        "kind": "art",
        "encoder": vision.encoder.description,
        "model": config.model.model_dump(mode="json"),
        "scores": {"art": {"split": "test", "images": 3, "bleu_4": 0.125}},
        "seed": 1,
    }
    folder = tmp_path / "run" / "model"
    folder.mkdir(parents=True)
    (folder / VOCABULARY).write_text(vocabulary.content)
    save_model(folder, task, about)
    (tmp_path / "run" / "finetune.yaml").write_text(dump_config(config))
    return tmp_path / "run"


def packed(run, out, **changes):
    given = {"run": run, "out": out, "licence": "research-only", "data": "sentences", **changes}
    return pack(PackConfig.model_validate(given), (ART,))


def test_it_stands_alone_and_says_the_same(run, tmp_path):
    images = reference_images(32)
    before = load_explainer(run)(images)
    found = packed(run, tmp_path / "art", dtype="fp16")
    shutil.rmtree(run)
    assert "/data" not in (tmp_path / "art/finetune.yaml").read_text() and found.document.kind == "art"
    after = load_explainer(tmp_path / "art")(images)
    for one, other in zip(before, after):
        assert one["distribution"] == pytest.approx(other["distribution"], abs=1e-2)
    assert before != after  # halved
    kept = ART.load(tmp_path / "art").outputs(images)["emotion"]
    assert kept.std(0).max() > 1e-5  # what it says depends on the picture
    assert all(each.ok for each in verify(str(tmp_path / "art"), (ART,)))
    (metric,) = found.document.metrics
    assert (metric.metric, metric.value, metric.samples, metric.head) == ("bleu_4", 0.125, 3, "art")
    assert found.document.heads["emotion"].classes == label_space("artemis9").names
    assert vemo.load(tmp_path / "art").card == (tmp_path / "art/README.md").read_text()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": {"vad": {"lexicon": {"path": "words.tsv"}}}}, "whose lexicon no release may hold"),
        ({"patches": "patches"}, "patches made beforehand"),
        ({"encoder": "runs/some/release"}, "only timm: encoders can be packed"),
    ],
)
def test_what_cannot_stand_alone_is_refused(run, tmp_path, changes, expected):
    said = yaml.safe_load((run / "finetune.yaml").read_text())
    said["model"] |= changes.pop("model", {})
    (run / "finetune.yaml").write_text(yaml.safe_dump(said | changes))
    with pytest.raises(UserError, match=expected):
        packed(run, tmp_path / "art")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_damaged_description_is_refused(run, tmp_path):
    (run / "model/model.json").write_text("{")
    with pytest.raises(UserError, match=r"model\.json: damaged"):
        packed(run, tmp_path / "art")
    (run / "model/model.json").write_text(json.dumps({"kind": "art"}))
    with pytest.raises(UserError, match="not the description of a model"):
        packed(run, tmp_path / "art")
