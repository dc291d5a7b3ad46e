"""The scenes, and what EmoSet calls them."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from . import scenes_nature as nature
from . import scenes_places as places
from . import scenes_rooms as rooms
from .canvas import Pen
from .colour import Palette


@dataclass(frozen=True, slots=True)
class Scene:
    """A backdrop: `label` is EmoSet's value (a Places365 name), None where it has none."""

    label: str | None
    draw: Callable[[Pen, Palette, Random], None]


SCENES: dict[str, Scene] = {
    "plain": Scene(None, rooms.plain),
    "amusement_park": Scene("amusement_park", places.amusement_park),
    "playground": Scene("playground", places.playground),
    "party": Scene(None, rooms.party),
    "beach": Scene("beach", nature.beach),
    "mountain_snowy": Scene("mountain_snowy", nature.mountain_snowy),
    "sky": Scene("sky", nature.sky_scene),
    "waterfall": Scene("waterfall", nature.waterfall),
    "canyon": Scene("canyon", nature.canyon),
    "ocean": Scene("ocean", nature.ocean),
    "storm_sea": Scene("ocean", nature.storm_sea),
    "forest_path": Scene("forest_path", nature.forest_path),
    "dark_forest": Scene("forest_path", nature.dark_forest),
    "park": Scene("park", nature.park),
    "botanical_garden": Scene("botanical_garden", nature.botanical_garden),
    "living_room": Scene("living_room", rooms.living_room),
    "bedroom": Scene("bedroom", rooms.bedroom),
    "kitchen": Scene("kitchen", rooms.kitchen),
    "bathroom": Scene("bathroom", rooms.bathroom),
    "office": Scene("office", rooms.office),
    "stage": Scene("stage", rooms.stage),
    "boxing_ring": Scene("boxing_ring", rooms.boxing_ring),
    "football_field": Scene("football_field", places.football_field),
    "raceway": Scene("raceway", places.raceway),
    "street": Scene("street", places.street),
    "alley": Scene("alley", places.alley),
    "landfill": Scene("landfill", places.landfill),
    "battlefield": Scene("battlefield", nature.battlefield),
    "ruin": Scene("ruin", places.ruin),
    "cemetery": Scene("cemetery", places.cemetery),
    "haunted_house": Scene(None, places.haunted_house),
    "catacomb": Scene("catacomb", rooms.catacomb),
}
