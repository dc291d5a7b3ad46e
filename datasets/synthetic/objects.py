"""The objects: what EmoSet calls them (OpenImages names) and how they are drawn.

An object is drawn in a frame of its own: it stands on (0, 0) and is one unit high; upwards is negative.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from . import objects_glad as glad
from . import objects_grim as grim
from . import objects_plain as plain
from .canvas import Pen
from .colour import Palette

Draw = Callable[[Pen, Palette, Random], None]


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that can be drawn."""

    label: str | None  # the EmoSet value; None where the vocabulary has no word for it
    draw: Draw
    hangs: bool = False  # placed in the air instead of on the ground
    breadth: float = 1.0  # width over height, roughly


OBJECTS: dict[str, Thing] = {
    "balloons": Thing("Balloon", glad.balloons, breadth=0.8),
    "teddy_bear": Thing("Teddy bear", glad.teddy_bear),
    "ice_cream": Thing("Ice cream", glad.ice_cream, breadth=0.6),
    "cake": Thing("Cake", glad.cake),
    "kite": Thing("Kite", glad.kite, hangs=True, breadth=0.6),
    "clown": Thing("Toy", glad.clown),
    "flowers": Thing("Flower", glad.flowers),
    "coffee_cup": Thing("Coffee cup", glad.coffee_cup),
    "book": Thing("Book", glad.book, breadth=1.3),
    "cat": Thing("Cat", glad.cat),
    "butterfly": Thing("Butterfly", glad.butterfly, hangs=True),
    "picnic_basket": Thing("Picnic basket", glad.picnic_basket),
    "foot_ball": Thing("Football", glad.foot_ball, breadth=1.2),
    "guitar": Thing("Guitar", glad.guitar, breadth=0.5),
    "microphone": Thing("Microphone", glad.microphone, breadth=0.5),
    "motorcycle": Thing("Motorcycle", glad.motorcycle, breadth=1.6),
    "cup": Thing(None, glad.cup),
    "surfboard": Thing("Surfboard", glad.surfboard, breadth=0.45),
    "boxing_gloves": Thing("Glove", grim.boxing_gloves),
    "sword": Thing("Sword", grim.sword, breadth=0.4),
    "hammer": Thing("Hammer", grim.hammer, breadth=0.6),
    "tank": Thing("Tank", grim.tank, breadth=1.7),
    "flames": Thing(None, grim.flames),
    "bin": Thing("Waste container", grim.bin_, breadth=0.8),
    "toilet": Thing("Toilet", grim.toilet, breadth=0.8),
    "cockroach": Thing("Insect", grim.cockroach),
    "worm": Thing("Worm", grim.worm),
    "rotten_fish": Thing("Fish", grim.rotten_fish, breadth=1.4),
    "spider": Thing("Spider", grim.spider, hangs=True),
    "snake": Thing("Snake", grim.snake),
    "skull": Thing("Skull", grim.skull, breadth=0.9),
    "ghost": Thing(None, grim.ghost, breadth=0.8),
    "bat": Thing("Bat (Animal)", grim.bat, hangs=True, breadth=1.7),
    "shark": Thing("Shark", grim.shark, breadth=1.4),
    "coffin": Thing("Coffin", grim.coffin, breadth=0.7),
    "candle": Thing("Candle", grim.candle),
    "tombstone": Thing(None, grim.tombstone, breadth=0.9),
    "wilted_flower": Thing("Flower", grim.wilted_flower),
    "bare_tree": Thing("Tree", grim.bare_tree),
    "umbrella": Thing("Umbrella", grim.umbrella, breadth=1.25),
    "broom": Thing(None, plain.broom),
    "balls": Thing("Ball", plain.balls),
    "tree": Thing("Tree", plain.tree, breadth=0.85),
    "house": Thing("House", plain.house),
    "car": Thing("Car", plain.car, breadth=1.8),
    "chair": Thing("Chair", plain.chair, breadth=0.7),
    "dog": Thing("Dog", plain.dog),
    "lamp": Thing("Lamp", plain.lamp, breadth=0.65),
    "whale": Thing("Whale", glad.whale, breadth=1.8),
    "castle": Thing("Castle", glad.castle),
    "rocket": Thing("Rocket", glad.rocket, breadth=0.7),
}
