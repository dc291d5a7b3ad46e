"""CK+: the last frames of labelled sequences, the first as neutral, subjects kept together."""

import pytest
from reader_outcomes import outcomes_of
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.faces.ckplus import CkPlusConfig
from vemo.foundation.errors import UserError

# The number in the emotion file, and fer8's word for it.
NUMBERED = ["neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]


@pytest.fixture
def sequence(put):
    """sequence(root, subject, number, frames, emotion=None): the native files of one sequence."""
    drawn = iter(range(1000))

    def write(root, subject, number, frames, emotion=None, images="cohn-kanade-images", emotions="Emotion"):
        folder, name = f"{subject}/{number}", f"{subject}_{number}_"
        for frame in range(1, frames + 1):
            put(root / images / folder / f"{name}{frame:08d}.png", next(drawn))
        (root / emotions / folder).mkdir(parents=True, exist_ok=True)  # the archive has empty folders
        if emotion is not None:
            path = root / emotions / folder / f"{name}{frames:08d}_emotion.txt"
            path.write_text(emotion if isinstance(emotion, str) else f"   {emotion:.7e}\n")

    return write


def outcomes(root, **settings):
    return outcomes_of(make_reader(CkPlusConfig(**settings), root))


def classes(found):
    return {name: record.get("labels", {}).get("fer8", {}).get("class") for name, record in found.items()}


def test_last_frames_bear_the_emotion_and_the_first_is_neutral(tmp_path, sequence, round_trip):
    root = tmp_path / "set"
    sequence(root, "S005", "001", 6, 3)
    sequence(root, "S005", "002", 5)
    sequence(root, "S010", "004", 4, 7)
    for folder in ("cohn-kanade-images", "Emotion"):
        (root / folder / ".DS_Store").write_bytes(b"x")
        (root / folder / "S005" / "001" / "._S005_001_00000006_emotion.txt").write_bytes(b"x")
    records = round_trip(CkPlusConfig(), root)
    assert classes(records) == {
        "ckplus/S005_001_00000001": "neutral",
        "ckplus/S005_001_00000004": "disgust",
        "ckplus/S005_001_00000005": "disgust",
        "ckplus/S005_001_00000006": "disgust",
        "ckplus/S010_004_00000001": "neutral",
        "ckplus/S010_004_00000002": "surprise",
        "ckplus/S010_004_00000003": "surprise",
        "ckplus/S010_004_00000004": "surprise",
    }
    assert {r["source"]["group"] for r in records.values()} == {"S005", "S010"}
    assert not any("split" in record["source"] for record in records.values())
    path = "cohn-kanade-images/S005/001/S005_001_00000006.png"
    assert records["ckplus/S005_001_00000006"]["source"]["path"] == path


def test_all_numbers(tmp_path, sequence):
    for number in range(8):
        sequence(tmp_path, f"S{number:03d}", "001", 1, number)
    assert list(classes(outcomes(tmp_path)).values()) == NUMBERED


def test_how_many_frames_and_which(tmp_path, sequence):
    sequence(tmp_path, "S005", "001", 3, 5)
    sequence(tmp_path, "S006", "001", 2)
    one = {"S005_001_00000001": "neutral", "S005_001_00000003": "happiness"}
    assert classes(outcomes(tmp_path, last=1)) == one
    assert classes(outcomes(tmp_path, last=1, first="leave_out")) == {"S005_001_00000003": "happiness"}
    # The first frame is among the last three: it is not neutral as well.
    assert list(classes(outcomes(tmp_path)).values()) == ["happiness"] * 3
    assert list(classes(outcomes(tmp_path, last=9)).values()) == ["happiness"] * 3
    assert classes(outcomes(tmp_path, last=1, unlabelled=True)) == {
        **one,
        "S006_001_00000001": "neutral",
        "S006_001_00000002": None,
    }


def test_frames_beyond_the_named_peak_and_a_peak_that_is_not_there(tmp_path, sequence):
    sequence(tmp_path, "S005", "001", 4, 3)
    sequence(tmp_path, "S006", "001", 4, 4)
    folder = tmp_path / "cohn-kanade-images"
    (folder / "S005/001/S005_001_00000005.png").write_bytes(b"after the peak")
    (folder / "S006/001/S006_001_00000004.png").unlink()
    (folder / "S006/001/S006_001_00000001.png").rename(folder / "S006/001/S006_001_00000001.PNG")
    found = outcomes(tmp_path, last=2)
    path = "cohn-kanade-images/S006/001/S006_001_00000004.png"
    assert found.pop("S006_001_00000004") == f"missing_image: no file {path}"
    assert classes(found) == {
        "S005_001_00000001": "neutral",
        "S005_001_00000003": "disgust",
        "S005_001_00000004": "disgust",
        "S006_001_00000001": "neutral",
        "S006_001_00000003": "fear",
    }


def test_broken_emotion_files_fail(tmp_path, sequence):
    for place, text in enumerate(["8.0000000e+00", "2.5", "", "happy", "-1", "nan"]):
        sequence(tmp_path, f"S{place:03d}", "001", 1, text)
    found = outcomes(tmp_path)
    assert len(found) == 6
    assert all(said.startswith("bad_annotation: ") for said in found.values())
    assert (
        "the emotion in Emotion/S000/001/S000_001_00000001_emotion.txt is 8, not"
        in found["S000_001_00000001"]
    )


def test_as_the_archives_unpack(tmp_path, sequence):
    below = {"images": "extended-cohn-kanade-images/cohn-kanade-images", "emotions": "Emotion_labels/Emotion"}
    sequence(tmp_path, "S005", "001", 1, 1, **below)
    assert classes(outcomes(tmp_path)) == {"S005_001_00000001": "anger"}


def test_without_images_or_emotions(tmp_path):
    with pytest.raises(UserError, match=r"no cohn-kanade-images or .*so this is no ckplus folder.*jeffcohn"):
        make_reader(CkPlusConfig(), tmp_path)
    (tmp_path / "cohn-kanade-images").mkdir()
    with pytest.raises(UserError, match=r"no Emotion or .*so this is no ckplus folder"):
        make_reader(CkPlusConfig(), tmp_path)
    (tmp_path / "Emotion").mkdir()
    assert outcomes(tmp_path) == {}
