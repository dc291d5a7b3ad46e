"""Every labelled person of a finished shard set as a sample: what trains on images trains on people."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ...sample import Person, Sample
from ..base import Row, SampleError
from .shards import Shards, ShardsOptions


class PersonsConfig(ShardsOptions):
    kind: Literal["persons"] = "persons"


class Persons(Shards):
    """One sample a person that has labels, valence, arousal or dominance: `ID#N` is person N (from 1) of ID.

    Labels, vad and annotations are the person's, and what is said of the image as a whole is left out;
    attributes are the image's and the person's. `persons` holds the box alone; captions and faces stay. The
    split is the image's, and so is the group (without one, the image's id): people of one image never
    straddle splits or folds. The image's bytes are copied as often as people stand in it.

    Who has no label is `unlabelled`, an image in which nobody has one only once.
    """

    how_to_get = (
        "Build a set of a dataset that labels people (emotic, heco, person_table); its folder is the root."
    )
    summary = "the labelled people of an existing shard set, one sample a person"
    config_class = PersonsConfig

    def __init__(self, config: Any, root: Path) -> None:
        super().__init__(config, root)
        self.expected = {}  # the set counts images

    def _rows_of(self, row: Row, record: dict[str, Any]) -> Iterator[Row]:
        if "failure" in row.facts:
            yield row
            return
        persons = record.get("persons") or []
        labelled = [bool(person.get("labels") or person.get("vad")) for person in persons]
        if not any(labelled):
            detail = f"none of its {len(persons)} persons has a label" if persons else "it has no persons"
            yield replace(row, facts={"failure": ["unlabelled", detail]})
            return
        group = row.group or row.facts["id"]
        for number, has_label in enumerate(labelled, start=1):
            facts = {**row.facts, "person": number}
            if not has_label:
                facts = {"failure": ["unlabelled", f"person {number} has neither labels nor vad"]}
            yield Row(f"{row.id}#{number}", row.split, group, f"{row.path}#{number}", facts)

    def _read(self, row: Row) -> tuple[Sample, bytes]:
        sample, image = super()._read(row)
        persons, number = sample.persons or [], row.facts["person"]
        if number > len(persons):
            raise SampleError("bad_row", f"{sample.id} has {len(persons)} persons, no number {number}")
        person = persons[number - 1]
        known = {
            "id": f"{sample.id}#{number}",
            "labels": person.labels,
            "vad": person.vad,
            "attributes": {**sample.attributes, **person.attributes},
            "annotations": person.annotations,
            "persons": [Person(box=person.box, score=person.score, by=person.by)],
        }
        return sample.model_copy(update=known), image
