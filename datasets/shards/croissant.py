"""A shard set as MLCommons Croissant 1.1: a JSON-LD file that says which files there are and what they hold.

Record sets: `splits`; `labels-SPACE`, the classes of a label space in their order; `shards`, a row a tar;
`images-SPLIT`, a row an image; `records`, what is known of every image. Both of the last have the `key`, the
name of a sample's files in its tar. Every split has its own file set of images, because a file inside an
archive says nothing of the archive's name.

mlcroissant (1.1.1) checks all of it and reads all but `records`: it takes no JSON from inside an archive.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...foundation.files import sha256_of
from ..taxonomy import label_space
from .croissant_records import RECORD_FILES, field, label_set, record_set, records
from .facts import MEANING, RULED_OUT, Facts
from .layout import SHARDS

VERSIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
# As mlcroissant writes it: schema.org by https, and `value` is schema.org's.
_OURS = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes",
    "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines", "recordSet", "references",
    "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator", "source", "subField",
    "transform", "unArchive",
)  # fmt: skip
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _OURS},
}
SPDX = re.compile(r"Apache-2\.0|MIT|CC0-1\.0|CC-BY(-NC)?(-SA|-ND)?-[234]\.0|ODbL-1\.0|PDDL-1\.0")
SPLIT_URLS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
IMAGES = {  # what the packer stores
    "jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "bmp": "image/bmp",
    "tiff": "image/tiff",
}  # fmt: skip


def croissant(facts: Facts, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON-LD of a shard set. stated: properties of the dataset that only people know, such as url."""
    spaces = [name for name in _all_spaces(facts) if not label_space(name).continuous]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.manifest["dataset"],
        "description": f"{facts.description} {MEANING}",
        "conformsTo": VERSIONS,
        "identifier": f"sha256:{facts.fingerprint}",
        "license": [licence_url(licence) for licence in dict.fromkeys(name for _, name in facts.licences)],
        "isLiveDataset": False,
        **stated,
        "rai:dataLimitations": MEANING,
        "rai:dataSocialImpact": f"Ruled out: {' '.join(RULED_OUT)}",
        "rai:dataCollectionMissingData": facts.manifest["coverage"]["line"],
        "distribution": list(_distribution(facts)),
        "recordSet": [
            _splits(facts),
            *map(_classes, spaces),
            _shards(),
            *(_images(split) for split in facts.splits),
            records(facts, spaces),
        ],
    }


def licence_url(licence: str) -> str:
    """The address of a licence that SPDX lists, otherwise what the dataset calls it."""
    return f"https://spdx.org/licenses/{licence}.html" if SPDX.fullmatch(licence) else licence


def _all_spaces(facts: Facts) -> list[str]:
    return list(dict.fromkeys([*facts.spaces(), *facts.spaces(people=True)]))


def _distribution(facts: Facts) -> Iterator[dict[str, Any]]:
    for shard in facts.shards:
        name = f"{shard['name']}.tar"
        yield {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "description": f"{shard['samples']:,} samples of split {shard['split']}: KEY.jpg and KEY.json.",
            "contentUrl": name,
            "contentSize": f"{shard['bytes']} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard["sha256"],
        }
    listing = facts.folder / SHARDS
    yield {
        "@type": "cr:FileObject",
        "@id": SHARDS,
        "name": SHARDS,
        "description": "A line a shard: split, samples, bytes, hashes, failures.",
        "contentUrl": SHARDS,
        "contentSize": f"{listing.stat().st_size} B",
        "encodingFormat": "application/jsonlines",
        "sha256": sha256_of(listing),
    }
    for split in facts.splits:
        yield {
            "@type": "cr:FileSet",
            "@id": _image_files(split),
            "name": _image_files(split),
            "description": f"The images of split {split}.",
            "containedIn": _tars(facts, split),
            "encodingFormat": list(IMAGES.values()),
            "includes": [f"*.{extension}" for extension in IMAGES],
        }
    yield {
        "@type": "cr:FileSet",
        "@id": RECORD_FILES,
        "name": RECORD_FILES,
        "description": "What is known of each image, one JSON object a file.",
        "containedIn": _tars(facts, None),
        "encodingFormat": "application/json",
        "includes": "*.json",
    }


def _tars(facts: Facts, split: str | None) -> list[dict[str, str]]:
    shards = (shard for shard in facts.shards if split in (None, shard["split"]))
    return [{"@id": f"{shard['name']}.tar"} for shard in shards]


def _image_files(split: str) -> str:
    return f"image-files-{split}"


def _splits(facts: Facts) -> dict[str, Any]:
    known = all(split in SPLIT_URLS for split in facts.splits)
    fields = [field("splits/name", "sc:Text"), field("splits/samples", "sc:Integer")]
    rows = [
        {"splits/name": split, "splits/samples": counts["samples"]}
        | ({"splits/url": SPLIT_URLS[split]} if known else {})
        for split, counts in facts.splits.items()
    ]
    return {
        **record_set("splits", "The splits and how many images each has.", "splits/name"),
        "dataType": "cr:Split",
        "field": [*fields, field("splits/url", "sc:URL")] if known else fields,
        "data": rows,
    }


def _classes(name: str) -> dict[str, Any]:
    """A label space: its classes and their order."""
    space, own = label_space(name), label_set(name)
    return {
        **record_set(own, f"{space.title}. Version {space.version}. {space.source}", f"{own}/name"),
        "dataType": "sc:Enumeration",
        "field": [
            field(f"{own}/name", "sc:Text"),
            field(f"{own}/index", "sc:Integer", description="Its place in distributions and votes."),
        ],
        "data": [{f"{own}/name": label, f"{own}/index": place} for place, label in enumerate(space.names)],
    }


def _shards() -> dict[str, Any]:
    def column(name: str, kind: str, **more: Any) -> dict[str, Any]:
        source = {"fileObject": {"@id": SHARDS}, "extract": {"column": name}}
        return field(f"shards/{name}", kind, source=source, **more)

    return {
        **record_set("shards", "The tars: which split each belongs to, and its hash.", "shards/name"),
        "field": [
            column("name", "sc:Text", description="The file's name without .tar."),
            column("split", "sc:Text", references={"field": {"@id": "splits/name"}}),
            column("samples", "sc:Integer"),
            column("bytes", "sc:Integer"),
            column("sha256", "sc:Text"),
        ],
    }


def _images(split: str) -> dict[str, Any]:
    name = f"images-{split}"
    files = {"fileSet": {"@id": _image_files(split)}}
    return {
        **record_set(
            name, f"The images of split {split}; what is known of them is in records.", f"{name}/key"
        ),
        "field": [
            field(
                f"{name}/key",
                "sc:Text",
                description="The same as records/key.",
                source={
                    **files,
                    "extract": {"fileProperty": "filename"},
                    "transform": {"regex": r"^(.+)\.[a-z]+$"},
                },
            ),
            field(f"{name}/split", "sc:Text", value=split),
            field(
                f"{name}/image", "sc:ImageObject", source={**files, "extract": {"fileProperty": "content"}}
            ),
        ],
    }
