"""The input of a language model of the BERT class: an utterance, alone or in its dialogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from emofuse.encoders.bert_network import BertNetwork
from emofuse.encoders.dialogue_tokens import arrange
from emofuse.encoders.pretrained import Source, guarded
from emofuse.encoders.spec import EncoderSpec
from emofuse.encoders.word_pieces import read_word_pieces
from emofuse.errors import EmofuseError
from emofuse.features.dialogue_context import ContextWindow, TextInContext

_LONGEST = 512


class TextInput(NamedTuple):
    """What the model reads of an utterance; of it, tokens ``first`` to before ``end`` are pooled."""

    tokens: dict[str, list[int]]
    first: int
    end: int


class TextReader:
    """The tokeniser of a model, and which of an utterance's tokens are pooled.

    Args:
        spec: pooling, max_length, context_before, context_after, speaker_names.
        source: of the tokeniser.
        model: that will read the tokens.

    Attributes:
        pooling: ``"cls"``, ``"mean"`` or ``"tokens"``.
        max_length: tokens of an input at most.
        context: the turns read along; None where the utterance is read alone.

    Raises:
        EmofuseError: the tokeniser cannot be had, does not belong to the model, or lacks a token that is needed.
    """

    def __init__(self, spec: EncoderSpec, source: Source, model: Any) -> None:
        self.tokenizer = _tokenizer(source, model)
        _check_tokenizer(spec.name, self.tokenizer, model)
        self.tokenizer.padding_side = "right"  # the first token must stay first
        self.max_length = _max_length(spec, self.tokenizer, model.config)
        self.pooling = spec.pooling or "mean"
        window = ContextWindow(spec.context_before, spec.context_after, spec.speaker_names)
        self.context = None if window == ContextWindow() else window
        if self.context is not None:
            _check_specials(spec.name, self.tokenizer)

    def inputs(self, items: Sequence[str] | Sequence[TextInContext]) -> list[TextInput]:
        """Tokens of each text; of a `TextInContext` each where there is a context."""
        if self.context is None:
            tokenised = self._tokenise(items, truncation=True, max_length=self.max_length)
            return [TextInput(tokens, 0, len(tokens["input_ids"])) for tokens in tokenised]
        return [self._in_context(item) for item in items]  # type: ignore[arg-type]

    def padded(
        self, inputs: Sequence[TextInput], device: Any = None
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """What the model takes by name, (B, T) each, with the tokens that are pooled.

        Returns:
            The tensors, (B, T) bool for the utterances' own tokens, and (B, 1) the place of the first of them.
        """
        batch = {name: [one.tokens[name] for one in inputs] for name in inputs[0].tokens}
        padded = self.tokenizer.pad(batch, padding=True, return_attention_mask=True, return_tensors="pt")
        tensors = {name: tensor.to(device) for name, tensor in padded.items()}
        first, end = (
            torch.tensor(places, device=device)[:, None]
            for places in ([one.first for one in inputs], [one.end for one in inputs])
        )
        place = torch.arange(tensors["input_ids"].shape[1], device=device)
        return tensors, (place >= first) & (place < end), first

    def _in_context(self, item: TextInContext) -> TextInput:
        parts = self._tokenise(
            [" ".join(item.before), item.text, " ".join(item.after)], add_special_tokens=False
        )
        ids, (first, end) = arrange(
            *(part["input_ids"] for part in parts),
            first=self.tokenizer.cls_token_id,
            between=self.tokenizer.sep_token_id,
            longest=self.max_length,
        )
        opened = first == end or self.pooling == "cls"  # an utterance without a token is what opens it
        return TextInput(
            {"input_ids": ids, "attention_mask": [1] * len(ids)}, first - 1 if opened else first, end
        )

    def _tokenise(self, texts: Sequence[Any], **options: Any) -> list[dict[str, list[int]]]:
        if not texts:
            return []
        # Half of a surrogate pair, which JSON lets through, is no text to a tokeniser.
        valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        # A context longer than the model reads is cut later; the warning about it would mislead.
        encoded = self.tokenizer(valid, padding=False, verbose=False, **options)
        names = [name for name in self.tokenizer.model_input_names if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(texts))]


def _tokenizer(source: Source, model: Any) -> Any:
    """The tokeniser by the library that is quicker to import, where that knows it."""
    if isinstance(model, BertNetwork) and source.folder is not None:
        found = read_word_pieces(source.folder)
        if found is not None:
            return found
    from transformers import AutoTokenizer

    return guarded(source, AutoTokenizer.from_pretrained)


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
