"""The App's plugin: FiftyOne's server loads this folder by its path, so nothing here imports relatively."""

from typing import Any

import fiftyone.operators as foo  # pyright: ignore[reportMissingImports]
import fiftyone.operators.types as types  # pyright: ignore[reportMissingImports]
from vemo.annotation.bulk import HISTORY, change, next_ids, reasoned, undo
from vemo.annotation.documents import REVIEW
from vemo.annotation.load import noted
from vemo.annotation.progress import progress_text

EVERYTHING = "all_shown"


def targets(ctx: Any) -> list[str]:
    """The selected samples, or, if that was asked for, all that are shown."""
    return list(ctx.selected) or (ctx.view.values("id") if ctx.params.get(EVERYTHING) else [])


def ask_for_all(ctx: Any, inputs: Any) -> None:
    """Where nothing is selected, let people say that they mean all that the filters leave."""
    if not ctx.selected:
        label = f"Nothing is selected. For all {len(ctx.view):,} samples that are shown?"
        inputs.bool(EVERYTHING, label=label, default=False)


def classes(ctx: Any) -> list[str]:
    """Of the label space that is shown."""
    return (noted(ctx.dataset) or {})["classes"]


def button(label: str, icon: str, prompt: bool = True) -> Any:
    """A place in the row of actions above the grid."""
    action = types.Button(label=label, icon=icon, prompt=prompt)
    return types.Placement(types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, action)


class Relabel(foo.Operator):
    """One class, and a reason, for many samples."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="relabel", label="vemo: give a class, with a reason", dynamic=True)

    def resolve_placement(self, ctx: Any) -> Any:
        return button("Relabel", "label")

    def resolve_input(self, ctx: Any) -> Any:
        inputs = types.Object()
        inputs.enum("label", classes(ctx), required=True, label="Class", view=types.DropdownView())
        inputs.str("reason", label="Why", description="Stands in the overlay beside each edit")
        ask_for_all(ctx, inputs)
        return types.Property(inputs, view=types.View(label="Relabel"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        label = ctx.params["label"]
        values = reasoned({"emotion": label}, ctx.params.get("reason"))
        count = change(ctx.dataset, ctx.store(HISTORY), targets(ctx), values)
        ctx.ops.notify(f"{count:,} samples are now {label}")
        ctx.ops.reload_dataset()
        return {"changed": count}


class Review(foo.Operator):
    """Accept, reject or unsure, for many samples."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="review", label="vemo: accept or reject", dynamic=True)

    def resolve_placement(self, ctx: Any) -> Any:
        return button("Accept or reject", "fact_check")

    def resolve_input(self, ctx: Any) -> Any:
        inputs = types.Object()
        inputs.enum("status", list(REVIEW), required=True, label="Verdict", view=types.RadioGroup())
        inputs.str("reason", label="Why")
        ask_for_all(ctx, inputs)
        return types.Property(inputs, view=types.View(label="Accept or reject"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        status = ctx.params["status"]
        values = reasoned({"review_status": status}, ctx.params.get("reason"))
        count = change(ctx.dataset, ctx.store(HISTORY), targets(ctx), values)
        ctx.ops.notify(f"{count:,} samples: {status}")
        ctx.ops.reload_dataset()
        return {"changed": count}


class Undo(foo.Operator):
    """Take back the last of the two above."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="undo", label="vemo: undo the last change of many")

    def resolve_placement(self, ctx: Any) -> Any:
        return button("Undo", "undo", prompt=False)

    def execute(self, ctx: Any) -> dict[str, Any]:
        restored, left = undo(ctx.dataset, ctx.store(HISTORY))
        kept = f"; {left:,} were changed again since and stay" if left else ""
        done = f"{restored:,} samples are as they were{kept}" if restored or left else "nothing to undo"
        ctx.ops.notify(done)
        ctx.ops.reload_dataset()
        return {"restored": restored, "left": left}


class NextBatch(foo.Operator):
    """Show what to look at next."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="next_batch", label="vemo: show the next batch", dynamic=True)

    def resolve_placement(self, ctx: Any) -> Any:
        return button("Next batch", "playlist_play")

    def resolve_input(self, ctx: Any) -> Any:
        inputs = types.Object()
        inputs.int("count", label="How many", default=50, min=1)
        return types.Property(inputs, view=types.View(label="Next batch"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        chosen = next_ids(ctx.dataset, int(ctx.params.get("count", 50)))
        ctx.ops.set_view(ctx.dataset.select(chosen, ordered=True))
        ctx.ops.clear_selected_samples()
        return {"shown": len(chosen)}


class Progress(foo.Panel):
    """How far the review is, who did what, who agrees, and where people and model differ."""

    @property
    def config(self) -> Any:
        return foo.PanelConfig(name="progress", label="Review progress", icon="monitoring")

    def on_load(self, ctx: Any) -> None:
        ctx.panel.set_state("text", progress_text(ctx.dataset))

    def refresh(self, ctx: Any) -> None:
        self.on_load(ctx)

    def render(self, ctx: Any) -> Any:
        panel = types.Object()
        panel.btn("refresh", label="Count again", on_click=self.refresh)
        panel.md(ctx.panel.get_state("text") or "", name="progress_text")
        return types.Property(panel, view=types.GridView(orientation="vertical", padding=2))


def register(plugin: Any) -> None:
    """Called by FiftyOne."""
    for each in (Relabel, Review, Undo, NextBatch, Progress):
        plugin.register(each)
