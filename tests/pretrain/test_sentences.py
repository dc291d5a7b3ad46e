"""Golden sentences: the order, the absences, and every odd value EmoSet has."""

import pickle

import pytest
from vemo.pretrain.sentences import SentenceBuilder, SentenceConfig

FULL = {
    "labels": {"mikels8": {"class": "excitement"}},
    "attributes": {
        "brightness": 0.5,
        "colorfulness": 0.3,
        "scene": "bakery/shop",
        "objects": ["Sports uniform", "Football", "Kitchen & dining room table"],
        "facial_expression": "happy",
        "human_action": "boxing ",
    },
}


def make(record, **options):
    return SentenceBuilder(SentenceConfig(**options))(record)


def test_faithful_keeps_values_and_order():
    assert make(FULL, style="faithful") == (
        "The scene type of this photo is bakery/shop. "
        "The main subjects are Sports uniform, Football and Kitchen & dining room table. "
        "The image has a brightness of 0.5 and color saturation of 0.3. "
        "Human facial expression is happy. "
        "The action being performed is boxing . "
        "The overall emotion conveyed is excitement."
    )


def test_safe_cleans_and_puts_the_emotion_first():
    assert make(FULL) == (
        "The overall emotion conveyed is excitement. "
        "The scene type of this photo is bakery shop. "
        "The main subjects are Sports uniform, Football and Kitchen & dining room table. "
        "The image is neither dark nor bright and muted in color. "
        "Human facial expression is happy. "
        "The action being performed is boxing."
    )


@pytest.mark.parametrize(
    "attributes,expected",
    [
        ({}, "The overall emotion conveyed is awe."),
        (
            {"scene": "amusement_park"},
            "The scene type of this photo is amusement_park. The overall emotion conveyed is awe.",
        ),
        ({"objects": ["Toy"]}, "The main subjects are Toy. The overall emotion conveyed is awe."),
        (
            {"objects": ["Baseball bat", "Tree"]},
            "The main subjects are Baseball bat and Tree. The overall emotion conveyed is awe.",
        ),
        (
            {"brightness": 1},
            "The image has a brightness of 1. The overall emotion conveyed is awe.",
        ),
    ],
)
def test_absent_attributes_are_not_said(attributes, expected):
    record = {"labels": {"mikels8": {"class": "awe"}}, "attributes": attributes}
    assert make(record, style="faithful") == expected


@pytest.mark.parametrize(
    "value,word", [(0, "very dark"), (0.2, "dark"), (0.5, "neither dark nor bright"), (1.0, "very bright")]
)
def test_brightness_in_words(value, word):
    assert make({"attributes": {"brightness": value}}) == f"The image is {word}."


def test_brightness_in_numbers_where_words_are_not_wanted():
    record = {"attributes": {"brightness": 0.4, "colorfulness": 0.7}}
    expected = "The image has a brightness of 0.4 and color saturation of 0.7."
    assert make(record, verbal_bins=False) == expected


def test_safe_names_each_object_once_and_at_most_six():
    record = {"attributes": {"objects": ["Tree", "tree", "Tree ", *"ABCDEFG"]}}
    assert make(record) == "The main subjects are Tree, A, B, C, D and E."


def test_without_text_emotion_the_label_is_nowhere():
    for style in ("safe", "faithful"):
        sentence = make(FULL, style=style, text_emotion=False)
        assert "excitement" not in sentence and "bakery" in sentence


def test_a_caption_stands_in_for_attributes():
    record = {
        "labels": {"polarity3": {"class": "negative"}},
        "captions": [{"text": "RT @some_one: what a  day_out http://t.co/abc #sun"}],
    }
    assert make(record) == "what a day out #sun"
    assert make(record, style="faithful") == record["captions"][0]["text"]


def test_a_label_stands_in_for_a_caption():
    votes = {"labels": {"fer8": {"votes": [0, 9, 1, 0, 0, 0, 0, 0]}}}
    assert make(votes) == "The facial expression is happiness."
    assert (
        make({"labels": {"polarity3": {"class": "negative"}}}) == "The overall emotion conveyed is negative."
    )


def test_nothing_known_is_no_sentence():
    tied = {"labels": {"fer8": {"votes": [5, 5, 0, 0, 0, 0, 0, 0]}}, "attributes": {"votes_unknown": 1}}
    assert make(tied) == "" == make({"id": "x"})


def test_a_builder_can_be_sent_to_a_worker():
    builder = pickle.loads(pickle.dumps(SentenceBuilder(SentenceConfig())))
    assert builder(FULL) == make(FULL)


CAPTIONED = {**FULL, "captions": [{"text": "@ann Look at http://x.y my  bakery"}, {"text": "another"}]}


def test_attributes_captions_or_both():
    words = "Look at my bakery"
    attributes = make(FULL)
    assert make(CAPTIONED) == attributes
    assert make(CAPTIONED, text="captions") == words
    assert make(CAPTIONED, text="both") == f"{attributes} {words}"
    for text in ("captions", "both"):
        assert make(FULL, text=text) == attributes
    assert make({"captions": CAPTIONED["captions"]}) == words
    raw = make(CAPTIONED, text="both", style="faithful", text_emotion=False)
    assert raw.endswith(CAPTIONED["captions"][0]["text"])


def test_released_tears_objects_apart():
    record = {"attributes": {"objects": ["Baseball bat", "Tree"]}}
    assert make(record, style="released") == "The main subjects are Baseball, bat and Tree."
    assert make(record, style="faithful") == "The main subjects are Baseball bat and Tree."
