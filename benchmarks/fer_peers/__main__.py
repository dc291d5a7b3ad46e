"""FER classifiers of other packages on FER2013's test images, beside ours.

    python benchmarks/fer_peers --shards data/ferplus-shards [--cache runs/fer-peers] [--ours runs/fer/model]

The whole 48 × 48 crop goes to each classifier, one image at a time, one thread, no detector. peers.yaml says
what is installed, README.md what the table means. What is there already is not repeated; only the
milliseconds are measured anew, all of one run in turn. A peer that does not install or run is a row with the
reason.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

import fer2013
import scores
from common import write_result
from environments import Absent, Peer, classified, install, run, versions, weights
from fer2013 import SPACES, TestSet
from vemo.evaluation.predictions import FLOOR, Predictions, load_predictions, save_predictions
from vemo.foundation.errors import UserError

OURS = "ours"


def kept(
    images: TestSet,
    cache: Path,
    name: str,
    classes: list[str],
    logits: torch.Tensor,
    truths: Iterable[str] = SPACES,
) -> None:
    """A file of predictions for each truth, below CACHE/predictions/NAME; NaN: image not predicted."""
    for truth in truths:
        space = SPACES[truth]
        found = fer2013.predictions(images, truth, classes, logits)
        path = cache / "predictions" / name / f"{space}.safetensors"
        path.unlink(missing_ok=True)
        if bool(found.outputs.isfinite().all()):
            save_predictions(path, found)


def from_file(images: TestSet, path: Path) -> tuple[list[str], torch.Tensor]:
    """Classes and logits [N, C] of a run's file of predictions; NaN where it does not speak of an image."""
    found = load_predictions(path)
    if found.space not in SPACES.values():
        raise UserError(f"{path}: of {found.space or found.kind}, not of {' or '.join(SPACES.values())}")
    rows = dict(zip(found.ids, found.outputs))
    unsaid = torch.full((len(found.classes),), float("nan"))
    return list(found.classes), torch.stack([rows.get(each, unsaid) for each in images.ids])


def keep_own_heads(images: TestSet, cache: Path, run: Path) -> None:
    """A truth for which a run of ours has a head of its own is answered by that head, not the first one."""
    heads = json.loads((run / "model" / "model.json").read_text())["heads"]
    usable = {name: head["space"] for name, head in heads.items() if head["space"] in SPACES.values()}
    first = next(iter(usable.values()))
    for name, space in usable.items():
        path = run / "predictions" / f"{name}-test.safetensors"
        truths = [truth for truth, wanted in SPACES.items() if wanted == space != first]
        if truths and path.is_file():
            kept(images, cache, OURS, *from_file(images, path), truths=truths)


def facts_of(peer: Peer) -> dict[str, Any]:
    """Where it comes from, as it is here."""
    shown = {key: peer.facts[key] for key in ("title", "licence") if key in peer.facts}
    return shown | {"versions": versions(peer), "weights_sha256": weights(peer)}


def measure(peer: Peer, images: TestSet, raw: Path) -> dict[str, Any]:
    """Install, classify, keep the predictions; facts, or why there are none."""
    try:
        install(peer)
        said = classified(peer, raw)
        facts = facts_of(peer)
    except (Absent, OSError) as error:
        return {"title": peer.facts["title"], "absent": str(error)}
    probabilities = torch.tensor(said["probabilities"], dtype=torch.float64)
    kept(images, peer.cache, peer.name, said["classes"], probabilities.clamp(min=FLOOR).log())
    return facts


