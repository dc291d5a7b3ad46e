"""What holds for every teacher: frozen, unit rows, kept out of the student, remembered sentences."""

import copy

import pytest
import torch
from torch import nn
from vemo.foundation import UserError
from vemo.pretrain.teachers import Teacher, TeacherOptions, load_teacher
from vemo.pretrain.teachers.contrast import multi_positive_contrast, retrieval


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Linear(3, 5)
        self.norm = nn.BatchNorm1d(5)
        self.text = nn.EmbeddingBag(256, 5)


class TinyTeacher(Teacher):
    encoded = 0

    def __init__(self, seed: int = 0, remembered_sentences: int = 100):
        torch.manual_seed(seed)
        super().__init__(
            Towers(),
            name="tiny",
            description={"preprocessing": {}},
            width=5,
            image_size=16,
            logit_scale=10.0,
            remembered_sentences=remembered_sentences,
        )

    def _image_features(self, images):
        assert images.shape[1:] == (3, 16, 16)
        return self.towers.norm(self.towers.image(images.float().mean((2, 3)) / 255))

    def _text_features(self, sentences):
        self.encoded += len(sentences)
        return torch.stack([self.towers.text(torch.tensor([list(s.encode())]))[0] for s in sentences])


@pytest.fixture
def teacher():
    return TinyTeacher()


def test_rows_have_length_one_and_no_gradient(teacher):
    images = torch.randint(0, 256, (4, 3, 20, 30), dtype=torch.uint8)
    for rows in (teacher.encode_image(images), teacher.encode_text(["a", "a dog"])):
        assert rows.shape[1] == 5 and rows.dtype == torch.float32
        assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)), atol=1e-6)
        assert not rows.requires_grad
    assert teacher.encode_text([]).shape == (0, 5)


def test_only_uint8_images_are_taken(teacher):
    with pytest.raises(TypeError, match="uint8"):
        teacher.encode_image(torch.rand(1, 3, 16, 16))


def test_a_student_neither_saves_nor_trains_nor_averages_its_teacher(teacher):
    student = nn.Module()
    student.own = nn.Linear(2, 2)
    student.teacher = teacher
    student.train()
    assert set(student.state_dict()) == {"own.weight", "own.bias"}
    assert len(list(student.parameters())) == 2
    student.load_state_dict(student.state_dict(), strict=True)
    assert copy.deepcopy(student).teacher is teacher
    assert not any(parameter.requires_grad for parameter in teacher.towers.parameters())
    before = {key: value.clone() for key, value in teacher.towers.state_dict().items()}
    teacher.encode_image(torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8))
    assert not teacher.training and not teacher.towers.training
    assert all(torch.equal(before[key], value) for key, value in teacher.towers.state_dict().items())


def test_a_student_moves_its_teacher_but_does_not_cast_it(teacher):
    student = nn.Module()
    student.teacher = teacher
    student.to(torch.bfloat16)
    assert next(teacher.towers.parameters()).dtype == torch.float32
    student.to("meta")
    assert teacher.device == torch.device("meta")


def test_autocast_does_not_reach_the_teacher(teacher):
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    plain = teacher.encode_image(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(teacher.encode_image(images), plain)


def test_repeated_sentences_are_remembered_and_equal_fresh_ones(teacher):
    first = teacher.encode_text(["one", "two", "one"])
    assert teacher.encoded == 2
    again = teacher.encode_text(["two", "three", "one"])
    assert teacher.encoded == 3
    assert torch.equal(again[2], first[0]) and torch.equal(again[0], first[1])
    assert torch.equal(TinyTeacher().encode_text(["three"])[0], again[1])


def test_memory_of_sentences_is_bounded_and_forgets_the_oldest():
    teacher = TinyTeacher(remembered_sentences=2)
    rows = teacher.encode_text(["one", "two", "three"])
    assert rows.shape == (3, 5) and len(teacher._remembered) == 2
    teacher.encode_text(["two"])
    assert teacher.encoded == 3
    assert torch.equal(teacher.encode_text(["one"])[0], rows[0])
    assert teacher.encoded == 4


def test_fingerprint_follows_weights_and_preprocessing():
    assert TinyTeacher(0).fingerprint == TinyTeacher(0).fingerprint
    assert TinyTeacher(0).fingerprint != TinyTeacher(1).fingerprint
    other = TinyTeacher(0)
    other.description["preprocessing"] = {"mean": [0.5]}
    assert other.fingerprint != TinyTeacher(0).fingerprint


@pytest.mark.parametrize("spec", ["clip", "open_clip:", "pair:", "stand_in", "stand-in:x"])
def test_unknown_spec_lists_the_kinds(spec, tmp_path):
    with pytest.raises(UserError, match=r"open_clip:.*stand-in.*pair:") as error:
        load_teacher(spec, TeacherOptions(), None, tmp_path)
    assert "\n" not in str(error.value)


def test_contrast_is_clips_when_no_sentence_repeats():
    from open_clip import ClipLoss

    generator = torch.Generator().manual_seed(0)
    images, texts = (nn.functional.normalize(torch.randn(6, 8, generator=generator), dim=1) for _ in range(2))
    ours = multi_positive_contrast(images, texts, torch.tensor(14.0), torch.eye(6, dtype=torch.bool))
    assert torch.allclose(ours, ClipLoss()(images, texts, torch.tensor(14.0)), atol=1e-6)


def test_contrast_does_not_push_away_a_repeated_sentence():
    texts = torch.eye(3)[[0, 0, 1]]
    scale, same = torch.tensor(50.0), torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    assert multi_positive_contrast(texts, texts, scale, same) < 0.7  # ln 2: two equally right answers
    swapped = multi_positive_contrast(texts[[2, 0, 1]], texts, scale, same)
    assert swapped > 10
    no_answer = multi_positive_contrast(texts, texts, scale, torch.zeros(3, 3, dtype=torch.bool))
    assert no_answer == 0


def test_retrieval_counts_hits():
    rows = torch.eye(4)
    found = retrieval(rows, rows[[1, 0, 2, 3]], torch.eye(4, dtype=torch.bool), ranks=(1, 2))
    assert found["image_to_text_R@1"] == 0.5 and found["text_to_image_R@1"] == 0.5
    assert found["chance_R@1"] == 0.25
