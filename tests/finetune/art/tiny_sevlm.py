"""Answers, words and models small enough for every test."""

import torch
from vemo.finetune.art.config import FAITHFUL, ArtConfig, ModelConfig
from vemo.finetune.art.config import _below as below
from vemo.finetune.art.model import Sevlm
from vemo.finetune.art.sequences import SequenceBuilder

ANSWERS = [
    ("amusement", "the dogs are dressed as people and look silly"),
    ("awe", "the light over the mountains feels endless"),
    ("contentment", "the calm water and soft colours are soothing"),
    ("excitement", "the riders rush forward and the flags wave"),
    ("anger", "the soldiers are cruel to the old man"),
    ("disgust", "the rotten fruit is covered with flies"),
    ("fear", "the dark figure seems to be watching the child"),
    ("sadness", "the woman sits alone and looks down in grief"),
    ("something else", "the shapes are confusing and make me curious"),
]
WORDS = {
    "calm": (0.8, -0.8, 0.2), "calming": (0.7, -0.7, 0.1), "content": (0.6, -0.3, 0.2),
    "grief": (-0.9, 0.3, -0.5), "dark": (-0.5, 0.1, 0.1), "cruel": (-0.8, 0.5, 0.3),
    "silly": (0.3, 0.2, -0.2), "soft": (0.5, -0.6, -0.3), "light": (0.6, 0.0, 0.1),
    "alone": (-0.6, -0.4, -0.5), "table": (0.0, 0.0, 0.0), "rush": (0.1, 0.8, 0.2),
}  # fmt: skip
VAD = {"lexicon": {"path": "none"}, "width": 16, "layers": 1, "heads": 2}
TINY = {
    "decoder": {"layers": 2, "heads": 4, "width": 64, "positions": 64, "dropout": 0.0},
    "vad": VAD,
    "max_length": 40,
}
IMAGE_WIDTH = 24


def config_of(faithful=False, **changes):
    given = {**TINY, **changes}
    return ModelConfig.model_validate(below(given, FAITHFUL["model"]) if faithful else given)


def model_of(vocabulary, seed=0, image_width=IMAGE_WIDTH, faithful=False, **changes):
    torch.manual_seed(seed)
    model = Sevlm(config_of(faithful, **changes), vocabulary, image_width)
    return model.eval()


def batch_of(vocabulary, reader, pairs, length=40):
    """pairs: for each image its answers, (emotion, text), None for one that is not there."""
    builder = SequenceBuilder(vocabulary, reader, length)
    rows = []
    for answers in pairs:
        first = answers[0]
        rows.append(
            [
                {**builder(vocabulary.emotions.index((each or first)[0]), (each or first)[1]),
                 "emotion": vocabulary.emotions.index((each or first)[0]), "there": each is not None}
                for each in answers
            ]
        )  # fmt: skip
    return {
        key: torch.stack([torch.stack([torch.as_tensor(each[key]) for each in row]) for row in rows])
        for key in rows[0][0]
    }


def run_config(paintings, release, out, **changes):
    shards, lexicon = paintings
    model = {
        "decoder": {"layers": 1, "heads": 2, "width": 32, "positions": 64, "dropout": 0.0},
        "vad": {"lexicon": {"path": lexicon}, "width": 8, "layers": 1, "heads": 2},
        "max_length": 36,
    }
    values = {
        "out": out,
        "encoder": str(release),
        "vocabulary": {"size": 500},
        "model": model,
        "data": {"shards": shards},
        "evaluation": {"generation": {"tokens": 6}},
        "training": {"epochs": 2, "batch_size": 7, "device": "cpu", "optimizer": {"lr": 3e-3}},
    }
    return ArtConfig.model_validate({**values, **changes})
