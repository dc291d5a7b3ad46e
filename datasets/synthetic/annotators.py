"""People who look at drawn pictures: each attends to some of what is shown, feels something, and says why.

What they feel depends on the cue that they attend to, and on their own leanings; so annotators of one picture
differ, and an explanation can be told neither from the picture nor from the emotion alone. Names of colours
and places are read off the picture as it was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from .cues import EMOTIONS, TABLES, Cue, pick
from .picture import Picture
from .story import Story
from .wording import AIRS, FACES, POSES, REASONS, SCENES, THINGS, agreeing, colour_name, place_name

OTHER = "something else"
POOL = 40
# How much a cue is attended to, before an annotator's own habits. Our choice.
SALIENCE = {"scene": 1.0, "air": 0.8, "object": 1.6, "face": 1.2, "pose": 1.2}


@dataclass(frozen=True, slots=True)
class Sight:
    """Something in a picture that can be talked about."""

    kind: str  # of the cue
    cue: Cue
    phrase: str  # the red balloons on the left
    plural: bool

    @property
    def telling(self) -> bool:
        """Whether it speaks for some emotion."""
        return self.cue.kind != "neutral"


@dataclass(frozen=True, slots=True)
class Annotator:
    """Habits: factors of how much each kind of cue is attended to, and of how easily each emotion is felt."""

    name: str
    attends: dict[str, float]
    leans: dict[str, float]


def draw_annotators(seed: int) -> list[Annotator]:
    """The pool from which every picture's annotators come."""
    rng = Random(f"annotators/{seed}")
    return [
        Annotator(
            f"annotator-{number:02d}",
            {kind: rng.lognormvariate(0, 0.7) for kind in SALIENCE},
            {emotion: rng.lognormvariate(0, 0.7) for emotion in EMOTIONS},
        )
        for number in range(POOL)
    ]


def sights(story: Story, picture: Picture, image: Image.Image) -> list[Sight]:
    """All that can be said of a picture; `image`: as it was written."""
    tone = colour_name(image)
    found = []
    if story.scene.value != "plain":
        noun, plural = SCENES[story.scene.value]
        found.append(Sight("scene", story.scene, f"the {noun} in {tone} tones", plural))
    if story.air.value != "clear":
        noun, plural = AIRS[story.air.value]
        plain = story.scene.value == "plain"
        where = f"in {tone} tones" if plain else f"over the {SCENES[story.scene.value][0]}"
        found.append(Sight("air", story.air, f"the {noun} {where}", plural))
    for cue, box in picture.things:
        noun, plural = THINGS[cue.value]
        where = place_name(box, image.width)
        found.append(Sight("object", cue, f"the {colour_name(image, box)} {noun} {where}", plural))
    for person, box in picture.people:
        where, colour = place_name(box, image.width), colour_name(image, box)
        face = f"the {FACES[person.face.value]} face of the person {where}"
        found.append(Sight("face", person.face, face, False))
        found.append(
            Sight("pose", person.pose, f"the person in {colour} {POSES[person.pose.value]} {where}", False)
        )
    # A bare picture: its colour is all there is.
    return found or [Sight("scene", story.scene, f"the {tone} {SCENES['plain'][0]}", False)]


def answer(rng: Random, annotator: Annotator, seen: Sequence[Sight]) -> tuple[str, str]:
    """(emotion of artemis9, explanation) of one annotator before one picture."""
    weights = [SALIENCE[sight.kind] * annotator.attends[sight.kind] for sight in seen]
    sight = rng.choices(seen, weights)[0]
    emotion = _felt(rng, annotator, sight)
    text = f"{sight.phrase} {agreeing(rng.choice(REASONS[emotion]), sight.plural)}"
    others = [each for each in seen if each is not sight and each.phrase != sight.phrase]
    if others and rng.random() < 0.3:
        other = rng.choice(others)
        joined = "like" if other.telling and emotion in _spoken(other) else "in spite of"
        text = f"{text} {joined} {other.phrase}"
    return emotion, text


def _spoken(sight: Sight) -> dict[str, float]:
    """The emotions that a sight speaks for, whichever picture it is in, with weights."""
    table = TABLES[sight.kind]
    return {
        emotion: table[emotion][sight.cue.value] for emotion in EMOTIONS if sight.cue.value in table[emotion]
    }


def _felt(rng: Random, annotator: Annotator, sight: Sight) -> str:
    spoken = _spoken(sight) if sight.telling else {}
    if not spoken:
        return OTHER
    return pick(rng, {emotion: weight * annotator.leans[emotion] for emotion, weight in spoken.items()})
