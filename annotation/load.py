"""Samples into FiftyOne, many at once: its own export format is written and imported.

Adding samples one by one costs a dozen times as much. A dataset is loaded under another name and renamed in
the end, so one that bears its name is whole.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.taxonomy import LabelSpace
from ..foundation.errors import UserError
from ..foundation.files import write_atomically
from ..foundation.progress import Progress, track
from .brain import add_scores
from .config import CurateConfig
from .documents import Fields, document, predictions, survey, vector
from .findings import Findings, read_findings
from .media import MediaCache
from .schemas import label_schemas
from .sittings import people_of
from .subject import Subject
from .views import save_views

LOADING, IMPORT = "-loading", "import-"  # what an unfinished load leaves: a dataset, a folder
TEXTS = ("str", "list")  # kinds of attributes of which the values that occur are offered
INFO = "vemo"  # the key of what we note in a dataset's info


def loaded_edits(home: Path, data: str) -> Path:
    """Where the edits are kept that a dataset was loaded with: what people change is told from them."""
    return home / "loaded" / f"{data[:16]}.jsonl"


def noted(dataset: Any) -> dict[str, Any] | None:
    """What was noted of a dataset when it was loaded; None for one that is not ours."""
    return dataset.info.get(INFO)


def note(dataset: Any, **facts: Any) -> None:
    """Add to what is noted of a dataset."""
    dataset.info[INFO] = {**(noted(dataset) or {}), **facts}
    dataset.save()


def find(fo: Any, name: str) -> Any | None:
    """The dataset of that name, None where there is none. Raises UserError for one that is not ours."""
    if name not in fo.list_datasets():
        return None
    dataset = fo.load_dataset(name)
    if noted(dataset) is None:
        raise UserError(f"this MongoDB has a dataset {name!r} that vemo did not load; give another name=")
    return dataset


def load(fo: Any, config: CurateConfig, subject: Subject, media: MediaCache) -> Any:
    """Load a subject; takes the place of what was loaded under its name before."""
    loading, space = config.dataset + LOADING, subject.space
    if loading in fo.list_datasets():  # a load that was killed
        fo.delete_dataset(loading)
    found = Findings()
    if not subject.blind:
        name = space.name if space else None
        found = read_findings(subject.audit, config.predictions, name, subject.shards.fingerprint)
    records = (subject.shown(subject.shards.record(*place), *place) for place in subject.places)
    progress = track(records, "curate: reading records", len(subject.places), unit="records")
    fields = survey(progress, space) | found.fields
    if config.embeddings:
        fields["embedding"] = "vector"
    with tempfile.TemporaryDirectory(dir=config.home, prefix=IMPORT) as scratch:
        folder = f"{scratch}/{config.dataset}"  # FiftyOne wants to make it itself
        _write_template(fo, fields, folder)
        with (Path(folder) / "samples.json").open("w", encoding="utf-8") as stream:
            stream.write('{"samples": [')
            for number, sample in enumerate(_documents(config, subject, fields, found, media)):
                stream.write(("," if number else "") + json.dumps(sample, ensure_ascii=False))
            stream.write("]}")
        dataset = fo.Dataset.from_dir(
            folder, dataset_type=fo.types.FiftyOneDataset, name=loading, persistent=True
        )
    if config.embeddings:
        _show_embeddings(dataset)
    if config.brain:
        fields |= add_scores(dataset, fields)
    _offer_to_annotate(dataset, fields, space)
    loaded_at = dataset.bounds("last_modified_at")[1]
    save_views(fo, dataset, fields, space, loaded_at)
    with write_atomically(loaded_edits(config.home, subject.data)) as stream:
        stream.write(subject.edits)
    note(
        dataset,
        fingerprint=subject.fingerprint,
        data=subject.data,
        fields=[list(item) for item in fields.items()],
        loaded_at=loaded_at,
        seen_until=loaded_at,
        own_edits=subject.own_edits,
        samples=len(dataset),
        written={},
        classes=list(space.names) if space else [],
        people=people_of(subject.shards.overlays, space),
        sittings=[],
    )
    if config.dataset in fo.list_datasets():
        fo.delete_dataset(config.dataset)
    dataset.name = config.dataset
    return dataset


def restore_media(dataset: Any, subject: Subject, media: MediaCache) -> int:
    """Write the images again that are no longer in the cache; returns how many."""
    paths = dataset.values(["filepath", "split", "place", "identifier"])
    missing = [each for each in zip(*paths) if not Path(each[0]).exists()]
    if missing:
        for _, split, place, identifier in track(missing, "curate: writing images again"):
            media.add(subject.shards.read(split, place)[1], identifier)
    return len(missing)


def touched_since(fo: Any, dataset: Any, when: datetime) -> Any:
    """A view of the samples that were written to after `when`, whether or not that changed anything."""
    return dataset.match(fo.ViewField("last_modified_at") > when)


def _documents(
    config: CurateConfig, subject: Subject, fields: Fields, found: Findings, media: MediaCache
) -> Iterator[dict[str, Any]]:
    prefix = f"{int(time.time()):08x}{os.urandom(5).hex()}"
    ids = (f"{prefix}{number:06x}" for number in count())
    random = np.random.default_rng()
    with Progress("curate: writing images", len(subject.places)) as progress:
        for split, place in subject.places:
            record, image = subject.shards.read(split, place)
            identifier = record["id"]
            shown = subject.shown(record, split, place)
            more = {
                "filepath": str(media.add(image, identifier)),
                "split": split,
                "place": place,
                "_rand": random.random(),
                **found.known.get(identifier, {}),
                **predictions(found.predicted.get(identifier, {}), ids),
            }
            if config.embeddings:
                rows = np.asarray(record[config.embeddings], np.float32)
                more["embedding"] = vector(rows.reshape(-1, rows.shape[-1]).mean(0))
            yield document(shown, subject.space, fields, ids, more)
            progress.update(1)


def _write_template(fo: Any, fields: Fields, folder: str) -> None:
    """metadata.json of a dataset with these fields and no sample."""
    plain = {"str": fo.StringField, "int": fo.IntField, "float": fo.FloatField, "bool": fo.BooleanField}
    labels = {
        "classification": fo.Classification,
        "classifications": fo.Classifications,
        "detections": fo.Detections,
    }
    template = fo.Dataset()
    try:
        template.media_type = "image"
        for parent in sorted({path.partition(".")[0] for path in fields if "." in path}):
            template.add_sample_field(
                parent, fo.EmbeddedDocumentField, embedded_doc_type=fo.DynamicEmbeddedDocument
            )
        for path, kind in fields.items():
            if kind in labels:
                template.add_sample_field(path, fo.EmbeddedDocumentField, embedded_doc_type=labels[kind])
            elif kind == "list":  # without a type of its items the App offers no way to edit it
                template.add_sample_field(path, fo.ListField, subfield=fo.StringField)
            elif kind == "dict":
                template.add_sample_field(path, fo.DictField)
            elif kind == "vector":
                template.add_sample_field(path, fo.VectorField)
            else:
                template.add_sample_field(path, plain[kind])
        template.export(export_dir=folder, dataset_type=fo.types.FiftyOneDataset, export_media=False)
    finally:
        template.delete()


def _offer_to_annotate(dataset: Any, fields: Fields, space: LabelSpace | None) -> None:
    """Let the App's Annotate tab offer what can be changed, without being set up by hand."""
    attributes = [path for path, kind in fields.items() if path.startswith("attributes.") and kind in TEXTS]
    values = dict(zip(attributes, dataset.distinct(attributes))) if attributes else {}
    dataset.set_label_schemas(label_schemas(fields, space, values))
    dataset.activate_label_schemas()


def _show_embeddings(dataset: Any) -> None:
    import fiftyone.brain as brain  # pyright: ignore[reportMissingImports]

    brain.compute_visualization(dataset, embeddings="embedding", method="pca", brain_key="embeddings")
