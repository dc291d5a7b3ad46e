"""Flickr_LDL and Twitter_LDL in both forms; the order of the columns is stated, and checked on the votes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import vemo
import yaml
from reader_outcomes import outcomes_of
from vemo.datasets.readers import make_reader
from vemo.datasets.readers.scenes.ldl import ORDERS, LDLConfig
from vemo.datasets.taxonomy import label_space
from vemo.foundation.errors import UserError

MIKELS = label_space("mikels8").names
FORM_1, FORM_2, ALPHABET = (order.split() for order in ORDERS)


def config(kind="flickr_ldl", columns=MIKELS, **keys):
    return LDLConfig(kind=kind, columns=columns and list(columns), **keys)


def eleven_votes(images):
    """[N, 8] in mikels8's order: people agree on the side more often than on the emotion."""
    votes = np.zeros((images, 8), dtype=np.uint8)
    for image in range(images):
        side = 0 if image % 3 else 4  # two of three are positive
        for vote in range(9):
            votes[image, side + (image + vote) % 4] += 1
        votes[image, 4 - side + image % 4] += 2
    return votes


def in_order(votes, columns):
    return votes[:, [MIKELS.index(name) for name in columns]]


def form_1(root, votes, numbers, short="fli"):
    scipy_io = pytest.importorskip("scipy.io", reason="scipy (extra readers) writes the fixture")
    scipy_io.savemat(root / f"data_{short}.mat", {"ind": np.array([numbers], dtype=np.int32)})
    scipy_io.savemat(root / f"nvote_{short}.mat", {"n_vote_all": votes})


def form_2(root, votes, name="flickrldl_config.mat"):
    h5py = pytest.importorskip("h5py", reason="h5py (extra readers) writes the fixture")
    with h5py.File(root / name, "w", userblock_size=512) as file:
        file["vote"] = votes.T  # as MATLAB stores N x 8
    with (root / name).open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(512))


def outcomes(root, settings):
    return outcomes_of(make_reader(settings, root))


def test_form_1(tmp_path, put, round_trip):
    votes = eleven_votes(12)
    numbers = [700 + 11 * place for place in range(12)]
    form_1(tmp_path, votes, numbers)
    for place, number in enumerate(numbers):
        put(tmp_path / f"{number}.{'JPG' if place == 3 else 'jpg'}", place)
    records = round_trip(config(), tmp_path)
    assert set(records) == {f"flickr-ldl/{number}.jpg" for number in numbers}
    assert records["flickr-ldl/711.jpg"]["labels"] == {"mikels8": {"votes": votes[1].tolist()}}
    assert sum(votes[1].tolist()) == 11
    assert records["flickr-ldl/733.jpg"]["source"]["path"] == "733.JPG"


def test_form_2_in_another_order_gives_the_same_labels(tmp_path, put, round_trip):
    votes = eleven_votes(9)
    form_2(tmp_path, in_order(votes, FORM_2), "twitterldl_config.mat")
    for number in range(1, 10):
        put(tmp_path / "images" / f"{number}.jpg", number)
    records = round_trip(config("twitter_ldl", FORM_2), tmp_path)
    assert set(records) == {f"twitter-ldl/{number}.jpg" for number in range(1, 10)}
    for number in range(1, 10):
        label = records[f"twitter-ldl/{number}.jpg"]["labels"]["mikels8"]
        assert label == {"votes": votes[number - 1].tolist()}


def test_shares_become_a_distribution_and_zeros_no_label(tmp_path, put):
    votes = eleven_votes(6) / 11
    votes[2] = np.eye(8)[5]  # unanimous: 1.0 here is a share, not one vote
    votes[3] = 0
    form_2(tmp_path, votes)
    for number in range(1, 7):
        put(tmp_path / "images" / f"{number}.jpg", number)
    found = outcomes(tmp_path, config())
    assert found["1.jpg"]["labels"]["mikels8"]["distribution"] == votes[0].tolist()
    assert found["3.jpg"]["labels"]["mikels8"] == {"distribution": [0, 0, 0, 0, 0, 1, 0, 0]}
    assert "labels" not in found["4.jpg"]


def test_broken_rows_and_unnamed_images_fail_by_name(tmp_path, put):
    votes = eleven_votes(7).astype(np.float64)
    votes[1, 0], votes[2, 0] = np.nan, -1
    form_1(tmp_path, votes, [1, 2, 3, 4, 5, 5, 7])
    for name in ("1", "2", "3", "5", "7", "99"):
        put(tmp_path / f"images/{name}.jpg", int(name))
    found = outcomes(tmp_path, config())
    reasons = {name: outcome.partition(":")[0] for name, outcome in found.items() if isinstance(outcome, str)}
    assert reasons == {
        "2.jpg": "bad_annotation",
        "3.jpg": "bad_annotation",
        "4.jpg": "missing_image",
        "5.jpg~2": "duplicate_id",
        "99.jpg": "missing_annotation",
    }
    assert "votes must be numbers from 0 up" in found["2.jpg"]
    assert found["7.jpg"]["labels"]["mikels8"]["votes"] == votes[6].tolist()


