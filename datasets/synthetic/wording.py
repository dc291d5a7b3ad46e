"""What annotators of drawn pictures call what they see, and how they say what it does to them.

Sentences are in lower case and without punctuation, as ArtEmis' `utterance_spelled`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

Words = tuple[str, bool]  # a noun, and whether it is plural

THINGS: Mapping[str, Words] = {
    "balloons": ("balloons", True), "teddy_bear": ("teddy bear", False), "ice_cream": ("ice cream", False),
    "cake": ("cake", False), "kite": ("kite", False), "clown": ("clown", False),
    "flowers": ("flowers", True), "coffee_cup": ("cup of coffee", False), "book": ("book", False),
    "cat": ("cat", False), "butterfly": ("butterfly", False), "picnic_basket": ("picnic basket", False),
    "foot_ball": ("football", False), "guitar": ("guitar", False), "microphone": ("microphone", False),
    "motorcycle": ("motorcycle", False), "cup": ("trophy", False), "surfboard": ("surfboard", False),
    "boxing_gloves": ("boxing gloves", True), "sword": ("sword", False), "hammer": ("hammer", False),
    "tank": ("tank", False), "flames": ("flames", True), "bin": ("trash bin", False),
    "toilet": ("toilet", False), "cockroach": ("cockroach", False), "worm": ("worm", False),
    "rotten_fish": ("dead fish", False), "spider": ("spider", False), "snake": ("snake", False),
    "skull": ("skull", False), "ghost": ("ghost", False), "bat": ("bat", False), "shark": ("shark", False),
    "coffin": ("coffin", False), "candle": ("candle", False), "tombstone": ("tombstone", False),
    "wilted_flower": ("wilted flower", False), "bare_tree": ("bare tree", False),
    "umbrella": ("umbrella", False), "tree": ("tree", False), "house": ("house", False),
    "car": ("car", False), "chair": ("chair", False), "dog": ("dog", False), "lamp": ("lamp", False),
    "whale": ("whale", False), "castle": ("castle", False), "rocket": ("rocket", False),
}  # fmt: skip
SCENES: Mapping[str, Words] = {
    "plain": ("background", False), "amusement_park": ("amusement park", False),
    "playground": ("playground", False), "party": ("party", False), "beach": ("beach", False),
    "mountain_snowy": ("snowy mountains", True), "sky": ("sky", False), "waterfall": ("waterfall", False),
    "canyon": ("canyon", False), "ocean": ("ocean", False), "storm_sea": ("stormy sea", False),
    "forest_path": ("forest path", False), "dark_forest": ("dark forest", False), "park": ("park", False),
    "botanical_garden": ("garden", False), "living_room": ("living room", False),
    "bedroom": ("bedroom", False), "kitchen": ("kitchen", False), "bathroom": ("bathroom", False),
    "office": ("office", False), "stage": ("stage", False), "boxing_ring": ("boxing ring", False),
    "football_field": ("football field", False), "raceway": ("race track", False),
    "street": ("street", False), "alley": ("alley", False), "landfill": ("garbage dump", False),
    "battlefield": ("battlefield", False), "ruin": ("ruins", True), "cemetery": ("graveyard", False),
    "haunted_house": ("haunted house", False), "catacomb": ("crypt", False),
}  # fmt: skip
AIRS: Mapping[str, Words] = {
    "rain": ("rain", False), "snow": ("snow", False), "fog": ("fog", False),
    "lightning": ("lightning", False), "stars": ("stars", True), "sunbeams": ("sunbeams", True),
    "confetti": ("confetti", False), "fireworks": ("fireworks", True), "embers": ("smoke and embers", True),
    "stench": ("buzzing flies", True), "leaves": ("falling leaves", True), "clear": ("air", False),
}  # fmt: skip
FACES: Mapping[str, str] = {
    "laugh": "laughing", "smile": "smiling", "thrill": "thrilled", "wonder": "amazed", "rage": "enraged",
    "glare": "glaring", "revulsion": "disgusted", "sneer": "sneering", "terror": "terrified",
    "dread": "frightened", "grief": "grieving", "weeping": "weeping", "neutral": "blank",
}  # fmt: skip
POSES: Mapping[str, str] = {
    "stand": "standing still", "walk": "walking by", "wave": "waving", "belly_laugh": "holding their belly",
    "juggle": "juggling balls", "dance": "dancing", "tongue_out": "pulling faces",
    "eat_ice": "eating ice cream", "balloon": "carrying balloons", "arms_wide": "spreading their arms",
    "gaze_up": "gazing upwards", "climb": "climbing", "lotus": "meditating", "read": "reading a book",
    "recline": "leaning back", "stroke_cat": "petting a cat", "cheer": "cheering", "leap": "leaping",
    "kick": "kicking a ball", "guitar": "playing the guitar", "sing": "singing",
    "pump_fist": "raising a fist", "punch": "throwing a punch", "point": "pointing at someone",
    "fists": "clenching their fists", "arms_crossed": "crossing their arms",
    "swing_sword": "swinging a sword", "hold_off": "pushing something away",
    "cover_mouth": "covering their mouth", "sick": "bending over sick", "sweep": "sweeping the floor",
    "hands_on_cheeks": "clutching their cheeks", "cower": "cowering", "flee": "running away",
    "shield": "shielding themselves", "holding_snake": "holding a snake", "slump": "slumping",
    "hug_knees": "hugging their knees", "weep": "crying into their hands", "umbrella": "under an umbrella",
    "kneel": "kneeling",
}  # fmt: skip

# What it does to whoever feels so. {s}: the third person's ending; {is}: is or are.
REASONS: Mapping[str, Sequence[str]] = {
    "amusement": (
        "look{s} silly and make{s} me laugh", "{is} funny like a good joke",
        "{is} playful and make{s} me giggle", "would cheer up anyone with its humor",
    ),
    "awe": (
        "{is} majestic and make{s} me feel small", "take{s} my breath away", "fill{s} me with wonder",
        "{is} magnificent and seem{s} endless",
    ),
    "contentment": (
        "{is} calm and soothing", "make{s} me feel at peace", "bring{s} a gentle comfort",
        "{is} relaxing like a quiet afternoon",
    ),
    "excitement": (
        "{is} full of energy", "make{s} my heart race with joy", "{is} thrilling and lively",
        "make{s} me want to jump up and join",
    ),
    "anger": (
        "{is} cruel and violent", "make{s} me furious", "{is} aggressive and full of hate",
        "make{s} my blood boil at the injustice",
    ),
    "disgust": (
        "{is} filthy and seem{s} to smell", "make{s} me feel sick", "{is} gross and rotten",
        "make{s} my stomach turn",
    ),
    "fear": (
        "{is} creepy and seem{s} dangerous", "make{s} me shiver with dread",
        "{is} threatening like a nightmare", "make{s} me want to hide",
    ),
    "sadness": (
        "{is} gloomy and lonely", "remind{s} me of loss and grief", "make{s} me want to cry",
        "{is} depressing and hopeless",
    ),
    "something else": (
        "make{s} me wonder what it means", "{is} ordinary and leave{s} me indifferent",
        "{is} confusing to me", "make{s} me curious about the story",
    ),
}  # fmt: skip
# Hue in degrees up to which a colour has this name; dark orange is brown, pale red is pink.
HUES = (
    (16, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (200, "turquoise"), (255, "blue"),
    (295, "purple"), (340, "pink"), (361, "red"),
)  # fmt: skip
GREYS = ((0.22, "black"), (0.72, "grey"), (1.01, "white"))


def colour_name(image: Image.Image, box: Sequence[float] | None = None) -> str:
    """What a box (left, top, right, bottom, in pixels; default: all) of an RGB picture is mostly coloured.

    The commonest name among its pixels, those nearer its middle counting more; grey, black and white only
    where less than a third has a colour. Names and rules are our choice.
    """
    part = image if box is None else image.crop(tuple(map(round, box)))  # pyright: ignore[reportArgumentType]
    pixels = np.asarray(part.resize((16, 16), Image.Resampling.BOX).convert("HSV"), np.float32).reshape(-1, 3)
    hue, saturation, value = pixels[:, 0] * 360 / 255, pixels[:, 1] / 255, pixels[:, 2] / 255
    names = np.array([name for _, name in HUES])[np.searchsorted([top for top, _ in HUES], hue, side="right")]
    names = np.where((names == "orange") & (value < 0.62), "brown", names)
    greys = np.searchsorted([top for top, _ in GREYS], value, side="right")
    dull = (saturation < 0.2) | (value < 0.2)
    names = np.where(dull, np.array([name for _, name in GREYS])[greys], names)
    away = (np.arange(16) - 7.5) ** 2
    weight = np.exp(-(away[:, None] + away[None]) / 32).ravel() if box is not None else np.ones(256)
    found = {name: float(weight[names == name].sum()) for name in np.unique(names).tolist()}
    bright = {name: share for name, share in found.items() if name not in ("black", "grey", "white")}
    if sum(bright.values()) * 3 >= sum(found.values()):
        found = bright
    return max(found, key=lambda name: found[name])


def place_name(box: Sequence[float], width: int) -> str:
    """Where a box lies in a picture of so many pixels across."""
    middle = (box[0] + box[2]) / 2 / width
    return "on the left" if middle < 0.4 else "on the right" if middle > 0.6 else "in the middle"


def agreeing(phrase: str, plural: bool) -> str:
    """A reason in the number of what it is said of."""
    return phrase.format(s="" if plural else "s", **{"is": "are" if plural else "is"})
