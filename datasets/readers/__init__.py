"""Readers: one file per dataset family, native layout in, `Sample`s and untouched image bytes out.

A reader lists cheaply (`rows`) and reads one sample at a time in any process (`read`); it never writes, never
re-encodes and never drops a sample without a reason code. Building shards is no business of this room.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import Field

from ...foundation.errors import UserError
from .art.artemis import Affection, ArtELingo, ArtEmis, ArtEmisV2
from .art.wikiart_emotions import WikiArtEmotions
from .base import REASONS, Reader, Row, SampleError
from .faces.affectnet import AffectNet
from .faces.affwild2 import AffWild2, CExprDb
from .faces.ckplus import CkPlus
from .faces.expw import ExpW
from .faces.face_folders import CkPlus48, Sfew
from .faces.fer2013 import Fer2013
from .faces.ferplus import FerPlus
from .faces.jaffe import Jaffe
from .faces.rafdb import RafDb, RafDbCompound
from .generic.hf_datasets import HfDatasets
from .generic.image_folder import ImageFolder
from .generic.img2dataset import Img2Dataset
from .generic.person_table import PersonTable
from .generic.persons import Persons
from .generic.shards import Shards
from .generic.table import Table
from .generic.webdataset import WebDataset
from .scenes.abstract import Abstract, ArtPhoto
from .scenes.class_folders import CaerS, PandaEmotion6, UnBiasedEmo, WebEmo
from .scenes.emo8 import Emo8
from .scenes.emoset import EmoSet
from .scenes.emotic import Emotic
from .scenes.emotion6 import Emotion6
from .scenes.fi import FI
from .scenes.finding_emo import FindingEmo
from .scenes.heco import Heco
from .scenes.ldl import FlickrLDL, TwitterLDL
from .scenes.mvsa import Mvsa
from .scenes.tweets import Tweets
from .scenes.twitter_amt import TwitterAmt
from .scenes.valence_arousal import Gaped, Oasis

ROOMS = ("scenes", "faces", "art", "generic")
# By the name under `reader.kind`; a new reader is one file, one import and one line here.
READERS: dict[str, type[Reader]] = {
    "emoset": EmoSet,
    "emo8": Emo8,
    "image_folder": ImageFolder,
    "tweets": Tweets,
    "ferplus": FerPlus,
    "fer2013": Fer2013,
    "affectnet": AffectNet,
    "rafdb": RafDb,
    "rafdb_compound": RafDbCompound,
    "expw": ExpW,
    "ckplus": CkPlus,
    "ckplus48": CkPlus48,
    "jaffe": Jaffe,
    "sfew": Sfew,
    "affwild2": AffWild2,
    "cexpr_db": CExprDb,
    "fi": FI,
    "emotion6": Emotion6,
    "panda_emotion6": PandaEmotion6,
    "unbiased_emo": UnBiasedEmo,
    "webemo": WebEmo,
    "caer_s": CaerS,
    "artphoto": ArtPhoto,
    "abstract": Abstract,
    "twitter_amt": TwitterAmt,
    "mvsa": Mvsa,
    "flickr_ldl": FlickrLDL,
    "twitter_ldl": TwitterLDL,
    "oasis": Oasis,
    "gaped": Gaped,
    "finding_emo": FindingEmo,
    "emotic": Emotic,
    "heco": Heco,
    "person_table": PersonTable,
    "artemis": ArtEmis,
    "artemis_v2": ArtEmisV2,
    "artelingo": ArtELingo,
    "affection": Affection,
    "wikiart_emotions": WikiArtEmotions,
    "table": Table,
    "hf_datasets": HfDatasets,
    "webdataset": WebDataset,
    "img2dataset": Img2Dataset,
    "shards": Shards,
    "persons": Persons,
}
ReaderConfig: Any = Annotated[
    Union[tuple(reader.config_class for reader in READERS.values())],  # noqa: UP007 (made at run time)
    Field(discriminator="kind"),
]


def make_reader(config: Any, root: Path) -> Reader:
    """The reader for one of the configs of `ReaderConfig`; UserError where `root` is not that dataset."""
    return READERS[config.kind](config, Path(root))


def reader_table() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What `vemo datasets list` shows: a header, and a line for every reader."""
    rows = [
        (reader.__module__.split(".")[-2], kind, reader.summary, ", ".join(reader.spaces), reader.licence)
        for kind, reader in READERS.items()
    ]
    return ("", "kind", "what", "labels", "licence"), sorted(rows, key=lambda row: ROOMS.index(row[0]))


def describe_readers(kinds: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All that is known of these readers (none: of all): kind, dataset, summary, spaces, samples, licence and
    how_to_get. Raises UserError for a kind that does not exist, naming those that do."""
    if unknown := [kind for kind in kinds if kind not in READERS]:
        raise UserError(f"no reader {', '.join(unknown)}; there are {', '.join(READERS)}")
    return [
        {
            "kind": kind,
            "dataset": reader.dataset,
            "summary": reader.summary,
            "spaces": list(reader.spaces),
            "samples": dict(reader.expected),
            "licence": reader.licence,
            "how_to_get": reader.how_to_get,
        }
        for kind, reader in READERS.items()
        if not kinds or kind in kinds
    ]


__all__ = [
    "READERS",
    "REASONS",
    "Reader",
    "ReaderConfig",
    "Row",
    "SampleError",
    "describe_readers",
    "make_reader",
    "reader_table",
]
