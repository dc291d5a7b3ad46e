"""ArtPhoto's flat folder and Abstract's votes between apostrophes."""

import pytest
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.scenes.abstract import AbstractConfig, ArtPhotoConfig
from vemo.datasets.taxonomy import class_index, label_space
from vemo.foundation.errors import UserError

# As the file has it: an empty first name, and two words that Mikels' eight spell otherwise.
HEADER = "'','Amusement','Anger','Awe','Content','Disgust','Excitement','Fear','Sad'"


def write(root, lines, header=HEADER, end="\n"):
    root.mkdir(exist_ok=True)
    text = "".join(line + end for line in [header, *lines])
    (root / "ABSTRACT_groundTruth.csv").write_bytes(text.encode())


def outcomes(config, root):
    reader, found = make_reader(config, root), {}
    for row in reader.rows():
        try:
            found[row.id] = reader.read(row)[0]
        except SampleError as error:
            found[row.id] = str(error)
    return found


@pytest.mark.parametrize("above", ["testImages_artphoto", ""])
def test_artphoto_takes_the_emotion_from_the_name(tmp_path, put, round_trip, above):
    folder = tmp_path / above
    names = ["amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sad"]
    for number, name in enumerate(names):
        put(folder / f"{name}_{number:04}.jpg", number)
    put(folder / "sad_0009.JPG", 9)
    (folder / "ReadMe.rtf").write_text("not an image")
    (folder / "._sad_0009.jpg").write_bytes(b"resource fork")
    records = round_trip(ArtPhotoConfig(), tmp_path)
    found = {name: record["labels"]["mikels8"]["class"] for name, record in records.items()}
    expected = {f"artphoto/{n}_{i:04}.jpg": n if n != "sad" else "sadness" for i, n in enumerate(names)}
    assert found == {**expected, "artphoto/sad_0009.JPG": "sadness"}


def test_artphoto_failures_and_copies(tmp_path, put):
    put(tmp_path / "awe_1.jpg", 0)
    put(tmp_path / "fear_1.jpg", 0)
    put(tmp_path / "mirth_1.jpg", 1)
    put(tmp_path / "more" / "awe_2.jpg", 2)  # another dataset's pictures, further down
    found = outcomes(ArtPhotoConfig(), tmp_path)
    assert list(found) == ["awe_1.jpg", "fear_1.jpg", "mirth_1.jpg"]
    assert found["mirth_1.jpg"].startswith("bad_row: mirth_1.jpg: the name does not begin with an emotion")
    awe, fear, _ = make_reader(ArtPhotoConfig(), tmp_path).rows()
    assert awe.group == fear.group


def test_artphoto_user_error(tmp_path, put):
    put(tmp_path / "abstract_0001.jpg")
    put(tmp_path / "image" / "awe" / "awe_1.jpg")  # EmoSet's layout
    with pytest.raises(UserError, match=r"no image called <emotion>_<id>\.jpg.*imageemotion\.org"):
        make_reader(ArtPhotoConfig(), tmp_path)


@pytest.mark.parametrize("above", ["testImages_abstract", ""])
def test_abstract_votes_in_the_order_of_the_space(tmp_path, put, round_trip, above):
    folder = tmp_path / above
    write(folder, ["'abstract_0001.jpg',1,2,3,4,5,6,7,8", "'abstract_0002.jpg',5,0,5,0,0,0,0,4"])
    put(folder / "abstract_0001.jpg", 0)
    put(folder / "abstract_0002.jpg", 1)
    records = round_trip(AbstractConfig(), tmp_path)
    # amusement, awe, contentment, excitement, anger, disgust, fear, sadness
    first, second = records["abstract/abstract_0001.jpg"], records["abstract/abstract_0002.jpg"]
    assert first["labels"] == {"mikels8": {"votes": [1, 3, 4, 6, 2, 5, 7, 8]}}
    assert second["labels"] == {"mikels8": {"votes": [5, 5, 0, 0, 0, 0, 0, 4]}}
    assert class_index(first, label_space("mikels8")) == 7
    assert class_index(second, label_space("mikels8")) is None  # a tie, so no hard label


def test_abstract_takes_columns_by_name_and_bears_blanks(tmp_path, put):
    header = "\ufeff'' , 'Sad','Fear','Excitement','Disgust','Content','Awe','Anger','Amusement'"
    write(tmp_path, [" 'abstract_0001.jpg' , 8, 7,6,5,4,3,2 , 1 ", "", ",,,,,,,,"], header, end="\r\n")
    put(tmp_path / "abstract_0001.jpg")
    found = outcomes(AbstractConfig(), tmp_path)
    assert list(found) == ["abstract_0001.jpg"]
    assert found["abstract_0001.jpg"].labels["mikels8"].votes == [1, 3, 4, 6, 2, 5, 7, 8]


def test_abstract_bad_rows_fail_by_name_and_nothing_is_lost(tmp_path, put):
    write(
        tmp_path,
        [
            "'abstract_0001.jpg',1,0,0,0,0,0,0,0",
            "'abstract_0001.jpg',1,0,0,0,0,0,0,0",
            "'abstract_0002.jpg',1,0,0,0,0,0,0,0",
            "'abstract_0003.jpg',1,0,0,0,0,0,0",
            "'abstract_0004.jpg',1,0,0,0,0,0,0,0,0",
            "'abstract_0005.jpg',1,0,0,0,0,0,0,nan",
            "'abstract_0006.jpg',-1,0,0,0,0,0,0,1",
            "'../abstract_0007.jpg',1,0,0,0,0,0,0,0",
            "'abstract_0008.jpg',0,0,0,0,0,0,0,0",
            "'',1,0,0,0,0,0,0,0",
        ],
    )
    for number in (1, 6, 8, 9):
        put(tmp_path / f"abstract_000{number}.jpg", number)
    found = outcomes(AbstractConfig(), tmp_path)
    assert found.pop("abstract_0001.jpg").labels["mikels8"].votes == [1, 0, 0, 0, 0, 0, 0, 0]
    assert found.pop("abstract_0008.jpg").labels == {}  # nobody voted: kept, without a label
    assert {name: outcome.partition(":")[0] for name, outcome in found.items()} == {
        "abstract_0001.jpg~2": "duplicate_id",
        "abstract_0002.jpg": "missing_image",
        "abstract_0003.jpg": "bad_row",
        "abstract_0004.jpg": "bad_row",
        "abstract_0005.jpg": "bad_row",
        "abstract_0006.jpg": "bad_annotation",
        "../abstract_0007.jpg": "path_escapes_root",
        "line11": "bad_row",
        "abstract_0009.jpg": "missing_annotation",
    }


def test_abstract_user_errors(tmp_path, put):
    put(tmp_path / "abstract_0001.jpg")
    with pytest.raises(UserError, match=r"no ABSTRACT_groundTruth\.csv.*imageemotion\.org"):
        make_reader(AbstractConfig(), tmp_path)
    write(tmp_path, [], header="'','Amusement','Anger','Awe','Contentment','Disgust','Excitement','Fear'")
    with pytest.raises(UserError, match="no column Content, Sad in the first line"):
        list(make_reader(AbstractConfig(), tmp_path).rows())
