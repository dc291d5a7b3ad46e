"""Packing an encoder, its card, checking it again, and every release of the repository."""

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from vemo.cli import main
from vemo.foundation import UserError
from vemo.zoo import load_encoder, read_release, save_release
from vemo.zoo.card import LAW, PERCEIVED, card
from vemo.zoo.document import files_of, read_document
from vemo.zoo.models import ENCODER
from vemo.zoo.pack import PackConfig, pack, stored
from vemo.zoo.places import WEIGHTS
from vemo.zoo.reference import digest_of, reference_images
from vemo.zoo.registry import OURS, read_registry
from vemo.zoo.verify import verify


def settings(run, out, **changes):
    return PackConfig.model_validate({"run": run, "out": out, **changes})


@pytest.fixture
def tiny(packed, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(packed.folder, tmp_path / "tiny")


def faults(folder):
    return [each.text for each in verify(str(folder), (ENCODER,)) if not each.ok]


def test_a_packed_encoder_is_the_runs(run, packed):
    folder, images = packed.folder, reference_images(32)
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "encoder.json",
        "encoder.safetensors",
        "reference.safetensors",
        "release.json",
    }
    expected = load_encoder(run / "release")(images)
    torch.testing.assert_close(load_encoder(folder)(images), expected, rtol=0, atol=0)
    kept = load_file(folder / "reference.safetensors")["features"]
    torch.testing.assert_close(kept, expected, rtol=0, atol=1e-6)
    assert kept.std(0).min() > 1e-3  # pictures that all look alike to it would not tell models apart
    document = read_document(folder)
    assert (document.name, document.kind, document.licence) == ("tiny", "encoder", "CC-BY-4.0")
    assert document.training_data == "stripes, split train, 1,234 images"
    (metric,) = document.metrics
    assert (metric.value, metric.low, metric.high, metric.seed, metric.data) == (0.5, 0.4, 0.6, 3, "stripes")
    assert faults(folder) == [] and len(verify(str(folder), (ENCODER,))) == 2


