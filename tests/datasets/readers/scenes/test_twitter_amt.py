"""Twitter I and II: the order of the two vote columns is never taken on trust."""

import pytest
from vemo.datasets.readers import SampleError, make_reader
from vemo.datasets.readers.scenes.twitter_amt import TwitterAmtConfig
from vemo.foundation.errors import UserError

PLAIN = "file,num,a,b"
LINES = ("1.jpg,5,4,1", "2.jpg,5,0,5", "3.jpg,5,3,2")


@pytest.fixture
def root(tmp_path, put):
    for number in (1, 2, 3):
        put(tmp_path / "Agg_AMT_Candidates" / f"{number}.jpg", number)
    return tmp_path


def write(root, lines=LINES, header=PLAIN, end="\n"):
    (root / "amt_result.csv").write_bytes("".join(line + end for line in [header, *lines] if line).encode())


def votes(config, root):
    reader = make_reader(config, root)
    return [reader.read(row)[0].labels["polarity2"].votes for row in reader.rows()]


POSITIVE_FIRST = [[1, 4], [5, 0], [2, 3]]  # [negative, positive]
NEGATIVE_FIRST = [[4, 1], [0, 5], [3, 2]]


@pytest.mark.parametrize(
    ("order", "expected"), [("positive_negative", POSITIVE_FIRST), ("negative_positive", NEGATIVE_FIRST)]
)
def test_votes_by_the_configured_order(root, round_trip, order, expected):
    write(root)
    records = round_trip(TwitterAmtConfig(order=order), root)
    names = [f"twitter-1/{number}.jpg" for number in (1, 2, 3)]
    assert [records[name]["labels"] for name in names] == [{"polarity2": {"votes": v}} for v in expected]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("\ufeffimage,total,num_positive,num_negative", POSITIVE_FIRST),
        ("image,total,Negative votes,Positive votes", NEGATIVE_FIRST),
    ],
)
def test_the_header_tells(root, header, expected):
    write(root, header=header, end="\r\n")
    assert votes(TwitterAmtConfig(), root) == expected


@pytest.mark.parametrize(("labels", "expected"), [("101", POSITIVE_FIRST), ("010", NEGATIVE_FIRST)])
@pytest.mark.parametrize("header", [PLAIN, ""])
def test_the_agreement_lists_tell(root, labels, expected, header):
    write(root, header=header)
    lines = [f"{number}.jpg {label}\r\n" for number, label in zip((1, 2, 3), labels)]
    (root / "twitter_three_agrees.txt").write_text("".join(lines))
    (root / "five_agree.txt").write_text(f"2.jpg {labels[1]}\n\nnot a line\n9.jpg 1\n")
    assert votes(TwitterAmtConfig(), root) == expected


def test_nobody_tells(root):
    write(root)
    (root / "three_agree.txt").write_text("9.jpg 1\n")
    with pytest.raises(
        UserError, match=r"neither the header .* nor a list .*set reader\.order to positive_neg"
    ):
        list(make_reader(TwitterAmtConfig(), root).rows())


def test_who_tells_is_checked_against_the_lists(root):
    (root / "three_agree.txt").write_text("1.jpg 1\n2.jpg 0\n3.jpg 0\n")
    write(root)
    with pytest.raises(
        UserError, match=r"reader\.order says negative_positive, but 2 of 3 images .*say positive"
    ):
        list(make_reader(TwitterAmtConfig(order="negative_positive"), root).rows())
    write(root, header="file,num,neg,pos")
    with pytest.raises(UserError, match=r"the header \['file', .*\] says negative_positive, but 2 of 3"):
        list(make_reader(TwitterAmtConfig(), root).rows())
    assert votes(TwitterAmtConfig(order="positive_negative"), root) == POSITIVE_FIRST  # the header was wrong


def test_images_that_too_few_agree_on_have_no_label(root):
    write(root)
    reader = make_reader(TwitterAmtConfig(order="positive_negative", min_agree=4, part=2), root)
    samples = [reader.read(row)[0] for row in reader.rows()]
    assert [bool(sample.labels) for sample in samples] == [True, True, False]
    assert samples[0].id == "twitter-2/1.jpg"


def test_bad_rows_fail_by_name_and_nothing_is_lost(root, put):
    lines = [
        "1.jpg,5,4,1",
        "1.jpg,5,4,1",
        "2.jpg,5,4,2",
        "3.jpg,five,4,1",
        "4.jpg,5,4,1",
        "5.jpg,5,4",
        "../6.jpg,5,4,1",
        "7.jpg,5,0,0",
        ",5,4,1",
        " , , ,",
    ]
    write(root, lines)
    put(root / "Agg_AMT_Candidates" / "7.jpg", 7)
    put(root / "Agg_AMT_Candidates" / "é 8.JPG", 8)
    reader = make_reader(TwitterAmtConfig(order="positive_negative"), root)
    found = {}
    for row in reader.rows():
        try:
            found[row.id] = [label.votes for label in reader.read(row)[0].labels.values()]
        except SampleError as error:
            found[row.id] = error.reason
    assert found == {
        "1.jpg": [[1, 4]],
        "1.jpg~2": "duplicate_id",
        "2.jpg": "bad_row",
        "3.jpg": "bad_row",
        "4.jpg": "missing_image",
        "5.jpg": "bad_row",
        "../6.jpg": "path_escapes_root",
        "7.jpg": [],  # nobody voted: kept, without a label
        "line10": "bad_row",
        "é 8.JPG": "missing_annotation",
    }


def test_a_table_without_a_header_loses_no_line(root):
    write(root, ["1.jpg,five,4,1", "2.jpg,5,4,1", "3.jpg,5,5,0"], header="")
    rows = list(make_reader(TwitterAmtConfig(order="positive_negative"), root).rows())
    assert [row.id for row in rows] == ["1.jpg", "2.jpg", "3.jpg"]
    assert rows[0].facts["failure"][0] == "bad_row"


def test_user_errors(root):
    with pytest.raises(UserError, match=r"no amt_result\.csv.*qzyou\.github\.io"):
        make_reader(TwitterAmtConfig(), root)
    for text in ("", "file;num;pos;neg\n1.jpg;5;4;1\n"):
        (root / "amt_result.csv").write_text(text)
        with pytest.raises(UserError, match=r"expected file, voters and two columns of votes.*qzyou"):
            list(make_reader(TwitterAmtConfig(), root).rows())
