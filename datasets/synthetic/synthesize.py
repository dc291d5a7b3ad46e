"""Draw the built-in dataset and write it in EmoSet's native layout, revision B (for ArtEmis' see `artemis`).

    info.json  train.json  val.json  test.json
    image/<emotion>/<emotion>_00001.jpg  annotation/<emotion>/<emotion>_00001.json

and beside it what EmoSet has not: `persons.json` (a box for every person), `truth.json` (what every
picture was drawn for, and the planted flaws) and `synthesis.json` (how it was made, and whether it is whole).
"""

import json
import multiprocessing
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from ...foundation.errors import UserError
from ...foundation.files import write_json
from ...foundation.progress import track
from . import artemis, files
from .attributes import annotate
from .cues import EMOTIONS
from .expressions import EXPRESSIONS
from .objects import OBJECTS
from .people import POSES
from .picture import paint
from .plan import SPLITS, Slot, SynthesizeConfig, make_plan
from .report import SynthesizeReport
from .scenes import SCENES
from .story import tell_story

# Raised whenever the same seed would draw other pictures than before.
VERSION = 1
MARKER = "synthesis.json"
CHUNK = 16
Draw = Callable[[SynthesizeConfig, Any], dict[str, Any]]  # what draws one of the plan


def synthesize(config: SynthesizeConfig) -> SynthesizeReport:
    """Draw the dataset and return a report: counts, and where it lies.

    The same config gives the same bytes with any number of workers. A run that was interrupted is run again
    from the start; a finished one with the same config is left as it is.
    """
    started = time.monotonic()
    recipe = {"version": VERSION, **config.recipe()}
    done = _finished(config.out, recipe)
    if done:
        return done.model_copy(update={"out": config.out})
    plan, draw, write_tables = _layout(config)
    _clear(config.out)
    write_json(config.out / MARKER, {"finished": False, "recipe": recipe})
    if config.layout == "artemis":
        artemis.make_folders(config)
    else:
        for folder in ("image", "annotation"):
            for emotion in EMOTIONS:
                (config.out / folder / emotion).mkdir(parents=True)
    drawn = _draw_all(config, plan, draw)
    results = list(track(drawn, "drawing", total=len(plan), unit="images"))
    report = write_tables(config, plan, results)
    counts = report.model_dump(mode="json", exclude={"out", "drawn", "seconds"})
    write_json(config.out / MARKER, {"finished": True, "recipe": recipe, "report": counts})
    seconds = time.monotonic() - started
    return report.model_copy(update={"out": config.out, "drawn": len(plan), "seconds": seconds})


def _layout(config: SynthesizeConfig) -> tuple[list[Any], Draw, Callable[..., SynthesizeReport]]:
    """(what is to be drawn, what draws one of it, what writes the tables) of a layout."""
    if config.layout == "artemis":
        return artemis.plan_paintings(config), artemis.draw_painting, artemis.write_tables
    return make_plan(config), draw_slot, _write_tables


def _finished(out: Path, recipe: dict[str, Any]) -> SynthesizeReport | None:
    """The report of a finished dataset of this very recipe, if its files are all there."""
    try:
        marker = json.loads((out / MARKER).read_bytes())
    except (OSError, ValueError):
        return None
    if not marker.get("finished") or marker.get("recipe") != recipe:
        return None
    folder = artemis.FOLDER if recipe.get("layout") == "artemis" else "image"
    count = sum(1 for _ in out.glob(f"{folder}/*/*.jpg"))
    if count != recipe["images"] or not (out / "info.json").exists():
        return None
    return SynthesizeReport.model_validate(marker["report"])


