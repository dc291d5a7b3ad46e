"""HECO: a table with one line a person, labelled in context."""

from typing import Literal

from pydantic import Field

from ..generic.columns import BoxColumns, Columns, LabelColumns, VadColumns
from ..generic.person_table import PersonTable, PersonTableOptions


class HecoConfig(PersonTableOptions):
    """HECO is given out on request and its layout is documented nowhere.

    The defaults are what public code reads from it. The scale of 1 to 10 is our guess: that code divides by
    10, and EMOTIC's is the same. What lies outside fails. A copy that differs needs all of reader.columns
    written out.
    """

    kind: Literal["heco"] = "heco"
    dataset: str = Field(default="heco", pattern=r"^[a-z0-9][a-z0-9._-]*$")
    licence: str = "research-only"
    table: str | dict[str, str] = "Labels/HECO_Labels.csv"
    images: str = "Images"
    columns: Columns = Columns(
        path="Image",
        persons=BoxColumns(box=["xmin", "ymin", "xmax", "ymax"]),
        labels={"heco8": LabelColumns.model_validate({"class": "Category"})},
        vad=VadColumns(valence="Valence", arousal="Arousal", dominance="Dominance", scale=(1, 10)),
    )


class Heco(PersonTable):
    """HECO: people in context, heco8, valence, arousal and dominance.

    Some of its images are MSCOCO's, ADE20K's and EMOTIC's: whoever trains on EMOTIC and tests here must look
    for copies first. No split of its own.
    """

    dataset = "heco"
    licence = "research-only"
    spaces = ("heco8", "vad")
    how_to_get = (
        "Fill in the form at heco2022.github.io; root holds Images/ and Labels/HECO_Labels.csv. Another copy "
        "of it may need reader.table, reader.images and reader.columns."
    )
    summary = "9,385 photos and film stills, 19,781 people, eight emotions, valence, arousal, dominance"
    config_class = HecoConfig