def test_half_precision_is_cast_up(run, tmp_path, packed):
    folder = pack(settings(run, tmp_path / "half", dtype="fp16"), (ENCODER,)).folder
    weights = load_file(folder / "encoder.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    small, large = ((each / "encoder.safetensors").stat().st_size for each in (folder, packed.folder))
    assert small < 0.7 * large
    images, encoder = reference_images(32), load_encoder(folder)
    assert {value.dtype for value in encoder.state_dict().values()} == {torch.float32}
    exact = load_encoder(packed.folder)(images)
    change = float(((encoder(images) - exact).abs().max() / exact.square().mean().sqrt()).detach())
    document = read_document(folder)
    assert 0 < change < 0.01 and document.storage_change == pytest.approx(change, rel=1e-3)
    assert "Storing in fp16 moved the outputs by" in (folder / "README.md").read_text()
    assert faults(folder) == []
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    features = model(encoder.normalise(images))
    torch.testing.assert_close(features, encoder(images), rtol=0, atol=1e-5)


def test_half_precision_that_changes_the_model_is_refused(run, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"dtype=fp16: big has values beyond its range"):
        stored("fp16")({"big": torch.tensor([1e6])})
    kept = stored("fp16")({"count": torch.tensor(70000), "weight": torch.ones(2)})
    assert kept["count"].dtype == torch.int64 and kept["weight"].dtype == torch.float16
    monkeypatch.setattr("vemo.zoo.pack.MOST_BY_STORING", 1e-9)
    with pytest.raises(UserError, match=r"dtype=fp16: features differ by .* use dtype=fp32"):
        pack(settings(run, tmp_path / "half", dtype="fp16"), (ENCODER,))
    assert not list(tmp_path.iterdir())


def test_nothing_is_packed_that_is_not_known(run, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="no release and no model here"):
        pack(settings(tmp_path / "bare", tmp_path / "out"), (ENCODER,))
    source = shutil.copytree(run, tmp_path / "run")
    about = source / "release/encoder.json"
    said = json.loads(about.read_text())
    for key, gone in (("licence", None), ("data", {})):
        about.write_text(json.dumps(said | {key: gone}))
        with pytest.raises(UserError, match=f"^{key}: the run does not say .*; say {key}='…'$"):
            pack(settings(source, tmp_path / "out"), (ENCODER,))
        assert not (tmp_path / "out").exists() and not (tmp_path / "out.part").exists()
    document = pack(settings(source, tmp_path / "out", data="mine", licence="MIT"), (ENCODER,)).document
    assert (document.training_data, document.licence) == ("mine", "MIT")
    assert json.loads((tmp_path / "out/encoder.json").read_text())["licence"] == "MIT"
    with pytest.raises(UserError, match="is there already"):
        pack(settings(source, tmp_path / "out", data="mine"), (ENCODER,))
    with pytest.raises(UserError, match="name: String should match"):
        pack(settings(source, tmp_path / "Not A Name", data="mine"), (ENCODER,))
    (source / "release/encoder.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match="damaged"):
        pack(settings(source, tmp_path / "other", data="mine"), (ENCODER,))
    assert {path.name for path in tmp_path.iterdir()} == {"bare", "run", "out"}


def test_the_command_prints_an_entry_that_can_be_pasted(run, tmp_path, capsys, monkeypatch):
    out, url = tmp_path / "tiny", "https://somewhere.invalid/{path}?download"
    given = ["dtype=fp16", f"mirrors=['{url}']", "limits=[for tests only]", "date=2026-01-02"]
    assert main(["checkpoints", "pack", str(run), str(out), *given]) == 0
    said = capsys.readouterr()
    assert "outputs change by" in said.err
    (tmp_path / "own.yaml").write_text("releases:\n" + said.out)
    monkeypatch.setenv("VEMO_REGISTRY", str(tmp_path / "own.yaml"))
    entry = read_registry()["tiny"]
    assert entry.mirrors == (url,) and str(entry.metrics[0].date) == "2026-01-02"
    assert entry.limits[0] == "for tests only" and len(entry.limits) == 2
    assert {file.path: file.bytes for file in entry.files} == {
        path.name: path.stat().st_size for path in out.iterdir()
    }
    assert main(["checkpoints", "verify", str(out)]) == 0
    assert capsys.readouterr().out.count("good ") == 2


def test_what_was_changed_is_found(tiny, run):
    weights = tiny / "encoder.safetensors"
    tensors = load_file(weights)
    name = "blocks.0.mlp.fc1.weight"
    save_file({**tensors, name: tensors[name] * 1.5}, weights, {"format": "pt"})
    assert [text.partition(": ")[2][:22] for text in faults(tiny)] == ["damaged: its sha256 is"]
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "damaged: " in faults(tiny)[0] and "bytes, expected" in faults(tiny)[0]
    weights.unlink()
    assert faults(tiny) == [f"{weights}: missing"]
    with pytest.raises(UserError, match="not a packed release"):
        verify(str(run / "release"), (ENCODER,))
    (tiny / "release.json").write_text("{}")
    assert "damaged, or of a newer version" in faults(tiny)[0]


@pytest.mark.parametrize("stray", ["pytorch_model.bin", "sub/model.pkl", "link.json"])
def test_strangers_are_found(tiny, stray):
    (tiny / stray).parent.mkdir(exist_ok=True)
    (tiny / stray).write_bytes(b"x") if "link" not in stray else (tiny / stray).symlink_to(
        tiny / "config.json"
    )
    assert [text for text in faults(tiny) if "is no part of the release" in text and stray in text]


def test_an_export_beside_it_is_named(tiny):
    (tiny / "encoder.onnx").write_bytes(b"x")
    found = verify(str(tiny), (ENCODER,))
    assert [each.kind for each in found] == ["look", "good", "good"] and "not checked" in str(found[0])


def test_outputs_are_compared_not_only_hashes(tiny):
    """Weights of another model, with all hashes made to fit: only what it says gives it away."""
    description, tensors = read_release(tiny)
    name = "blocks.0.mlp.fc1.weight"
    save_release(tiny, {**tensors, name: tensors[name] * 1.5}, description)
    document = read_document(tiny)
    files = files_of(tiny, "release.json", "README.md")
    (tiny / "release.json").write_text(document.model_copy(update={"files": files}).model_dump_json())
    (fault,) = faults(tiny)
    assert "outputs features differ by" in fault and "0.0001 is allowed" in fault


def test_a_name_is_checked_against_the_registry(cache, tiny, packed, entry, registry, capsys, monkeypatch):
    own = str(registry(entry(packed.folder.as_uri())))
    assert main(["checkpoints", "verify", "tiny", "--registry", own]) == 2
    assert "not on this machine yet; vemo checkpoints download tiny" in capsys.readouterr().err
    assert main(["checkpoints", "download", "tiny", "--registry", own]) == 0
    folder = capsys.readouterr().out.strip()
    assert main(["checkpoints", "verify", "tiny", "--registry", own]) == 0
    assert "6 files, sha256 as the registry says" in capsys.readouterr().out
    monkeypatch.chdir(tiny.parent)  # where a folder is called so, too
    assert main(["checkpoints", "verify", "tiny", "--registry", own]) == 0
    assert "as the registry says" in capsys.readouterr().out
    assert main(["checkpoints", "verify", "./tiny", "--registry", own]) == 0
    assert "as release.json says" in capsys.readouterr().out
    with (Path(folder) / "README.md").open("a") as stream:
        stream.write("and it never errs\n")
    assert main(["checkpoints", "verify", "tiny", "--registry", own]) == 1
    assert "bad   " in capsys.readouterr().out


def test_the_card_says_all_there_is(packed):
    document = packed.document
    page = card(document)
    for expected in (
        "license: cc-by-4.0", "**Not audited.**", "0.400 to 0.600",
        "CC-BY-4.0", PERCEIVED, "stripes, split train, 1,234 images", "model.features(", "32 pixels a side",
        document.files[0].sha256, document.intended_use, document.limits[0], "| 3 ",
    ):  # fmt: skip
        assert expected in page, expected
    assert LAW not in page
    changes = {"faces": True, "licence": "research-only", "metrics": ()}
    audit = {"date": "2026-01-02", "samples": 300, "attributes": ("age",), "findings": ("All alike.",)}
    other = type(document).model_validate(document.model_dump() | changes | {"fairness": audit})
    page = card(other)
    assert LAW in page and "license: other" in page and "Not measured." in page
    assert "Audited on 300 samples, 2026-01-02; attributes: age" in page and "- All alike." in page


def test_the_card_is_written_again(tiny, capsys):
    page = (tiny / "README.md").read_text()
    (tiny / "README.md").unlink()
    assert main(["checkpoints", "card", str(tiny), "--write"]) == 0
    assert (tiny / "README.md").read_text() == page


def test_reference_pictures_never_change():
    assert digest_of(reference_images(32)).startswith("61264faee7f0c93e")
    assert digest_of(reference_images(96, 4, seed=7)).startswith("69ccc18d26c0cb5b")


def test_our_registry_is_valid():
    assert OURS.is_file()
    for entry in read_registry().values():
        place = WEIGHTS / entry.name
        assert entry.mirrors or place.is_dir(), f"{entry.name} lies nowhere"


def releases():
    return sorted(path.parent for path in WEIGHTS.glob("*/release.json"))


@pytest.mark.parametrize("folder", [*releases(), None], ids=lambda path: path.name if path else "packed-here")
def test_every_release_says_what_it_said(folder, packed):
    """Those of the repository with today's libraries, and one packed on the spot: there is always one."""
    from vemo.cli.checkpoints import kinds

    folder = folder or packed.folder
    found = verify(str(folder), kinds())
    assert all(each.ok for each in found), "\n".join(map(str, found))
    assert any("outputs" in each.text for each in found)
    if folder.parent == WEIGHTS:
        assert folder.name in read_registry(), f"{folder.name} is not in the registry"