def _clear(out: Path) -> None:
    """Make way in `out`, but only if what lies there is an earlier built-in dataset."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file, not a folder to write the dataset to")
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise UserError(
            f"{out}: holds something that is not a built-in dataset; name another folder, or empty it"
        )
    tables = ("info.json", "truth.json", "persons.json", artemis.TABLE)
    for name in (*tables, *(f"{split}.json" for split in SPLITS)):
        (out / name).unlink(missing_ok=True)
    for folder in ("image", "annotation", artemis.FOLDER):
        shutil.rmtree(out / folder, ignore_errors=True)


def _draw_all(config: SynthesizeConfig, plan: list[Any], draw: Draw) -> Iterator[dict[str, Any]]:
    """Draw all of the plan, in its order, in as many processes as asked."""
    workers = (os.cpu_count() or 1) if config.workers < 0 else config.workers
    if workers <= 1:
        for slot in plan:
            yield draw(config, slot)
        return
    slots = iter(plan)
    chunks = iter(lambda: list(islice(slots, CHUNK)), [])
    # spawn: a forked child would inherit the locks of whatever threads the caller runs.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for results in pool.map(_draw_chunk, ((config, draw, chunk) for chunk in chunks)):
            yield from results


def _draw_chunk(job: tuple[SynthesizeConfig, Draw, list[Any]]) -> list[dict[str, Any]]:
    config, draw, chunk = job
    return [draw(config, slot) for slot in chunk]


def draw_slot(config: SynthesizeConfig, slot: Slot) -> dict[str, Any]:
    """Draw one picture, write its image and annotation, and return its line of `truth.json`."""
    story = tell_story(slot.seed, slot.emotion, config.cues)
    picture = paint(story, config.size, config.grading)
    persons = picture.persons
    # A copy altered anew must still be the same wherever it is drawn: its lots hang on its own number.
    rng = Random(f"file/{config.seed}/{slot.number}")
    data = files.encode(picture.image, config.quality)
    if slot.copy == "near":
        image, crop = files.altered(files.decode(data), rng)
        persons = [files.moved_box(box, crop, image.size) for box in persons]
        data = files.encode(image, min(config.quality, 80))
    written = files.broken(slot, data)
    (config.out / slot.image_path).write_bytes(written)
    annotation = annotate(files.decode(data), story, slot.identifier, slot.label, config.attributes, rng)
    (config.out / slot.annotation_path).write_text(json.dumps(annotation), encoding="utf-8")
    truth = {"label": slot.label, "split": slot.split, **story.facts(), "large_face": picture.faces_large}
    return {"truth": truth, "persons": persons, "attributes": sorted(set(annotation) - {"image_id"})}


def _write_tables(
    config: SynthesizeConfig, plan: list[Slot], results: list[dict[str, Any]]
) -> SynthesizeReport:
    out = config.out
    rng = Random(f"order/{config.seed}")
    for split in SPLITS:
        rows = [[s.label, s.identifier, s.image_path, s.annotation_path] for s in plan if s.split == split]
        rng.shuffle(rows)
        write_json(out / f"{split}.json", rows)
    persons = {
        slot.image_path: [{"box": box, "score": 1.0, "by": "drawn"} for box in result["persons"]]
        for slot, result in zip(plan, results)
        if result["persons"]
    }
    write_json(out / "persons.json", persons)
    paths = {slot.identifier: slot.image_path for slot in plan}

    def copies(planted: str) -> list[dict[str, str | None]]:
        return [
            {"image": slot.image_path, "original": paths[slot.copy_of or ""], "copy": slot.copy}
            for slot in plan
            if slot.planted == planted
        ]

    flaws = {
        "label_noise": [
            {"image": slot.image_path, "label": slot.label, "true": slot.emotion}
            for slot in plan
            if slot.label != slot.emotion
        ],
        "exact_duplicates": copies("exact_duplicate"),
        "near_duplicates": copies("near_duplicate"),
        "leaks": copies("leak"),
        "broken_files": [{"image": slot.image_path, "kind": slot.broken} for slot in plan if slot.broken],
    }
    truth = {slot.image_path: result["truth"] for slot, result in zip(plan, results)}
    write_json(out / "truth.json", {"format": 1, "planted": flaws, "images": truth})
    write_json(out / "info.json", info())
    return SynthesizeReport(
        images=len(plan),
        splits={split: sum(slot.split == split for slot in plan) for split in SPLITS},
        emotions={emotion: sum(slot.label == emotion for slot in plan) for emotion in EMOTIONS},
        styles=dict(sorted(Counter(result["truth"]["style"] for result in results).items())),
        with_persons=len(persons),
        with_attribute=dict(sorted(Counter(name for r in results for name in r["attributes"]).items())),
        planted={name: len(entries) for name, entries in flaws.items()},
    )


def info() -> dict[str, Any]:
    """`info.json`, revision B: a vocabulary for each attribute, of which this is the part that is drawn.

    With EmoSet's quirks: brightness and colorfulness are looked up by text but give numbers, emotions stand
    in EmoSet's own order, one action ends in a blank.
    """
    steps = [index / 10 for index in range(11)]

    def table(values: list[Any]) -> dict[str, Any]:
        return {
            "label2idx": {str(value): index for index, value in enumerate(values)},
            "idx2label": {str(index): value for index, value in enumerate(values)},
        }

    def named(labels: Iterator[str | None]) -> list[str]:
        return sorted({label for label in labels if label})

    return {
        "emotion": table(list(EMOTIONS)),
        "brightness": table(steps),
        "colorfulness": table(steps),
        "scene": table(named(scene.label for scene in SCENES.values())),
        "object": table(named(thing.label for thing in OBJECTS.values())),
        "facial_expression": table(named(face.label for face in EXPRESSIONS.values())),
        "human_action": table(named(pose.action for pose in POSES.values())),
        # Not in EmoSet's own file: the reader takes both from here, so that nothing drawn passes for EmoSet.
        "dataset": "vemo-built-in",
        "licence": "Apache-2.0",
    }
