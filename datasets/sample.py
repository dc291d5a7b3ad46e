"""The sample record: one image and all that is known of it. Absent knowledge is an absent key."""

import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..foundation.errors import UserError
from .taxonomy import label_space

SUM_TOLERANCE = 1e-3  # published distributions are rounded to three or four digits


class _Part(BaseModel):
    # NaN and infinity are no JSON; unknown keys are typing mistakes.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Source(_Part):
    """Where it comes from. `path` is relative to the dataset's root, or the URL of an image from a list of
    URLs; `sha256` is that of the source bytes.

    Samples of one `group` (subject, video, artwork, cluster of duplicates) never straddle splits or folds.
    """

    dataset: str
    split: str | None = None
    path: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    licence: str | None = None
    group: str | None = None


class Label(_Part):
    """One label in one label space: exactly one of class, distribution, votes, classes."""

    class_: str | None = Field(default=None, alias="class")
    distribution: list[Annotated[float, Field(ge=0, le=1)]] | None = None
    votes: list[Annotated[int, Field(ge=0)]] | None = None
    classes: list[str] | None = None

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> "Label":
        given = [kind for kind in type(self).model_fields if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(
                "a label is exactly one of class, distribution, votes, classes, "
                f"got {', '.join(given).replace('class_', 'class') or 'none'}"
            )
        return self

    def check_against(self, space_name: str) -> None:
        """Raise ValueError unless the label is one of the named space, in its canonical spelling."""
        try:
            space = label_space(space_name)
        except UserError as error:
            raise ValueError(str(error)) from None
        if space.continuous:
            raise ValueError(f"{space_name} is continuous: its values belong under `vad`")
        for name in [self.class_] if self.class_ is not None else self.classes or []:
            if name not in space.names:
                raise ValueError(f"{space_name} has no class {name!r}; it has {', '.join(space.names)}")
        if self.classes is not None and len(set(self.classes)) != len(self.classes):
            raise ValueError(f"{space_name}: the same class twice in {self.classes}")
        values = self.distribution if self.distribution is not None else self.votes
        if values is None:
            return
        if len(values) != len(space):
            raise ValueError(f"{space_name} has {len(space)} classes, the label has {len(values)} values")
        if self.distribution is not None and abs(math.fsum(values) - 1) > SUM_TOLERANCE:
            raise ValueError(f"{space_name}: the distribution sums to {math.fsum(values):.4f}, not 1")
        if self.votes is not None and sum(values) == 0:
            raise ValueError(f"{space_name}: no votes at all; leave an unlabelled sample's key out")


UnitInterval = Annotated[float, Field(ge=-1, le=1)]
Point = tuple[float, float]


class Vad(_Part):
    """Valence, arousal, dominance, each scaled to [-1, 1]; the reader states the source's scale."""

    valence: UnitInterval | None = None
    arousal: UnitInterval | None = None
    dominance: UnitInterval | None = None


AttributeValue = bool | int | float | str | list[str]


def _fit_their_spaces(labels: dict[str, Label]) -> dict[str, Label]:
    for space_name, label in labels.items():
        label.check_against(space_name)
    return labels


# By the name of the label space; each label is checked against it.
Labels = Annotated[dict[str, Label], AfterValidator(_fit_their_spaces)]


class Annotation(_Part):
    """One rater's own answer, where a dataset tells raters apart; what they agreed on stands outside."""

    annotator: str | None = None
    labels: Labels = {}
    vad: Vad | None = None


class _Boxed(_Part):
    """Something at [x1, y1, x2, y2], in pixels of the stored image (EXIF orientation applied)."""

    box: tuple[float, float, float, float]
    score: float | None = Field(default=None, ge=0, le=1)
    by: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        x1, y1, x2, y2 = self.box
        if not (x1 < x2 and y1 < y2):
            raise ValueError(f"box [x1, y1, x2, y2] must have x1 < x2 and y1 < y2, got {list(self.box)}")
        return self


class Person(_Boxed):
    """A person in the image and, in datasets that label persons (EMOTIC, HECO), what is said of this one."""

    labels: Labels = {}
    vad: Vad | None = None
    attributes: dict[str, AttributeValue] = {}
    annotations: list[Annotation] | None = None


class Face(_Boxed):
    """A face; `landmarks` are right eye, left eye, nose, right and left mouth corner, [x, y] in pixels.

    Right and left are the person's own, the order of YuNet and of five-point alignment.
    """

    landmarks: tuple[Point, Point, Point, Point, Point] | None = None


class Caption(_Part):
    text: str = Field(min_length=1)
    emotion: str | None = None
    annotator: str | None = None


class Sample(_Part):
    """One image and all that is known of it.

    `persons` and `faces` are None where nobody looked and [] where a detector looked and found none. `width`
    and `height` are pixels of the stored image; the builder fills them in. `overrides` are the edits an
    overlay has applied (what, by whom, when, why), oldest first.
    """

    id: str = Field(min_length=1)
    source: Source
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    labels: Labels = {}
    vad: Vad | None = None
    attributes: dict[str, AttributeValue] = {}
    annotations: list[Annotation] | None = None
    persons: list[Person] | None = None
    faces: list[Face] | None = None
    captions: list[Caption] | None = None
    overrides: list[dict[str, Any]] | None = None

    def to_record(self) -> dict[str, Any]:
        """The JSON-able record, without the keys of what is not known."""
        record = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        persons = record.get("persons", [])
        for part in (
            record,
            *persons,
            *(each for p in (record, *persons) for each in p.get("annotations", [])),
        ):
            for key in ("labels", "attributes", "vad"):
                if not part.get(key, True):
                    del part[key]
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Sample":
        """Validate a record; raises pydantic's ValidationError (a ValueError) that names every mistake."""
        return cls.model_validate(record)


def sample_schema() -> dict[str, Any]:
    """The JSON schema of a record (what the label spaces ask of a label is checked by `Sample` only)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Sample.model_json_schema(by_alias=True),
    }
