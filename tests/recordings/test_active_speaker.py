"""Light-ASD and LR-ASD on random weights: the numbers of the authors' code for them, and files that are neither."""

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emofuse.errors import EmofuseError
from emofuse.recordings.active_speaker import ActiveSpeaker, mouth_crops
from emofuse.recordings.active_speaker_network import ActiveSpeakerNetwork
from emofuse.recordings.mfcc import mfcc
from emofuse.recordings.seen_speaking import choose_by_network

KINDS = ("Light-ASD", "LR-ASD")
PARAMETERS = {"Light-ASD": 1.02, "LR-ASD": 0.84}  # millions, as their papers say
# Of the authors' published modules, filled as `filled` says and given the waves of the test.
EXPECTED = {"Light-ASD": [0.0023619, 0.0032608], "LR-ASD": [0.0673504, 0.0667568]}
A, B = (10.0, 10.0, 40.0, 40.0), (60.0, 10.0, 90.0, 40.0)


def filled(kind: str) -> ActiveSpeakerNetwork:
    """A network whose every number is drawn by a rule that is written down, so that any code can draw it again."""
    network = ActiveSpeakerNetwork(kind)
    state = network.state_dict()
    for name in sorted(state):
        value = state[name]
        if value.is_floating_point():
            wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 1.7 + len(name))
            scale = 1.5 / math.sqrt(max(1, value[0].numel() if value.ndim > 1 else 1))
            drawn = wave.abs() + 0.5 if name.endswith(("running_var", "bn.weight")) else wave * scale
            value.copy_(drawn.reshape(value.shape))
    return network.eval()


def published(network: ActiveSpeakerNetwork) -> dict[str, torch.Tensor]:
    """As the authors' files are: with a second head that only training needs, written by data parallelism."""
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    return state | {"module.lossV.FC.weight": torch.zeros(2, 128), "module.lossV.FC.bias": torch.zeros(2)}


def test_coefficients_are_those_of_the_package() -> None:
    """Of python_speech_features 0.6, for frames 0 and 2 of a rising tone of 16-bit integers."""
    time = np.arange(880) / 16_000
    tone = np.round(8000 * np.sin(2 * np.pi * 440 * time * (1 + time))).astype(np.int16)
    found = mfcc((tone / 32768).astype(np.float32))
    assert found.shape == (4, 13)
    expected = [19.2004, 22.7518, 5.1037, -12.149, -25.401, -30.191, -23.485, -9.8888, 5.857, 17.0215]
    np.testing.assert_allclose(found[2], [*expected, 20.9633, 16.1188, 6.5747], atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_says_what_the_authors_code_says(kind: str) -> None:
    network = filled(kind)
    size = sum(weight.numel() for weight in network.model.parameters()) / 1e6
    assert round(size, 2) == PARAMETERS[kind]
    step = torch.arange(8 * 13, dtype=torch.float32).reshape(1, 8, 13)
    place = torch.arange(2 * 112 * 112, dtype=torch.float32).reshape(1, 2, 112, 112)
    with torch.inference_mode():
        found = network(8 * torch.sin(step / 5), 127 + 120 * torch.sin(place / 900))
    np.testing.assert_allclose(found[0], EXPECTED[kind], atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["published.model", "mine.safetensors", "folder"])
def test_weights_are_read_from_any_form(kind: str, form: str, tmp_path: Path) -> None:
    network = filled(kind)
    place = tmp_path / form
    if form == "folder":
        place.mkdir()
        torch.save(network.state_dict(), place / "weights.pt")
    elif form.endswith(".model"):
        torch.save(published(network), place)
    else:
        save_file(network.state_dict(), place)
    read = ActiveSpeaker(place)
    assert read.kind == kind
    for name, value in network.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(value, read._network.state_dict()[name])


def test_files_that_are_neither_are_named(tmp_path: Path) -> None:
    state = filled("LR-ASD").state_dict()
    wrong = {**state, "model.fusion.attention.weight": torch.zeros(3, 3, 1)}
    short = {name: value for name, value in state.items() if name != "lossAV.FC.bias"}
    for content, why in (
        (wrong, r"is not LR-ASD: model\.fusion\.attention\.weight is \(3, 3, 1\), not \(256, 256, 1\)"),
        (short, r"lossAV\.FC\.bias is missing"),
        ({"a": torch.zeros(2)}, "neither Light-ASD nor LR-ASD"),
        ({**state, "lossAV.FC.bias": torch.full((2,), torch.nan)}, "not finite"),
        ([1, 2], "holds no state_dict"),
        ({"model": Path("x")}, "cannot be read as weights"),
    ):
        torch.save(content, tmp_path / "some.pt")
        with pytest.raises(EmofuseError, match=rf"some\.pt: .*{why}"):
            ActiveSpeaker(tmp_path / "some.pt")
    (tmp_path / "some.pt").write_bytes(b"no weights")
    with pytest.raises(EmofuseError, match="no file of torch"):
        ActiveSpeaker(tmp_path / "some.pt")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(65 << 20))
    with pytest.raises(EmofuseError, match="unpacks to more"):
        ActiveSpeaker(tmp_path / "bomb.pt")
    with pytest.raises(EmofuseError, match=r"holds not one file of weights .* but bomb\.pt, some\.pt"):
        ActiveSpeaker(tmp_path)
    with pytest.raises(EmofuseError, match="cannot be read"):
        ActiveSpeaker(tmp_path / "none.pt")


def test_crops_show_the_mouth_and_what_lies_beyond_the_picture_is_grey() -> None:
    pictures = np.full((3, 80, 120, 3), 200, np.uint8)
    pictures[:, 60:, :] = 20
    boxes = np.tile([20.0, 20.0, 60.0, 60.0], (3, 1))
    crops = mouth_crops(pictures, boxes)
    assert crops.shape == (3, 112, 112)
    # The square goes from y = 34 to 62: what is below 60 takes its last part of a fourteenth.
    assert crops[0, 100, 56] == 200
    assert crops[0, -3, 56] < 80
    beyond = mouth_crops(pictures, boxes - [30, 0, 30, 0])
    assert beyond[0, 20, 3] == 110
    assert beyond[0, 20, -3] == 200


class Loudest:
    """Stands for a network: says of a face how bright it is, of 255, and writes down what it was asked."""

    rate = 25.0

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, int]] = []

    def score(self, pictures: np.ndarray, boxes: np.ndarray, samples: np.ndarray) -> float:
        self.asked.append((len(pictures), len(boxes), len(samples)))
        left, top, right, bottom = boxes[0].astype(int)
        return float(pictures[0, top:bottom, left:right].mean()) / 255


def test_the_face_that_the_network_believes_in_speaks_and_the_other_listens() -> None:
    pictures = np.zeros((25, 50, 100, 3), np.uint8)
    pictures[:, 10:40, 10:40], pictures[:, 10:40, 60:90] = 100, 200
    found = [np.array([A, B], np.float32) for _ in range(9)]
    found[0] = found[0][:1]  # B comes into the picture with the second look
    network = Loudest()
    seen = choose_by_network(pictures, found, np.zeros(16_000, np.float32), network)
    assert seen is not None
    assert seen.face == pytest.approx((0.6, 0.2, 0.9, 0.8))
    assert seen.listeners == (pytest.approx((0.1, 0.2, 0.4, 0.8)),)
    assert seen.margin == pytest.approx(0.5)
    assert network.asked == [(25, 25, 16_000), (22, 22, 16_000 - 3 * 640)]
    assert choose_by_network(pictures // 2, found, np.zeros(16_000, np.float32), network) is None
