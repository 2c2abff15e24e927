"""Words through a pretrained language model of the BERT/RoBERTa/MiniLM class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer

from emofuse.encoders.pretrained import folder_revision, guarded, load_model, locate
from emofuse.encoders.spec import EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity

KIND = "hf-text"
_LONGEST = 512


class HFTextEncoder:
    """Last hidden states of a pretrained encoder, pooled.

    Pooling ``"cls"`` takes the state of the first token, ``"mean"`` the mean over the tokens (those that
    the tokeniser adds included, as sentence encoders do), ``"tokens"`` all of them. Texts of like length
    share a batch; padding is masked and changes nothing.

    Args:
        spec: name, revision, pooling, max_length, batch_size.
        device: where the model runs.
        dtype: precision of its weights; features are float32 either way.

    Raises:
        EmofuseError: the model cannot be had, or is not a text encoder.
    """

    def __init__(
        self, spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        source = locate(spec.name, spec.revision)
        self._model = load_model(source, device, dtype)
        config = self._model.config
        if self._model.main_input_name != "input_ids" or config.is_encoder_decoder:
            raise EmofuseError(
                f"encoder {spec.name}: a {config.model_type} model is not a text encoder; name one of the "
                "BERT, RoBERTa or MiniLM class"
            )
        self._tokenizer = guarded(source, AutoTokenizer.from_pretrained)
        _check_tokenizer(spec.name, self._tokenizer, self._model)
        self._tokenizer.padding_side = "right"  # the first token must stay first
        self._max_length = _max_length(spec, self._tokenizer, config)
        self._batch_size, self._pooling = spec.batch_size, spec.pooling or "mean"
        self.dim = int(config.hidden_size)
        self.identity = EncoderIdentity(
            modality="text",
            kind=KIND,
            name=config.model_type if source.folder else spec.name,
            revision=folder_revision(source.folder)
            if source.folder
            else config._commit_hash or source.revision,
            pooling=self._pooling,
            dim=self.dim,
            sampling={"max_length": self._max_length, "dtype": str(dtype).removeprefix("torch.")},
        )

    def encode(self, items: Sequence[str]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32 for B texts; with pooling ``"tokens"`` a list of (T, dim)."""
        encoded = self._tokenise(items)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        pooled = [
            np.zeros((0, self.dim) if self._pooling == "tokens" else self.dim, np.float32) for _ in lengths
        ]
        # A text may have no token at all where the tokeniser adds none; its features are zero.
        order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
        for begin in range(0, len(order), self._batch_size):
            rows = order[begin : begin + self._batch_size]
            batch = {name: [values[row] for row in rows] for name, values in encoded.items()}
            for row, features in zip(rows, self._forward(batch), strict=True):
                pooled[row] = features
        return pooled if self._pooling == "tokens" else np.array(pooled, np.float32).reshape(-1, self.dim)

    def _tokenise(self, items: Sequence[str]) -> dict[str, list[list[int]]]:
        if not items:
            return {"input_ids": []}
        # Half of a surrogate pair, which JSON lets through, is no text to a tokeniser.
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in items]
        encoded = self._tokenizer(texts, truncation=True, max_length=self._max_length, padding=False)
        return {name: encoded[name] for name in self._tokenizer.model_input_names if name in encoded}

    @torch.inference_mode()
    def _forward(self, batch: dict[str, list[list[int]]]) -> list[np.ndarray]:
        padded = self._tokenizer.pad(batch, padding=True, return_attention_mask=True, return_tensors="pt")
        inputs = {name: tensor.to(self._model.device) for name, tensor in padded.items()}
        states = self._model(**inputs).last_hidden_state.float()
        return self._pool(states, inputs["attention_mask"].bool())

    def _pool(self, states: Tensor, mask: Tensor) -> list[np.ndarray]:
        if self._pooling == "tokens":
            return [row[kept].cpu().numpy() for row, kept in zip(states, mask, strict=True)]
        if self._pooling == "cls":
            return list(states[:, 0].cpu().numpy())
        weights = mask.unsqueeze(-1).float()
        return list(((states * weights).sum(dim=1) / weights.sum(dim=1)).cpu().numpy())


def _check_tokenizer(name: str, tokenizer: Any, model: Any) -> None:
    if tokenizer.pad_token_id is None:
        raise EmofuseError(f"encoder {name}: its tokeniser has no padding token; name a BERT-like encoder")
    # Where its files are missing, the library makes a tokeniser that knows no word at all.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise EmofuseError(
            f"encoder {name}: the files of its tokeniser are missing; save it beside the model"
        )
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise EmofuseError(
            f"encoder {name}: its tokeniser has {len(tokenizer)} tokens and the model only {known}; they do "
            "not belong together"
        )


def _max_length(spec: EncoderSpec, tokenizer: Any, config: Any) -> int:
    """Tokens per text: what was asked for, or the most that the model can read, up to 512."""
    # RoBERTa's positions start after the padding index; its tokeniser says the length that is left.
    positions = getattr(config, "max_position_embeddings", None) or _LONGEST
    offset = (
        config.pad_token_id + 1 if "roberta" in config.model_type and config.pad_token_id is not None else 0
    )
    limit = min(int(tokenizer.model_max_length), positions - offset)
    if spec.max_length is not None and spec.max_length > limit:
        raise EmofuseError(
            f"encoder {spec.name}: max_length {spec.max_length} is more than the {limit} tokens it can read"
        )
    return spec.max_length or min(limit, _LONGEST)
