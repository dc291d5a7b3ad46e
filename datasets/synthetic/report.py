"""What a run of `synthesize` says at its end."""

from pathlib import Path

from ...foundation.config import Config


class SynthesizeReport(Config):
    """Counts of one built-in dataset; all of them are also in its `synthesis.json`."""

    images: int
    splits: dict[str, int]
    emotions: dict[str, int]  # by label, which label noise may have changed; of answers, where there are any
    styles: dict[str, int]
    with_persons: int
    with_attribute: dict[str, int]  # annotation files that have the key
    planted: dict[str, int]  # flaws asked for, by kind
    answers: int = 0  # of annotators, all together
    out: Path | None = None
    drawn: int = 0  # by this run: 0 when the dataset was already there
    seconds: float = 0.0

    @property
    def summary(self) -> str:
        """Two or three lines for a person."""
        parts = ", ".join(f"{count} {split}" for split, count in self.splits.items())
        manner = f"drawn in {self.seconds:.0f} s" if self.drawn else "already there, nothing to draw"
        lines = [f"{self.out}: {self.images} images ({parts}), {manner}"]
        if self.answers:
            said = ", ".join(f"{count / self.answers:.0%} {name}" for name, count in self.emotions.items())
            return "\n".join([*lines, f"{self.answers:,} answers: {said}"])
        sparse = ("scene", "object", "facial_expression", "human_action")
        shares = ", ".join(f"{self.with_attribute.get(name, 0) / self.images:.0%} {name}" for name in sparse)
        lines.append(f"{self.with_persons / self.images:.0%} show people; annotated with {shares}")
        flaws = ", ".join(
            f"{count} {name.replace('_', ' ')}" for name, count in self.planted.items() if count
        )
        if flaws:
            lines.append(f"planted: {flaws} (truth.json says which)")
        return "\n".join(lines)
