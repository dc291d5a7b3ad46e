"""Heads as they are written in YAML, and what is refused."""

import pytest
from vemo.finetune.emotion import HeadConfig
from vemo.foundation import UserError
from vemo.foundation.config import Config, config_schema, load_config


class Run(Config):
    heads: dict[str, HeadConfig]


def load(*overrides):
    return load_config(Run, None, overrides).heads


def test_heads_are_told_apart_by_kind():
    heads = load(
        "heads.emotion={kind: single, space: mikels8, label_smoothing: 0.1}", "heads.affect={kind: vad}"
    )
    assert heads["emotion"].label_smoothing == 0.1 and heads["emotion"].weight == 1
    assert heads["affect"].axes == ("valence", "arousal", "dominance")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("{kind: single, space: mikel8}", "heads.a.space: no label space 'mikel8' (did you mean mikels8?)"),
        ("{kind: single, space: vad}", "vad is continuous: use kind vad"),
        ("{kind: single}", "missing key heads.a.space"),
        ("{kind: sinlge, space: mikels8}", "heads.a.kind: must be one of"),
        ("{space: mikels8}", "missing key heads.a.kind"),
        ("{kind: single, space: mikels8, los: bce}", "unknown key heads.a.los"),
        (
            "{kind: single, space: mikels8, imbalance: [weights, logit_adjustment]}",
            "heads.a.imbalance: must be",
        ),
        ("{kind: single, space: mikels8, label_smoothing: 0.1, wheel_temperature: 1}", "keep one of the two"),
        ("{kind: single, space: ekman6, wheel_temperature: 1}", "joy is not on Mikels' wheel"),
        ("{kind: single, space: mikels8, weight: 0}", "greater than 0"),
        ("{kind: vad, ccc: 0, mse: 0}", "nothing would be learnt"),
        ("{kind: vad, axes: [valence, valence]}", "axes names one twice"),
        ("{kind: vad, axes: []}", "at least 1"),
    ],
)
def test_mistakes_are_named(head, said):
    with pytest.raises(UserError) as error:
        load(f"heads.a={head}")
    assert said in str(error.value) and "problem" in str(error.value)


def test_the_schema_lists_the_kinds():
    schema = config_schema(Run)
    kinds = schema["properties"]["heads"]["additionalProperties"]["discriminator"]["mapping"]
    assert set(kinds) == {"single", "distribution", "multilabel", "vad", "hierarchical"}
