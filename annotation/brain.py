"""FiftyOne Brain's own scores on our embeddings and logits; no model is loaded and none is downloaded."""

from typing import Any

from ..foundation.errors import UserError
from .documents import Fields

NEAR = 0.05  # cosine distance of embeddings within which two images count as alike (our choice)
CLUSTERS = 20  # into which the Brain sorts embeddings, so no fewer samples can be representative


def add_scores(dataset: Any, fields: Fields) -> Fields:
    """Compute the Brain's fields that predictions and embeddings allow; returns those that were added.

    `mistakenness` and `hardness` of samples with logits (and a label), `uniqueness` and `representativeness`
    (of 20 samples or more) by embedding, `alike`: the number of a cluster of near duplicates by embedding.
    Raises UserError where there are neither logits nor embeddings.
    """
    import fiftyone.brain as brain  # pyright: ignore[reportMissingImports]

    added: Fields = {}
    if fields.get("prediction") == "classification":
        said = dataset.exists("prediction.logits")
        brain.compute_hardness(said, "prediction")
        added["hardness"] = "float"
        if "emotion" in fields:
            both = said.exists("emotion")
            brain.compute_mistakenness(both, "prediction", label_field="emotion", use_logits=True)
            added["mistakenness"] = "float"
    if "embedding" in fields:
        brain.compute_uniqueness(dataset, embeddings="embedding")
        added |= {"uniqueness": "float", "alike": "int"}
        if len(dataset) >= CLUSTERS:
            brain.compute_representativeness(dataset, embeddings="embedding")
            added["representativeness"] = "float"
        index = brain.compute_near_duplicates(dataset, embeddings="embedding", threshold=NEAR)
        _number(dataset, index.neighbors_map or {})
    if not added:
        raise UserError("brain=true needs predictions= (of one class a sample) or embeddings=")
    return added


def _number(dataset: Any, neighbours: dict[str, list[tuple[str, float]]]) -> None:
    """`neighbours`: of each sample that is kept, those that are near it."""
    numbers: dict[str, int] = {}
    for number, (kept, near) in enumerate(sorted(neighbours.items()), 1):
        numbers |= dict.fromkeys([kept, *(identifier for identifier, _ in near)], number)
    import fiftyone as fo  # pyright: ignore[reportMissingImports]

    dataset.add_sample_field("alike", fo.IntField)
    if numbers:
        dataset.set_values("alike", numbers, key_field="id")
