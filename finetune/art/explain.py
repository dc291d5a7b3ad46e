"""Emotion, then explanation: a distribution over the classes, a sentence for one, or both as written."""

import torch
from torch import Tensor

from .config import GenerationConfig
from .decoding import write
from .model import Sevlm
from .sequences import WordReader


@torch.no_grad()
def emotion_log_probabilities(model: Sevlm, seen: Tensor) -> Tensor:
    """log p(emotion | image) over the classes, float32 [N, C], whose exponentials sum to 1.

    Each class is scored as it would be written, log p(label, " because" | image, prompt), and the classes are
    scaled to 1. They are read in one pass: after the prompt each label is a branch that sees the prompt and
    itself. seen: [N, P, W] of `Sevlm.look`.
    """
    vocabulary = model.vocabulary
    prompt = [vocabulary.end, *vocabulary.prompt]
    tokens, place, branch = list(prompt), list(range(len(prompt))), [-1] * len(prompt)
    steps: list[tuple[int, int, int]] = []  # (where it is predicted, token, class)
    for number, label in enumerate(vocabulary.labels):
        before = len(prompt) - 1
        for depth, token in enumerate(label):
            steps.append((before, token, number))
            before = len(tokens)
            tokens.append(token)
            place.append(len(prompt) + depth)
            branch.append(number)
        steps.append((before, vocabulary.because, number))
    device, length = seen.device, len(tokens)
    branches = torch.tensor(branch, device=device)
    mask = (branches[:, None] == branches) | (branches < 0)
    mask = mask & torch.ones(length, length, dtype=torch.bool, device=device).tril()
    ids = torch.tensor(tokens, device=device).expand(len(seen), -1)
    explaining = torch.zeros_like(ids, dtype=torch.bool)
    embedded = model.embed(ids, explaining, None)
    states = model.states(
        embedded,
        seen,
        mask.expand(len(seen), 1, -1, -1),
        torch.tensor(place, device=device)[None],
    )
    at, wanted, number = torch.tensor(steps, device=device).T
    log_p = model.logits(states).float().log_softmax(-1)[:, at, wanted]
    scores = torch.zeros(len(seen), len(vocabulary.labels), device=device)
    return scores.index_add(1, number, log_p).log_softmax(1)


@torch.no_grad()
def explain(
    model: Sevlm, seen: Tensor, emotions: Tensor, reader: WordReader | None, config: GenerationConfig
) -> list[str]:
    """Why each image evokes the emotion of that number, int64 [N]: one text an image."""
    vocabulary = model.vocabulary
    head = [vocabulary.end, *vocabulary.prompt]
    begins = [[*head, *label, vocabulary.because] for label in vocabulary.labels]
    texts = [""] * len(seen)
    numbers = emotions.tolist()
    # Sentences are written together with those whose labels have as many tokens: none has to be padded.
    for length in sorted({len(begins[number]) for number in numbers}):
        rows = [row for row, number in enumerate(numbers) if len(begins[number]) == length]
        begin = torch.tensor([begins[numbers[row]] for row in rows], device=seen.device)
        for row, tokens in zip(rows, write(model, seen[rows], begin, reader, config)):
            texts[row] = vocabulary.decode(tokens).strip()
    return texts


@torch.no_grad()
def tell(
    model: Sevlm, seen: Tensor, reader: WordReader | None, config: GenerationConfig
) -> list[tuple[int, str]]:
    """(emotion, explanation) of each image as the model writes them after the prompt, as in the paper; −1 for
    words that are no emotion."""
    vocabulary = model.vocabulary
    begin = torch.tensor([[vocabulary.end, *vocabulary.prompt]] * len(seen), device=seen.device)
    written = write(model, seen, begin, reader, config)
    return [parse(vocabulary.decode(tokens), vocabulary.emotions) for tokens in written]


def parse(text: str, emotions: tuple[str, ...]) -> tuple[int, str]:
    """What stands before the first "because", as a number (−1: no emotion), and what stands after the last.
    Without one there is no emotion, and the explanation is all from the third word on (as in the paper)."""
    before, because, _ = text.partition("because")
    explanation = text.rpartition("because")[2] if because else " ".join(text.split()[2:])
    name = before.strip() if because else ""
    return (emotions.index(name) if name in emotions else -1), explanation.strip()
