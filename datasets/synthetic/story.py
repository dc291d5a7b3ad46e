"""What one picture shows: drawn by lot from its emotion, before a line of it is painted."""

from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from .cues import Cue, CueStrengths, draw_cue
from .expressions import EXPRESSIONS
from .objects import OBJECTS
from .people import POSES
from .styles import STYLES

SHOTS = {"portrait": 0.28, "half": 0.2, "full": 0.2, "group": 0.08, "still": 0.14, "landscape": 0.1}


@dataclass(frozen=True, slots=True)
class Person:
    face: Cue
    pose: Cue


@dataclass(frozen=True, slots=True)
class Story:
    """What one picture shows. The seed fixes everything that is not listed."""

    emotion: str
    style: str
    shot: str
    scene: Cue
    air: Cue
    objects: tuple[Cue, ...]
    people: tuple[Person, ...]
    mood: str | None  # the emotion whose palette it wears, mostly none
    seed: str

    def facts(self) -> dict[str, Any]:
        """The story as JSON, without the seed."""
        return {key: value for key, value in asdict(self).items() if key != "seed"}


def tell_story(seed: str, emotion: str, strengths: CueStrengths) -> Story:
    """Draw by lot what a picture of `emotion` shows. Style and shot do not depend on the emotion."""
    rng = Random(f"story/{seed}")
    style = rng.choice(list(STYLES))
    shot = rng.choices(list(SHOTS), list(SHOTS.values()))[0]

    def cue(name: str) -> Cue:
        return draw_cue(rng, name, emotion, getattr(strengths, name), strengths.contradiction)

    count = {"portrait": 1, "half": 1, "full": 1, "group": rng.choice([2, 2, 3]), "still": 0}.get(shot, 0)
    if shot == "landscape" and rng.random() < 0.4:
        count = 1
    things = {
        "still": rng.choice([1, 2, 2]),
        "landscape": rng.choice([0, 1, 1]),
        "portrait": rng.choice([0, 1]),
    }
    scene = cue("scene")
    while shot == "landscape" and scene.value == "plain":  # a landscape shows some place
        scene = cue("scene")
    people = tuple(Person(cue("face"), cue("pose")) for _ in range(count))
    mood = emotion if rng.random() < strengths.palette else None
    return Story(
        emotion=emotion,
        style=style,
        shot=shot,
        scene=scene,
        air=cue("air"),
        objects=tuple(cue("object") for _ in range(things.get(shot, rng.choice([0, 1, 1])))),
        people=people,
        mood=mood,
        seed=seed,
    )


def shown_objects(story: Story) -> list[str]:
    """EmoSet's names of the objects in the picture, held ones included, each once, in drawing order."""
    names = [cue.value for cue in story.objects]
    for person in story.people:
        held = POSES[person.pose.value].holds
        if held:
            names.append({"gloves": "boxing_gloves"}.get(held, held))
    labels = [OBJECTS[name].label for name in names]
    return list(dict.fromkeys(label for label in labels if label))


def shown_expression(story: Story) -> str | None:
    """EmoSet's value for the first face, None when it is neutral or there is none."""
    for person in story.people:
        pose = POSES[person.pose.value]
        return EXPRESSIONS[pose.expression or person.face.value].label
    return None


def shown_action(story: Story) -> str | None:
    """EmoSet's value for what the first person does, None when it has no name."""
    return POSES[story.people[0].pose.value].action if story.people else None
