"""The tokeniser of a published BERT by the tokenizers library alone: transformers' takes long to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing, TemplateProcessing
from torch import Tensor

from emofuse.data.stored_files import stored_json

_ADVICE = "copy the folder again"
_SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_CLASSES = ("BertTokenizer", "BertTokenizerFast")
_UNBOUNDED = int(1e30)


class WordPieces:
    """As much of transformers' ``BertTokenizer`` as a text encoder needs.

    Args:
        tokenizer: of tokenizer.json.
        longest: tokens that the model reads.
    """

    model_input_names = ("input_ids", "token_type_ids", "attention_mask")

    def __init__(self, tokenizer: Tokenizer, longest: int) -> None:
        self._tokenizer, self.model_max_length = tokenizer, longest
        self._tokenizer.no_padding()
        self.padding_side = "right"
        self.all_special_ids = [tokenizer.token_to_id(token) for token in _SPECIAL.values()]
        self.pad_token_id, self.cls_token_id, self.sep_token_id = (
            tokenizer.token_to_id(_SPECIAL[name]) for name in ("pad_token", "cls_token", "sep_token")
        )

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def __call__(
        self,
        texts: Sequence[str],
        *,
        add_special_tokens: bool = True,
        truncation: bool = False,
        max_length: int | None = None,
        **_: Any,
    ) -> dict[str, list[list[int]]]:
        """Name → tokens of each text."""
        if truncation and max_length is not None:
            self._tokenizer.enable_truncation(max_length)
        else:
            self._tokenizer.no_truncation()
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return {
            "input_ids": [one.ids for one in found],
            "token_type_ids": [one.type_ids for one in found],
            "attention_mask": [one.attention_mask for one in found],
        }

    def pad(self, batch: Mapping[str, Sequence[Sequence[int]]], **_: Any) -> dict[str, Tensor]:
        """(B, T) tensors by name, filled up at the end."""
        longest = max(map(len, batch["input_ids"]))
        fill = {"input_ids": self.pad_token_id}
        return {
            name: torch.tensor([[*row, *[fill.get(name, 0)] * (longest - len(row))] for row in rows])
            for name, rows in batch.items()
        }

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as words."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))


def read_word_pieces(folder: Path) -> WordPieces | None:
    """The tokeniser of a model's folder; None where it is not BERT's own, which transformers has to read."""
    if not all((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        return None
    config = stored_json(folder / "tokenizer_config.json", _ADVICE)
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # the library raises a bare one; transformers says what is wrong
        return None
    if not _is_berts(config, tokenizer):
        return None
    return WordPieces(tokenizer, min(int(config.get("model_max_length", _UNBOUNDED)), _UNBOUNDED))


def _is_berts(config: Mapping[str, Any], made: Tokenizer) -> bool:
    """Whether the two files of a tokeniser agree, and say nothing that BERT's does not know."""
    normaliser, model = made.normalizer, made.model
    if not isinstance(normaliser, BertNormalizer) or not isinstance(model, WordPiece):
        return False
    asked = (
        config.get("tokenize_chinese_chars", True),
        config.get("strip_accents"),
        config.get("do_lower_case", True),
    )
    does = (normaliser.handle_chinese_chars, normaliser.strip_accents, normaliser.lowercase)
    added = [token.content for token in made.get_added_tokens_decoder().values()]
    return (
        config.get("tokenizer_class") in _CLASSES
        and all(config.get(name, token) == token for name, token in _SPECIAL.items())
        and sorted(added) == sorted(_SPECIAL.values())
        and normaliser.clean_text
        and asked == does
        and isinstance(made.pre_tokenizer, BertPreTokenizer)
        and isinstance(made.post_processor, BertProcessing | TemplateProcessing)
        and (model.unk_token, model.continuing_subword_prefix) == ("[UNK]", "##")
    )
