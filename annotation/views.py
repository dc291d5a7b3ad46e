"""Saved views: what a curator looks at first, one click each."""

from datetime import datetime
from typing import Any

from ..datasets.taxonomy import LabelSpace
from .documents import Fields, is_open

DOUBTFUL = "Doubtful first"


def save_views(fo: Any, dataset: Any, fields: Fields, space: LabelSpace | None, loaded_at: datetime) -> None:
    """Save the views that these fields allow, but none in which nothing is."""
    field = fo.ViewField
    views: dict[str, Any] = {}
    if "review_priority" in fields:  # what has been looked at leaves them
        waiting = dataset.exists("review_priority").exists("review_status", False)
        views[DOUBTFUL] = waiting.sort_by("review_priority", reverse=True)
        views["Label next"] = waiting.exists("batch").sort_by("batch")
    if "prediction" in fields and "emotion" in fields and fields["prediction"] == "classification":
        both = dataset.exists("prediction").exists("emotion")
        wrong = both.match(field("prediction.label") != field("emotion.label"))
        views["Model errors, the surest first"] = wrong.sort_by("prediction.confidence", reverse=True)
    if "disagreement" in fields:
        views["Raters disagree most"] = dataset.exists("disagreement").sort_by("disagreement", reverse=True)
    if "copies" in fields:
        views["Copies"] = dataset.exists("copies").sort_by("copies")
        views["Leaks between splits"] = dataset.match(field("leak") == True).sort_by("copies")  # noqa: E712
    if "people" in fields:
        views["No person found"] = dataset.match(field("people") == 0)
    allowed = [name for name in dataset.distinct("source.licence") if is_open(name)]
    views["Licence restricts use"] = dataset.match(~field("source.licence").is_in(allowed))
    for name in space.names if space is not None else ():
        if "emotion" in fields:
            views[f"Emotion: {name}"] = dataset.match(field("emotion.label") == name)
        else:
            views[f"Emotion: {name}"] = dataset.match(field("emotions").contains(name))
    for path in fields:
        if path.startswith("attributes."):
            views[f"Has {path.removeprefix('attributes.')}"] = dataset.exists(path).sort_by(path)
    for name, view in views.items():
        if view.limit(1).count():
            dataset.save_view(name, view)
    edited = (field("last_modified_at") > loaded_at) | (field("edits") > 0)
    dataset.save_view("Edited", dataset.match(edited))
