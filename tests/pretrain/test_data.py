"""What of its data a run depends on."""

import json

from vemo.datasets.stream import StreamConfig
from vemo.pretrain.data import open_data


def test_a_changed_overlay_is_other_data_and_so_refused_when_a_run_goes_on(shards, tmp_path):
    overlay = tmp_path / "ann.jsonl"

    def described(**changes):
        return open_data(StreamConfig(shards=shards, **changes)).description()

    plain = described()
    overlay.write_text(json.dumps({"id": "x", "set": {"vad.valence": 0.5}}) + "\n")
    edited = described(overlays=[overlay])
    assert edited != plain
    overlay.write_text(json.dumps({"id": "x", "set": {"vad.valence": 0.6}}) + "\n")
    assert described(overlays=[overlay]) not in (plain, edited)


def test_of_a_url_there_is_nothing_new_to_say():
    """A run that streams from a URL goes on where it was before overlays could be named."""
    described = open_data(StreamConfig(shards="https://host/set")).description()
    assert described.keys() == {"shards", "split", "sidecars", "fast"}
