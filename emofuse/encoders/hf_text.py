"""Words through a pretrained language model of the BERT/RoBERTa/MiniLM class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer

from emofuse.encoders.dialogue_tokens import arrange
from emofuse.encoders.pretrained import folder_revision, guarded, load_model, locate
from emofuse.encoders.spec import EncoderSpec
from emofuse.errors import EmofuseError
from emofuse.features.dialogue_context import ContextWindow, TextInContext
from emofuse.features.identity import EncoderIdentity, InputNeeds

KIND = "hf-text"
_LONGEST = 512


class _Input(NamedTuple):
    """What the model reads of an utterance; of it, tokens ``first`` to before ``end`` are pooled."""

    tokens: dict[str, list[int]]
    first: int
    end: int


class HFTextEncoder:
    """Last hidden states of a pretrained encoder, pooled.

    Pooling ``"cls"`` takes the state of the first token, ``"mean"`` the mean over the tokens (those that
    the tokeniser adds included, as sentence encoders do), ``"tokens"`` all of them. Texts of like length
    share a batch; padding is masked and changes nothing.

    With ``context_before``, ``context_after`` or ``speaker_names`` the model reads the utterance in its
    dialogue, and its own tokens alone are pooled (its speaker's name is one of them): ``"mean"`` and
    ``"tokens"`` without special tokens, ``"cls"`` the special token that opens the utterance.
    :mod:`emofuse.encoders.dialogue_tokens` says how the input is laid out.

    Args:
        spec: name, revision, pooling, max_length, batch_size, context_before, context_after, speaker_names.
        device: where the model runs.
        dtype: precision of its weights; features are float32 either way.

    Raises:
        EmofuseError: the model cannot be had, or is not a text encoder.
    """

    def __init__(
        self, spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self._made_of = (spec, device, dtype)
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
        window = ContextWindow(spec.context_before, spec.context_after, spec.speaker_names)
        self.needs = InputNeeds(context=None if window == ContextWindow() else window)
        if self.needs.context:
            _check_specials(spec.name, self._tokenizer)
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
            sampling={
                "max_length": self._max_length,
                "dtype": str(dtype).removeprefix("torch."),
                **(_context_settings(spec) if self.needs.context else {}),
            },
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process loads the model itself; to send it its weights would take as long and twice the room.
        return type(self), self._made_of

    def encode(self, items: Sequence[str] | Sequence[TextInContext]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32 for B texts; with pooling ``"tokens"`` a list of (T, dim)."""
        inputs = self._inputs(items)
        pooled = [
            np.zeros((0, self.dim) if self._pooling == "tokens" else self.dim, np.float32) for _ in inputs
        ]
        # A text may have no token at all where the tokeniser adds none; its features are zero.
        lengths = [len(one.tokens["input_ids"]) for one in inputs]
        order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
        for begin in range(0, len(order), self._batch_size):
            rows = order[begin : begin + self._batch_size]
            for row, features in zip(rows, self._forward([inputs[row] for row in rows]), strict=True):
                pooled[row] = features
        return pooled if self._pooling == "tokens" else np.array(pooled, np.float32).reshape(-1, self.dim)

    def _inputs(self, items: Sequence[Any]) -> list[_Input]:
        if self.needs.context is None:
            tokenised = self._tokenise(items, truncation=True, max_length=self._max_length)
            return [_Input(tokens, 0, len(tokens["input_ids"])) for tokens in tokenised]
        return [self._in_context(item) for item in items]

    def _in_context(self, item: TextInContext) -> _Input:
        parts = self._tokenise(
            [" ".join(item.before), item.text, " ".join(item.after)], add_special_tokens=False
        )
        ids, (first, end) = arrange(
            *(part["input_ids"] for part in parts),
            first=self._tokenizer.cls_token_id,
            between=self._tokenizer.sep_token_id,
            longest=self._max_length,
        )
        opened = first == end or self._pooling == "cls"  # an utterance without a token is what opens it
        return _Input(
            {"input_ids": ids, "attention_mask": [1] * len(ids)}, first - 1 if opened else first, end
        )

    def _tokenise(self, texts: Sequence[str], **options: Any) -> list[dict[str, list[int]]]:
        if not texts:
            return []
        # Half of a surrogate pair, which JSON lets through, is no text to a tokeniser.
        whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        # A context longer than the model reads is cut later; the warning about it would mislead.
        encoded = self._tokenizer(whole, padding=False, verbose=False, **options)
        names = [name for name in self._tokenizer.model_input_names if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(texts))]

    @torch.inference_mode()
    def _forward(self, inputs: list[_Input]) -> list[np.ndarray]:
        batch = {name: [one.tokens[name] for one in inputs] for name in inputs[0].tokens}
        padded = self._tokenizer.pad(batch, padding=True, return_attention_mask=True, return_tensors="pt")
        tensors = {name: tensor.to(self._model.device) for name, tensor in padded.items()}
        states = self._model(**tensors).last_hidden_state.float()
        first, end = (
            torch.tensor(places, device=states.device)[:, None]
            for places in ([one.first for one in inputs], [one.end for one in inputs])
        )
        place = torch.arange(states.shape[1], device=states.device)
        return self._pool(states, (place >= first) & (place < end), first)

    def _pool(self, states: Tensor, own: Tensor, first: Tensor) -> list[np.ndarray]:
        """Features of each row of (B, T, dim) states, of which (B, T) are the utterance's own."""
        if self._pooling == "tokens":
            return [row[kept].cpu().numpy() for row, kept in zip(states, own, strict=True)]
        if self._pooling == "cls":
            return list(states.take_along_dim(first[..., None], dim=1)[:, 0].cpu().numpy())
        weights = own.unsqueeze(-1).float()
        return list(((states * weights).sum(dim=1) / weights.sum(dim=1)).cpu().numpy())


def _context_settings(spec: EncoderSpec) -> dict[str, str | int | float]:
    return {
        "context_before": spec.context_before,
        "context_after": spec.context_after,
        "speaker_names": int(spec.speaker_names),
    }


def _check_specials(name: str, tokenizer: Any) -> None:
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise EmofuseError(
            f"encoder {name}: its tokeniser has no CLS or no SEP token, which keep an utterance apart from its "
            "context; name a BERT-like encoder, or leave out the context"
        )


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
