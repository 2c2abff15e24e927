"""Streaming equals the batch form, and its memory does not grow."""

import pytest
import torch

from emofuse.errors import EmofuseError
from emofuse.models import MFCRE
from tests.models.test_mfcre import SIZES, dialogues, make
from tests.nn.tensor_sizes import largest_tensor


def causal(**options) -> MFCRE:
    torch.manual_seed(0)
    return make(torch.float32, **{"context": "causal", "window": 8, **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reasoning_steps": 3, "encoder_layers": 2, "multi_attn_layers": 3, "kernel_size": 5},
        {"window": 1},
        {"dialogue_crn": False},
        {"simam": False},
        {"modality_encoder": False},
        {"multi_attn": False},
        {"modalities": ("text",)},
        {"context": "none"},
    ],
    ids=str,
)
def test_a_stream_equals_the_batch_form(options):
    model = causal(**options).double()
    x = dialogues(2, 24, modalities=model.config.modalities)
    present = {m: torch.rand(2, 24) > 0.3 for m in model.config.modalities}
    whole = model(**x, present=present)
    stream = model.stream()
    for i in range(24):
        step = stream.step(
            **{m: v[:, i] for m, v in x.items()}, present={m: p[:, i] for m, p in present.items()}
        )
        torch.testing.assert_close(step.logits, whole.logits[:, i])
        torch.testing.assert_close(step.fused, whole.fused[:, i])
        for m, f in step.features.items():
            torch.testing.assert_close(f, whole.features[m][:, i])


def test_a_hundred_steps_in_single_precision():
    model = causal()
    x = dialogues(1, 100, dtype=torch.float32)
    stream = model.stream()
    steps = [stream.step(**{m: v[:, i] for m, v in x.items()}).logits for i in range(100)]
    torch.testing.assert_close(torch.stack(steps, dim=1), model(**x).logits, rtol=0, atol=1e-5)


def test_neither_memory_nor_work_grows_with_the_past():
    stream = causal().stream()
    states, work = [], []
    for _ in range(20):
        x = {m: v[:, 0] for m, v in dialogues(1, 1, dtype=torch.float32).items()}
        work.append(largest_tensor(lambda x=x: stream.step(**x)))
        states.append(stream.state_size)
    assert len(set(states[8:])) == 1
    assert len(set(work[8:])) == 1
    assert states[0] < states[8]


def test_a_new_conversation_begins_with_nothing():
    stream = causal().stream()
    x = {m: v[:, 0] for m, v in dialogues(1, 1, dtype=torch.float32).items()}
    first = stream.step(**x).logits
    assert not torch.equal(stream.step(**x).logits, first)
    stream.reset()
    assert stream.state_size == 0
    assert torch.equal(stream.step(**x).logits, first)


def test_a_long_dialogue_in_pieces_equals_the_whole():
    from emofuse.nn import StreamMemory

    model = causal()
    x = dialogues(1, 300, dtype=torch.float32)
    memory = StreamMemory()
    pieces = [
        model(**{m: v[:, a : a + 70] for m, v in x.items()}, memory=memory).logits for a in range(0, 300, 70)
    ]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(**x).logits, rtol=0, atol=1e-5)


def test_a_missing_modality_in_a_stream():
    model = causal()
    x = dialogues(1, 5, dtype=torch.float32)
    here = {"video": torch.zeros(1, 5, dtype=torch.bool)}
    whole = model(**x, present=here).logits
    stream = model.stream()
    for i in range(5):
        step = stream.step(text=x["text"][:, i], audio=x["audio"][:, i])
        torch.testing.assert_close(step.logits, whole[:, i], rtol=0, atol=1e-5)
        assert not step.present["video"].any()


@pytest.mark.parametrize(
    ("options", "what"),
    [({"context": "bidirectional"}, "looks ahead"), ({"window": None}, "window")],
    ids=str,
)
def test_what_cannot_stream_says_so(options, what):
    with pytest.raises(EmofuseError, match=what):
        causal(**options).stream()


def test_a_model_in_training_does_not_stream():
    with pytest.raises(EmofuseError, match="eval"):
        causal().train().stream()


def test_the_names_of_the_modalities_are_all_there():
    assert set(causal().config.modalities) == set(SIZES)