def timings(peers: list[Peer], images: TestSet, count: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Peer → what `run` says of the first images, round after round, all peers in turn."""
    found: dict[str, list[dict[str, Any]]] = {peer.name: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            raw, out = peer.cache / "timed.u8", peer.folder / "timed.json"
            images.pixels[:count].tofile(raw)
            out.unlink(missing_ok=True)
            found[peer.name].append(run(peer, raw, out))
    return found


def results(
    names: list[str], cache: Path, images: TestSet, resamples: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Rows of every truth by name, and ours against each, all from the files of predictions."""
    rows: dict[str, dict[str, Any]] = {name: {} for name in names}
    gaps: dict[str, dict[str, Any]] = {name: {} for name in names if name != OURS}
    for truth, space in SPACES.items():
        found: dict[str, Predictions] = {}
        for name in names:
            path = cache / "predictions" / name / f"{space}.safetensors"
            if path.exists():
                found[name] = load_predictions(path)
                rows[name][truth] = scores.row(found[name], images.seen, resamples)
            else:
                rows[name][truth] = {"absent": f"not every image with a label of {truth} was predicted"}
        ours = found.pop(OURS, None)
        if ours is not None and found:
            for name, gap in scores.compared(ours, found, images.seen, resamples).items():
                gaps[name][truth] = gap
    return rows, gaps


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path, default=Path("data/ferplus-shards"))
    parser.add_argument("--cache", type=Path, default=Path("runs/fer-peers"))
    ours = parser.add_mutually_exclusive_group()
    ours.add_argument("--ours", type=Path, help="a folder model/ that vemo finetune wrote")
    ours.add_argument("--ours-predictions", type=Path, help="a run's predictions/HEAD-test.safetensors")
    parser.add_argument("--peers", nargs="+", help="only these")
    parser.add_argument("--timed", type=int, default=200, help="images of which each round takes the median")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resamples", type=int, default=2000)
    return parser.parse_args()


def main() -> None:
    """Install, classify, time; print the table and write docs/results/fer_peers.json."""
    given = arguments()
    plan = yaml.safe_load(Path(__file__).with_name("peers.yaml").read_text())
    if unknown := set(given.peers or ()) - set(plan):
        raise UserError(f"--peers {' '.join(sorted(unknown))}: there are {', '.join(plan)}")
    peers = [Peer(name, plan[name], given.cache) for name in given.peers or plan]
    if given.ours:
        model = given.ours / "model" if (given.ours / "model").is_dir() else given.ours
        ours = {"title": OURS, "registry": "vemo", "model": str(model), "runner": "run_ours.py"}
        peers.append(Peer(OURS, ours | {"weights": ["model.safetensors", "model.json"]}, given.cache))
    given.cache.mkdir(parents=True, exist_ok=True)
    images = fer2013.read(given.shards)
    raw = given.cache / "images.u8"
    images.pixels.tofile(raw)
    facts = {}
    for peer in peers:
        facts[peer.name] = measure(peer, images, raw)
        print(f"{peer.name}: {facts[peer.name].get('absent', 'done')}", flush=True)
    if "absent" in facts.get(OURS, {}):
        raise UserError(f"--ours {given.ours}: {facts[OURS]['absent']}")
    if OURS in facts:
        keep_own_heads(images, given.cache, Path(str(peers[-1].facts["model"])).parent)
    if given.ours_predictions:
        kept(images, given.cache, OURS, *from_file(images, given.ours_predictions))
        facts[OURS] = {"title": OURS, "predictions": given.ours_predictions.name}
    there = [peer for peer in peers if "absent" not in facts[peer.name]]
    times = timings(there, images, given.timed, given.rounds)
    present = [name for name in facts if "absent" not in facts[name]]
    rows, gaps = results(present, given.cache, images, given.resamples)
    for name in present:
        facts[name] |= rows[name]
        if name in times:
            facts[name]["cpu_ms"] = scores.milliseconds(times[name], times.get(OURS, []))
        if gaps.get(name):
            facts[name]["ours minus this"] = gaps[name]
    payload = {
        "claim": "how well FER classifiers that ship in packages do on FER2013's test images, beside ours",
        "protocol": {
            "images": len(images.ids),
            "also in training": len(images.seen),
            "labelled": {truth: int((labels >= 0).sum()) for truth, labels in images.labels.items()},
            "fingerprint": images.fingerprint,
            "FER+ majority": " ".join((fer2013.majority.__doc__ or "").split()),
            "timed images": given.timed,
            "rounds": given.rounds,
            "resamples": given.resamples,
        },
        "peers": facts,
    }
    write_result("fer_peers", payload)
    print(scores.table(facts))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
