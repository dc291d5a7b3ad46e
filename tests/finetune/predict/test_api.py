"""`vemo.load`: pictures of every kind to named results, from many threads, without waiting for torch."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import vemo
from PIL import Image
from vemo.finetune.predict import load_model
from vemo.finetune.predict.config import FaceConfig
from vemo.foundation import UserError
from vemo.zoo import load_encoder

ROOT = Path(__file__).parents[3]
CALIBRATED = {"emotion": {"calibration": {"temperature": {"value": 2.0, "identified": True}}}}


@pytest.fixture(scope="module")
def loaded(make_model):
    """Two heads, of which one is calibrated."""
    heads = {"emotion": {"kind": "single", "space": "mikels8"}, "tone": {"kind": "vad"}}
    heads["second"] = {"kind": "distribution", "space": "mikels8"}
    return vemo.load(make_model(heads, scores=CALIBRATED))


def pixels(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (50, 70, 3)).astype(np.uint8)


def test_the_same_picture_in_every_form(loaded, tmp_path):
    array = pixels()
    path = tmp_path / "picture.png"
    Image.fromarray(array).save(path)
    forms = [path, str(path), Image.fromarray(array), array, torch.from_numpy(array).permute(2, 0, 1)]
    found = loaded.predict(forms)
    assert [each.image for each in found] == list(range(5)) and {each.status for each in found} == {"ok"}
    assert [each.path for each in found] == [str(path), str(path), None, None, None]
    assert all(each.heads == found[0].heads for each in found)
    assert loaded.predict(array)[0].heads == loaded.predict(path)[0].heads == found[0].heads
    batch = loaded.predict(torch.stack([torch.from_numpy(pixels(seed)).permute(2, 0, 1) for seed in (0, 1)]))
    assert batch[0].heads == found[0].heads != batch[1].heads
    stacked = loaded.predict(np.stack([pixels(0), pixels(1)]))
    assert [each.heads for each in stacked] == [each.heads for each in batch]
    assert loaded.predict([]) == []


def test_what_a_result_says(loaded):
    (found,) = loaded.predict(pixels(), abstain=0.99)
    emotion, tone = found.heads["emotion"], found.heads["tone"]
    predictor = loaded.predictor
    exact = predictor([predictor.view(torch.from_numpy(pixels()).permute(2, 0, 1))])["emotion"][0]
    assert emotion.labels == loaded.labels["emotion"] == predictor.heads["emotion"]["classes"]
    np.testing.assert_allclose(emotion.values, exact, atol=1e-6)
    assert emotion.label == emotion.labels[int(exact.argmax())] == found.label
    assert emotion.confidence == max(emotion.values) == found.probabilities[found.label]
    assert emotion.abstain is True and found.heads["second"].abstain is None  # one is calibrated, one is not
    assert tone.labels == ("valence", "arousal", "dominance") and tone.label is tone.abstain is None
    assert all(-1 <= value <= 1 for value in tone.values) and found.features is None
    assert loaded.predict(pixels())[0].heads["emotion"].abstain is False


def test_features(loaded, release):
    pictures = [pixels(0), pixels(1)]
    found = loaded.features(pictures)
    assert found.shape == (2, 32) and found.dtype == torch.float32
    rows = loaded.predict(pictures, features=True)
    torch.testing.assert_close(torch.stack([row.features for row in rows]), found)
    encoder = vemo.load(release, dtype=torch.float32)
    assert encoder.labels == {} and "tiny" in encoder.card
    view = encoder.predictor.view(torch.from_numpy(pixels()).permute(2, 0, 1))
    torch.testing.assert_close(encoder.features(pixels()), load_encoder(release)(view[None]).detach())
    with pytest.raises(UserError, match=r"has \.features\(images\) only"):
        encoder.predict(pixels())


def test_threads_share_a_model(loaded):
    pictures = [pixels(seed) for seed in range(24)]
    alone = [loaded.predict(each)[0].heads for each in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda each: loaded.predict([each, each]), pictures))
    for wanted, found in zip(alone, together):
        for each in found:
            np.testing.assert_allclose(each.heads["emotion"].values, wanted["emotion"].values, atol=2e-6)
    assert len({heads["emotion"].values for heads in alone}) == 24


def test_faces_from_threads(make_model, scene, red_faces, monkeypatch):
    model = vemo.load(make_model({"expression": {"kind": "single", "space": "fer8"}}))
    with pytest.raises(UserError, match="give YuNet's ONNX file"):
        monkeypatch.delenv("VEMO_YUNET", raising=False)
        monkeypatch.setattr("vemo.finetune.predict.run.find_yunet", lambda: None)
        model.predict(scene())
    monkeypatch.setattr("vemo.finetune.predict.run.find_yunet", lambda: Path("any.onnx"))
    pictures = [scene((10, 20, 50, 60), (70, 10, 110, 50)), scene(), np.zeros((64, 64, 3), np.uint8)]
    found = model.predict(pictures)
    assert [(each.image, each.status) for each in found] == [
        *((0, "ok"), (0, "ok"), (1, "no_face"), (2, "no_face")),
    ]
    assert found[0].box == (10, 20, 50, 60) and len(found[0].landmarks) == 5 and found[0].label
    assert found[2].label is None and found[2].probabilities == {} and found[2].reason
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: model.predict(pictures), range(8)))
    assert all(each == found for each in again)
    (small, other) = model.predict(pictures[0], face=FaceConfig(smallest=60))
    assert small.status == other.status == "skipped"
    assert [each.status for each in model.predict(pictures, faces=False)] == ["ok", "ok", "blank"]


def test_films_and_folders(loaded, write_video, tmp_path):
    write_video(tmp_path / "film.mp4", [pixels(seed)[:48, :64] for seed in range(10)])
    found = loaded.predict([pixels(), tmp_path / "film.mp4"], every=0.5)
    assert [(each.image, each.frame, each.time) for each in found] == [
        (0, None, None),
        (1, 0, 0),
        (1, 5, 0.5),
    ]
    assert len(loaded.predict(tmp_path)) == 2  # a folder's


def test_what_cannot_be_read_is_a_result(loaded, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    whole = tmp_path / "whole.png"
    Image.fromarray(pixels()).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    lazy = Image.open(tmp_path / "cut.png")  # Pillow finds out when it is decoded
    found = loaded.predict([broken, tmp_path / "absent.png", lazy, pixels()])
    assert [each.status for each in found] == ["unreadable"] * 3 + ["ok"]
    assert all(each.reason for each in found[:3])
    with pytest.raises(UserError, match=r"images\[0\]: "):
        loaded.features([broken])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((8, 8, 3), np.nan, np.float32), r"images\[0\]: float32 \[8, 8, 3\]; give uint8"),
        (torch.rand(3, 8, 8), r"images\[0\]: torch.float32"),
        ([pixels(), torch.zeros(8, 8, 3, dtype=torch.uint8)], r"images\[1\]: torch.uint8 \[8, 8, 3\]"),
        (np.zeros((0, 8, 3), np.uint8), r"\[0, 8, 3\]"),
        ([None], "NoneType; give a path"),
        ("webcam:0", "cameras are for `vemo predict`"),
    ],
)
def test_what_is_no_picture(loaded, wrong, message):
    with pytest.raises(UserError, match=message):
        loaded.predict(wrong)


def test_what_cannot_be_loaded(tmp_path, model):
    with pytest.raises(UserError, match="no such folder, and no such checkpoint"):
        vemo.load("nothing-of-this-name")
    with pytest.raises(UserError, match="dtype=int8: give"):
        vemo.load(model, dtype="int8")
    with pytest.raises(UserError, match=r"no model\.json here"):
        vemo.load(tmp_path)


def test_card_and_bf16(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    near, exact = vemo.load(copy, dtype="bfloat16"), vemo.load(copy)
    assert "mikels8" in exact.card and exact.about["heads"]["emotion"]["space"] == "mikels8"
    values = [each.predict(pixels())[0].heads["emotion"].values for each in (near, exact)]
    assert 0 < np.abs(np.subtract(*values)).max() < 0.05
    (copy / "model/README.md").write_text("# A card\n")
    assert vemo.load(copy).card == "# A card\n"


def test_importing_vemo_is_quick():
    program = (
        "import sys, time; before = time.process_time(); import vemo; after = time.process_time();"
        "assert 'load' in vemo.__all__ and 'torch' not in sys.modules and 'numpy' not in sys.modules;"
        "print(after - before)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 0.2
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        vemo.laod  # noqa: B018


@pytest.mark.parametrize("installed", [True, False])
def test_torch_hub(model, installed, tmp_path):
    """Also where no vemo is installed, and without our `datasets` getting in the way of anybody's."""
    hide = "import importlib.util as u; find = u.find_spec;" + (
        ""
        if installed
        else "u.find_spec = lambda name, *more: None if name == 'vemo' else find(name, *more);"
    )
    program = (
        f"{hide} import sys, torch; model = torch.hub.load({str(ROOT)!r}, 'load', {str(model)!r}, "
        f"source='local', batch_size=4); print([*model.labels]); assert {str(ROOT)!r} not in sys.path"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "['emotion', 'tone']"


def test_it_is_the_predictor_of_vemo_predict(loaded, model):
    mine, theirs = vemo.load(model).predictor, load_model(model)
    picture = [theirs.view(torch.from_numpy(pixels()).permute(2, 0, 1))]
    torch.testing.assert_close(mine(picture)["emotion"], theirs(picture)["emotion"])
