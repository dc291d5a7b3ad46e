"""`vemo predict` as people use it: folders, films and faces to rows in every format, pictures drawn on."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vemo.cli import main
from vemo.finetune.predict import load_model
from vemo.finetune.predict.config import FaceConfig
from vemo.finetune.predict.lines import clock, shortened
from vemo.finetune.predict.looks import Faces, shows_faces
from vemo.finetune.predict.run import results
from vemo.finetune.predict.sources import frames_of

FACES = ("--faces", "--yunet", "any.onnx", "--face-smallest", "10")


@pytest.fixture
def pictures(scene, tmp_path):
    """Two sound pictures, a blank one, one that is none, and what is passed over."""
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    Image.fromarray(scene((20, 20, 60, 60))).save(folder / "b.png")
    Image.fromarray(scene()).save(folder / "a.jpg")
    Image.new("RGB", (40, 30), (2, 2, 2)).save(folder / "inner/black.png")
    (folder / "inner/broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "notes.txt").write_text("passed over")
    (folder / "._a.jpg").write_bytes(b"passed over")
    return folder


def predicted(capsys, *arguments, code=0):
    """The rows that `vemo predict … --json` gives."""
    assert main(["predict", *map(str, arguments), "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folder_of_pictures(pictures, model, capsys):
    rows = predicted(capsys, pictures, "--checkpoint", model, code=1)
    assert [Path(row["path"]).name for row in rows] == ["a.jpg", "b.png", "black.png", "broken.jpg"]
    assert [row["status"] for row in rows] == ["ok", "ok", "blank", "unreadable"]
    assert rows[2]["reason"] == "the frame is of one colour" and rows[3]["reason"]
    said = rows[0]["heads"]["emotion"]
    assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert said["confidence"] == max(said["probabilities"].values()) == said["probabilities"][said["class"]]
    assert rows[0]["heads"]["tone"].keys() == {"valence", "arousal", "dominance"}
    assert rows[0]["heads"] != rows[1]["heads"] and rows[2]["heads"] == rows[3]["heads"] == {}
    assert {rows[0][name] for name in ("time", "frame", "track", "box")} == {None}


def test_exit_code_and_summary(pictures, model, capsys):
    assert main(["predict", str(pictures / "a.jpg"), "--checkpoint", str(model), "--json"]) == 0
    assert "1 pictures or frames: 1 ok\nwhole pictures were shown" in capsys.readouterr().err
    assert main(["predict", str(pictures), "--checkpoint", str(model)]) == 1
    shown = capsys.readouterr()
    assert "3 pictures or frames: 2 ok, 1 blank, 1 unreadable" in shown.err
    assert shown.out.count("\n") == 4 and "blank: the frame is of one colour" in shown.out


def test_every_format_says_the_same(pictures, model, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet: pip install 'vemo[readers]'")
    paths = {name: tmp_path / f"rows{name}" for name in (".jsonl", ".csv", ".parquet")}
    for path in paths.values():
        given = [
            "predict",
            str(pictures),
            "--checkpoint",
            str(model),
            "--out",
            str(path),
            "--abstain",
            "0.99",
        ]
        assert main(given) == 1
    nested = [json.loads(line) for line in paths[".jsonl"].read_text().splitlines()]
    table = parquet.read_table(paths[".parquet"]).to_pylist()
    with paths[".csv"].open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(nested) == len(table) == len(lines) == 4
    for row, typed, text in zip(nested, table, lines):
        assert list(typed) == list(text)
        assert (typed["path"], typed["status"], typed["reason"]) == (
            row["path"],
            row["status"],
            row["reason"],
        )
        assert {name: "" if value is None else str(value) for name, value in typed.items()} == {
            name: value.capitalize() if value in ("true", "false") else value for name, value in text.items()
        }
        if row["status"] == "ok":
            emotion, tone = row["heads"]["emotion"], row["heads"]["tone"]
            assert typed["emotion.class"] == emotion["class"] and typed["emotion.abstain"] is True
            assert typed["emotion.probabilities.awe"] == emotion["probabilities"]["awe"]
            assert typed["tone.arousal"] == tone["arousal"]
        else:
            assert typed["emotion.class"] is typed["tone.arousal"] is None


def test_faces_of_a_film(scene, write_video, model, red_faces, tmp_path, capsys):
    """Two faces drift apart, one leaves; the last frames are black."""
    films = [
        scene((10 + step, 10, 40 + step, 40), (70 + 2 * step, 20, 94 + 2 * step, 44)) for step in range(10)
    ]
    films += [scene((20, 10, 50, 40))] * 2 + [scene()] + [np.zeros((96, 128, 3), np.uint8)] * 2
    path = write_video(tmp_path / "film.mp4", films)
    rows = predicted(capsys, path, "--checkpoint", model, *FACES, "--every-frame")
    by_frame = {number: [row for row in rows if row["frame"] == number] for number in range(15)}
    assert [len(by_frame[number]) for number in range(15)] == [2] * 10 + [1] * 5
    for number in range(10):
        one, two = by_frame[number]
        assert (one["track"], two["track"], one["time"]) == (1, 2, pytest.approx(number / 10))
        np.testing.assert_allclose(one["box"], (10 + number, 10, 40 + number, 40), atol=2)
        assert len(one["landmarks"]) == 5 and one["status"] == "ok" and one["heads"]
    assert by_frame[11][0]["track"] == 1
    assert [by_frame[number][0]["status"] for number in (12, 13, 14)] == ["no_face"] * 3
    assert by_frame[12][0]["reason"] == "no detection of 0.6 or more" and by_frame[12][0]["heads"] == {}
    assert by_frame[14][0]["reason"] == "the frame is of one colour"
    sparse = predicted(capsys, path, path, "--checkpoint", model, *FACES, "--every", 0.5)
    assert [row["frame"] for row in sparse if row["track"] in (1, None)] == [0, 5, 10] * 2
    assert max(row["track"] or 0 for row in sparse) == 2  # each film counts its own


def test_a_film_that_is_cut_off_keeps_its_rows(scene, write_video, model, red_faces, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3)).astype(np.uint8)
    whole = write_video(tmp_path / "whole.mp4", noise, movflags="faststart").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    rows = predicted(capsys, tmp_path / "cut.mp4", "--checkpoint", model, "--no-faces", code=1)
    assert [row["status"] for row in rows[:-1]] == ["ok"] * (len(rows) - 1) and len(rows) > 2
    assert rows[-1]["status"] == "incomplete" and "ended early" in rows[-1]["reason"]


def faces_picture(scene, tmp_path):
    boxes = [(4, 4, 40, 40), (50, 4, 58, 12), (70, 20, 100, 50), (110, 60, 126, 76)]
    Image.fromarray(scene(*boxes)).save(tmp_path / "many.png")
    return tmp_path / "many.png"


def test_limits_are_rows_with_a_reason(scene, model, red_faces, tmp_path, capsys):
    path = faces_picture(scene, tmp_path)
    rows = predicted(capsys, path, "--checkpoint", model, *FACES, "--face-most", 3)
    assert [row["status"] for row in rows] == ["ok", "skipped", "ok", "skipped"]
    assert rows[1]["reason"] == "8 pixels; smallest=10" and rows[1]["box"] == [50, 4, 58, 12]
    assert rows[3]["reason"] == "1 more faces, less sure; most=3" and rows[3]["box"] is None
    rows = predicted(capsys, path, "--checkpoint", model, *FACES, "--face-turn", 0.1)
    assert [row["status"] for row in rows] == ["skipped"] * 4 and "turned by 0.1" in rows[0]["reason"]
    rows = predicted(capsys, path, "--checkpoint", model, *FACES, "--face-turn", 0.3)
    assert [row["status"] for row in rows] == ["ok", "skipped", "ok", "ok"]
    rows = predicted(capsys, path, "--checkpoint", model, *FACES, "--face-score", 0.85)
    assert len(rows) == 2  # 0.9 and 0.85: a thousandth less with every pixel to the right
    assert rows[0]["score"] == pytest.approx(0.896)


def test_many_faces_in_batches_equal_one_by_one(scene, model, red_faces, tmp_path):
    path = faces_picture(scene, tmp_path)
    said = []
    for size in (1, 2, 64):
        predictor = load_model(model, batch_size=size)
        look = Faces(predictor, red_faces, FaceConfig(smallest=4))
        frames = frames_of((str(path),) * 5, None)
        said.append([row.said for _, rows in results(frames, look, predictor) for row in rows])
    assert len(said[0]) == 20
    for other in said[1:]:
        for one, two in zip(said[0], other):
            assert one["emotion"]["probabilities"] == pytest.approx(two["emotion"]["probabilities"], abs=2e-6)
            assert one["tone"] == pytest.approx(two["tone"], abs=2e-6)
    assert said[0][0] != said[0][2]


def test_faces_are_the_default_of_expression_labels(make_model, model, pictures, capsys):
    fer = make_model({"expression": {"kind": "single", "space": "fer8"}})
    assert shows_faces(load_model(fer)) == (True, "label space fer8")
    assert shows_faces(load_model(model)) == (False, "label space mikels8")
    assert main(["predict", str(pictures), "--checkpoint", str(fer)]) == 2
    assert "faces (label space fer8): give YuNet's ONNX file" in capsys.readouterr().err
    assert len(predicted(capsys, pictures / "a.jpg", "--checkpoint", fer, "--no-faces")) == 1
    persons = make_model(person="crop_and_scene")
    assert main(["predict", str(pictures), "--checkpoint", str(persons), *FACES]) == 2
    assert "trained with person=crop_and_scene; use --no-faces" in capsys.readouterr().err
    assert main(["predict", str(pictures / "a.jpg"), "--checkpoint", str(persons)]) == 0
    assert "no persons were looked for" in capsys.readouterr().err


def test_abstaining_is_marked(pictures, model, capsys):
    for below, expected in ((0.0, False), (1.0, True)):
        (row,) = predicted(capsys, pictures / "a.jpg", "--checkpoint", model, "--abstain", below)
        assert row["heads"]["emotion"]["abstain"] is expected
    assert main(["predict", str(pictures / "a.jpg"), "--checkpoint", str(model), "--abstain", "1"]) == 0
    assert "abstained" in capsys.readouterr().out


def test_a_picture_and_a_film_drawn_on(scene, write_video, model, red_faces, tmp_path, capsys):
    av = pytest.importorskip("av")
    path = tmp_path / "face.png"
    Image.fromarray(scene((40, 40, 90, 90), size=(151, 201))).save(path)
    given = ["--checkpoint", str(model), *FACES, "--annotate"]
    assert main(["predict", str(path), *given, str(tmp_path / "drawn.png")]) == 0
    before, after = (np.asarray(Image.open(each)).astype(int) for each in (path, tmp_path / "drawn.png"))
    changed = np.abs(before - after).max(2) > 30
    assert after.shape == before.shape and changed[40, 40:90].mean() > 0.9  # the box's upper edge
    assert changed[20:38, 40:].mean() > 0.05 and not changed[100:].any()  # the label; far below, nothing
    film = write_video(tmp_path / "film.mp4", [scene((20, 20, 60, 60))] * 20)
    assert main(["predict", str(film), *given, str(tmp_path / "drawn.mp4"), "--every", "0.5"]) == 0
    with av.open(str(tmp_path / "drawn.mp4")) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [round(time, 2) for time, _ in frames] == [0, 0.5, 1, 1.5]
    assert np.abs(frames[0][1].astype(int) - scene((20, 20, 60, 60))).max() > 60
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg", "nowhere.jpg"], "nowhere.jpg: no such file or folder"),
        (["a.jpg", "--every", "0"], "every: must be greater than 0, got '0'"),
        (["a.jpg", "--abstain", "2"], "abstain: must be less than or equal to 1"),
        (["a.jpg", "--face-turn", "-1"], "face.turn: must be greater than 0"),
        (["a.jpg", "--out", "rows.txt"], "rows.txt: name it .jsonl"),
        (["a.jpg", "--json", "--out", "rows.csv"], "its name says csv, the options say json"),
        (["a.jpg", "--annotate", "a.jpg"], "a.jpg: is one of the inputs"),
        (["a.jpg", "--annotate", "drawn.mp4"], "one picture into a picture"),
        ([".", "--annotate", "drawn.jpg"], "one picture into a picture"),
        (["a.jpg", "--out", "absent/rows.csv"], "its folder does not exist"),
        (["a.jpg", "--faces"], "faces (as asked): give YuNet's ONNX file"),
        (["a.jpg", "--device", "toaster"], "device=toaster: cannot be used here"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    pictures, model, capsys, arguments, message, monkeypatch
):
    monkeypatch.chdir(pictures)
    before = {path: path.stat().st_mtime_ns for path in pictures.rglob("*")}
    assert main(["predict", *arguments, "--checkpoint", str(model)]) == 2
    assert message in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in pictures.rglob("*")} == before


def test_a_name_that_no_terminal_should_obey():
    assert shortened("a\x1b[31mb.jpg") == "a�[31mb.jpg"
    assert shortened("x" * 40 + ".jpg") == "…" + "x" * 23 + ".jpg"
    assert (clock(12.3), clock(3725.005)) == ("0:12.30", "1:02:05.00")


@pytest.mark.real_data
def test_the_published_yunet(model, tmp_path, capsys):
    """A drawn face of the built-in dataset, found and aligned in a film by the real detector."""
    pytest.importorskip("cv2", reason="YuNet runs in OpenCV: pip install 'vemo[detect]'")
    name = "face_detection_yunet_2023mar.onnx"
    folder = os.environ.get("VEMO_DETECTORS")
    path = next(Path(folder).rglob(name), None) if folder else None
    if path is None:
        pytest.skip(f"VEMO_DETECTORS names no folder with {name}")
    from vemo.datasets.synthetic import SynthesizeConfig, synthesize

    synthesize(SynthesizeConfig(out=tmp_path / "native", images=40, seed=3))
    rows = predicted(capsys, tmp_path / "native/image", "--checkpoint", model, "--faces", "--yunet", path)
    found = [row for row in rows if row["status"] == "ok"]
    assert len(found) >= 5 and all(row["heads"]["emotion"] for row in found)
    assert {row["status"] for row in rows} <= {"ok", "no_face", "skipped"}
