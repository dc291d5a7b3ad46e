"""The options of `vemo predict`, on the command line and as a config; imports nothing heavy."""

import argparse
from typing import Any


def add_options(command: argparse.ArgumentParser) -> None:
    """To an empty command; what is not given is None, for PredictConfig to fill in."""
    add = command.add_argument
    add("paths", nargs="+", metavar="PATH", help="pictures, videos, folders, webcam:0")
    add(
        "--checkpoint",
        required=True,
        metavar="NAME|FOLDER",
        help="one of `vemo checkpoints list`, a fine-tuning run's folder, or a .onnx file",
    )
    form = command.add_mutually_exclusive_group()
    for name, what in (("json", "JSON lines"), ("csv", "CSV")):
        form.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=what)
    add("--out", metavar="FILE", help="write rows there: .jsonl, .csv, .parquet")
    add("--annotate", metavar="FILE", help="draw them: .jpg for a picture, .mp4 for a video")
    pace = command.add_mutually_exclusive_group()
    pace.add_argument("--every", metavar="SECONDS", help="between the frames that are looked at (0.5)")
    pace.add_argument("--every-frame", action="store_true", help="look at all of them")
    add("--explain", action="store_true", help="of a model of kind: art, a sentence that says why")
    add("--emotion", metavar="NAME", help="explain this one instead of the likeliest")
    add("--attention", metavar="FOLDER", help="explain: pictures of where each word looked")
    add("--lexicon", metavar="FILE", help="the list of words the model was trained with, if it moved")
    add("--abstain", metavar="BELOW", help="mark predictions less sure than this")
    add(
        "--faces",
        action=argparse.BooleanOptionalAction,
        help="find faces (default: as the model's labels say)",
    )
    add("--yunet", dest="face_yunet", metavar="FILE", help="the face detector's ONNX file (or VEMO_YUNET)")
    add("--face-score", metavar="SCORE", help="least score of a detection (0.6)")
    add("--face-smallest", metavar="PIXELS", help="least shorter side of a face (24)")
    add("--face-most", metavar="N", help="faces of one frame, the surest first (50)")
    add("--face-turn", metavar="SHARE", help="leave out faces turned further; 0.5: the nose below one eye")
    add("--face-margin", metavar="SHARE", help="room around the aligned face (0)")
    add("--device", help="auto, cpu, cuda, cuda:1")
    add("--precision", choices=("fp32", "bf16"))
    add("--backend", choices=("auto", "torch", "onnx"), help="auto: onnx where the folder has a model.onnx")
    add("--batch-size", metavar="N", help="images at a time (32)")


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given, as `options` takes it."""
    given = {key: value for key, value in vars(arguments).items() if value is not None and key != "run"}
    given["face"] = {key[5:]: given.pop(key) for key in list(given) if key.startswith("face_")}
    if given.pop("every_frame"):
        given["every"] = None
    return given
