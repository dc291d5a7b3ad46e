"""One file, four spellings of its name."""

import unicodedata

import pytest
from vemo.datasets.readers.generic.file_names import FileNames, plain

NFC = "józef-pankiewicz_flower-vendor-é.jpg"
NFD = unicodedata.normalize("NFD", NFC)
ESCAPED = "j#U00f3zef-pankiewicz_flower-vendor-#U00e9.jpg"
ESCAPED_NFD = "jo#U0301zef-pankiewicz_flower-vendor-e#U0301.jpg"
SPELLINGS = (NFC, NFD, ESCAPED, ESCAPED_NFD)


def file(root, name):
    path = root / "wikiart" / "Art_Nouveau" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@pytest.mark.parametrize("on_disk", SPELLINGS)
@pytest.mark.parametrize("in_table", [*SPELLINGS, "j#U00F3zef-pankiewicz_flower-vendor-e\u0301.JPG"])
def test_every_spelling_finds_every_other(tmp_path, on_disk, in_table):
    file(tmp_path, on_disk)
    found = FileNames(tmp_path).find(f"wikiart/Art_Nouveau/{in_table}")
    assert found == f"wikiart/Art_Nouveau/{on_disk}"
    assert (tmp_path / found).is_file()


def test_the_spellings_are_really_different():
    assert len(set(SPELLINGS)) == 4
    assert {plain(name) for name in SPELLINGS} == {NFC}


def test_the_very_spelling_comes_first_then_the_composed_one(tmp_path):
    for name in SPELLINGS:
        file(tmp_path, name)
    names, folder = FileNames(tmp_path), "wikiart/Art_Nouveau"
    for name in SPELLINGS:
        assert names.find(f"{folder}/{name}") == f"{folder}/{name}"
    other = f"{folder}/j#U00F3zef-pankiewicz_flower-vendor-é.jpg"
    assert names.find(other) == f"{folder}/{NFC}"
    (tmp_path / folder / NFC).unlink()
    assert FileNames(tmp_path).find(other) == min(f"{folder}/{name}" for name in SPELLINGS[1:])


def test_folders_are_found_too_and_characters_beyond_four_digits(tmp_path):
    (tmp_path / "caf#U00e9").mkdir()
    (tmp_path / "caf#U00e9" / "smile-#L01f600.PNG").write_bytes(b"")
    assert FileNames(tmp_path).find("café/smile-😀.png") == "caf#U00e9/smile-#L01f600.PNG"


def test_what_only_looks_like_an_escape_stays(tmp_path):
    assert plain("no-#Unknown") == "no-#Unknown"
    assert plain("half-#Ud83d") == "half-#Ud83d"
    assert plain("none-#Lffffff") == "none-#Lffffff"
    file(tmp_path, "no-#Unknown.jpg")
    assert FileNames(tmp_path).find("wikiart/Art_Nouveau/no-#Unknown.jpg")


@pytest.mark.parametrize(
    "path", ["../wikiart/a.jpg", "/etc/hostname", "", "wikiart/none.jpg", "wikiart/a/b.jpg"]
)
def test_what_is_not_there_or_not_inside_is_not_found(tmp_path, path):
    file(tmp_path, "a.jpg")
    assert FileNames(tmp_path / "wikiart").find(path) is None