@pytest.mark.parametrize("wrong", [FORM_2, ALPHABET])
def test_an_order_that_the_votes_speak_against_is_refused(tmp_path, wrong):
    form_1(tmp_path, eleven_votes(12), range(1, 13))
    with pytest.raises(UserError, match=r"speak against the order .* to 0\.\d\d only") as caught:
        list(make_reader(config(columns=wrong), tmp_path).rows())
    message = str(caught.value)
    assert "its share of the votes and the images where it is strongest: 1: 1" in message
    assert scores(message)["public code for form 1"] > 0.3
    assert "\n" not in message
    assert (
        len(list(make_reader(config(columns=wrong, check=False), tmp_path).rows())) == 12
    )  # who insists may


def scores(message):
    """The agreement that an error quotes, by whose order it is."""
    found = {}
    for order, whose in ORDERS.items():
        before, here, _ = message.partition(f" by {order} ({whose})")
        assert here
        found[whose] = float(before.rpartition(" ")[2])
    return found


def test_without_an_order_the_error_says_what_speaks_for_each(tmp_path):
    form_2(tmp_path, in_order(eleven_votes(30), FORM_2))
    with pytest.raises(UserError, match="must name the emotions of the eight columns") as caught:
        list(make_reader(config(columns=None), tmp_path).rows())
    found = scores(str(caught.value))
    assert max(found, key=found.__getitem__) == "a public converter of form 2"
    assert found["public code for form 1"] < found["a public converter of form 2"] - 0.2


def test_the_orders_that_are_about():
    assert list(MIKELS) == FORM_1
    assert sorted(MIKELS) == ALPHABET
    assert " ".join(FORM_2) == "anger amusement awe contentment disgust excitement fear sadness"
    for name in ("flickr", "twitter"):
        path = Path(vemo.__file__).parent / f"configs/datasets/{name}_ldl.yaml"
        assert yaml.safe_load(path.read_text())["reader"] == {"kind": f"{name}_ldl", "columns": FORM_1}


def test_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"no data_fli\.mat or flickrldl_config\.mat, so .*flickr-ldl"):
        make_reader(config(), tmp_path)
    form_1(tmp_path, eleven_votes(3), [1, 2, 3, 4])
    with pytest.raises(UserError, match=r"nvote_fli\.mat: expected 4 x 8 numbers, got 3 x 8 of uint8"):
        list(make_reader(config(), tmp_path).rows())
    form_1(tmp_path, eleven_votes(4), [1, 2, 3, 4])
    with pytest.raises(UserError, match="must name each of amusement, awe"):
        list(make_reader(config(columns=[*MIKELS[:7], "fear"]), tmp_path).rows())
    with pytest.raises(UserError, match=r"no 'joy'"):
        list(make_reader(config(columns=[*MIKELS[:7], "joy"]), tmp_path).rows())
    (tmp_path / "nvote_fli.mat").unlink()
    with pytest.raises(UserError, match=r"nvote_fli\.mat: no such file"):
        list(make_reader(config(), tmp_path).rows())
    (tmp_path / "data_fli.mat").unlink()
    form_2(tmp_path, np.zeros((4, 7)))
    with pytest.raises(UserError, match="expected 4 x 8 numbers, got 4 x 7 of float64"):
        list(make_reader(config(), tmp_path).rows())
    (tmp_path / "flickrldl_config.mat").write_bytes(b"damaged" * 100)
    with pytest.raises(UserError, match=r"flickrldl_config\.mat: no HDF5 file"):
        list(make_reader(config(), tmp_path).rows())


def test_without_h5py(tmp_path, monkeypatch):
    (tmp_path / "flickrldl_config.mat").write_bytes(b"MATLAB 7.3 MAT-file")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"need h5py: pip install 'vemo\[readers\]'"):
        list(make_reader(config(), tmp_path).rows())


def test_a_variable_that_is_not_there_is_named(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py (extra readers) writes the fixture")
    with h5py.File(tmp_path / "flickrldl_config.mat", "w") as file:
        file["votes"] = np.zeros((8, 3))
    with pytest.raises(UserError, match="no variable vote; there are votes"):
        list(make_reader(config(), tmp_path).rows())
