from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.spectra import mel_filterbank
from emofuse.encoders.voice_cnn import (
    VoiceCnn,
    VoiceCnnConfig,
    VoiceCnnForAudioClassification,
    hidden,
    log_mel,
)
from emofuse.errors import EmofuseError

RATE = 16_000
SMALL = {"bands": 32, "widths": (4, 6, 8, 8), "hidden_size": 16, "heads": 2}


def sound(seconds: float, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(int(seconds * RATE), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> VoiceCnnForAudioClassification:
    torch.manual_seed(0)
    made = VoiceCnnForAudioClassification(VoiceCnnConfig(num_labels=3, **SMALL))
    with torch.no_grad():
        for seed in range(10):  # statistics as after training
            made.train()(torch.stack([sound(0.5, seed), sound(0.5, seed + 50)]))
    return made.eval()


def test_the_usual_network_is_small_and_its_shape_is_checked() -> None:
    made = VoiceCnnForAudioClassification(VoiceCnnConfig(num_labels=8))
    assert 0.3e6 < sum(parameter.numel() for parameter in made.parameters()) < 0.6e6
    with pytest.raises(ValueError, match="four widths"):
        VoiceCnnConfig(widths=(8, 8))


def test_log_mel_is_the_power_of_each_band_in_tens_of_decibels() -> None:
    given = sound(0.1)
    found = log_mel(given[None], 32)[0].numpy()
    frames = [given[at : at + 400].numpy() for at in range(0, 1600 - 399, 160)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = [np.abs(np.fft.rfft(frame * window, 512)) ** 2 / 400**2 for frame in frames]
    literal = np.log10(np.stack(power) @ mel_filterbank(32).T + 1e-10)
    np.testing.assert_allclose(found, literal.T, atol=1e-4)


@torch.no_grad()
def test_padding_and_level_change_nothing(network: VoiceCnnForAudioClassification) -> None:
    short, long = sound(0.43), sound(1.0, 1)
    padded = torch.stack([torch.nn.functional.pad(short, (0, len(long) - len(short))), long])
    mask = torch.zeros(2, len(long), dtype=torch.long)
    mask[0, : len(short)] = mask[1] = 1
    together = network(padded, mask).logits
    assert together.std() > 1e-4
    for row, alone in enumerate((short, long)):
        torch.testing.assert_close(network(alone[None]).logits[0], together[row], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(network(0.3 * alone[None]).logits[0], together[row], rtol=1e-2, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("samples", [300, 400, 1199, 1200, 16_000])
def test_it_says_how_many_steps_a_sound_has(samples: int) -> None:
    model = VoiceCnn(VoiceCnnConfig(**SMALL)).eval()
    state = model(torch.randn(1, samples)).last_hidden_state
    told = int(model._get_feat_extract_output_lengths(torch.tensor([samples]))[0])
    assert state.shape == (1, told, 16)


def test_training_hides_the_share_of_time_that_was_asked_for() -> None:
    torch.manual_seed(0)
    whole = torch.ones(200, 32, 400)
    kept = hidden(whole, torch.full((200,), 400), 0.2)
    lost = (kept == 0).all(dim=1).float().mean()  # every band of a step
    assert 0.13 < lost < 0.22  # stretches overlap
    stripes = (kept == 0).all(dim=2).sum(dim=1)
    assert stripes.max() <= 4
    assert stripes.max() > 0
    assert bool((hidden(whole[:5], torch.full((5,), 400), 0.0).sum(dim=1) >= 28).all())


def test_a_folder_of_it_is_an_encoder_whose_vectors_the_classifier_reads(
    network: VoiceCnnForAudioClassification, tmp_path: Path
) -> None:
    network.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True).save_pretrained(tmp_path)
    encoder = create_encoder(EncoderSpec(modality="audio", name=str(tmp_path)))
    sounds = [sound(0.4).numpy(), sound(0.9, 3).numpy()]
    vectors = torch.from_numpy(np.asarray(encoder.encode(sounds)))
    with torch.no_grad():
        for vector, given in zip(vectors, sounds, strict=True):
            expected = network(torch.from_numpy(given)[None]).logits[0]
            torch.testing.assert_close(network.classifier(vector), expected, rtol=1e-3, atol=1e-4)
    steps = create_encoder(EncoderSpec(modality="audio", name=str(tmp_path), pooling="tokens", rate=5.0))
    assert [len(each) for each in steps.encode(sounds)] == [2, 5]
    assert steps.encode(sounds)[0].shape == (2, 16)


def test_what_has_learnt_nothing_is_no_encoder() -> None:
    with pytest.raises(EmofuseError, match="has learnt nothing yet; train one with `emofuse finetune audio"):
        create_encoder(EncoderSpec(modality="audio", name="voice-cnn"))
