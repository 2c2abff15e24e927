import numpy as np
import pytest
import torch

from emofuse.training.finetuning.face_augmentation import FaceAugmentation

NOTHING = FaceAugmentation(
    zoom=1.0, shift=0, rotation=0, shear=0, gamma=0, shade=0, contrast=0, blurred=0, noise=0, erased=0
)
FACES = torch.rand(40, 3, 24, 32, generator=torch.Generator().manual_seed(1))


def changed(changes: FaceAugmentation, faces: torch.Tensor = FACES, seed: int = 0) -> torch.Tensor:
    found = changes(faces, (24, 32), torch.Generator().manual_seed(seed))
    assert found.shape == faces.shape
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    return found


def test_without_changes_faces_are_mirrored_at_most() -> None:
    found = changed(NOTHING)
    mirrored = [
        bool(torch.allclose(one, face.flip(2), atol=2e-3)) for one, face in zip(found, FACES, strict=True)
    ]
    same = [bool(torch.allclose(one, face, atol=2e-3)) for one, face in zip(found, FACES, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30


def test_strength_nought_changes_as_little() -> None:
    torch.testing.assert_close(changed(FaceAugmentation().times(0.0)), changed(NOTHING))


def test_draws_depend_on_the_seed_alone() -> None:
    all_changes = FaceAugmentation()
    torch.testing.assert_close(changed(all_changes, seed=3), changed(all_changes, seed=3))
    assert not torch.allclose(changed(all_changes, seed=3), changed(all_changes, seed=4))


def centres(changes: FaceAugmentation) -> np.ndarray:
    """Where a bright spot that stood at the middle, a quarter of the height up, goes: (40, 2) shares of the side."""
    spot = torch.zeros(40, 1, 32, 32)
    spot[:, :, 6:10, 14:18] = 1.0
    found = (changes(spot, (32, 32), torch.Generator().manual_seed(0))[:, 0] - 0.01).clamp(min=0)
    at = (torch.arange(32) + 0.5) / 32
    mass = found.sum(dim=(1, 2))
    down, across = (found.sum(dim=2) @ at) / mass, (found.sum(dim=1) @ at) / mass
    return torch.stack([down, across], 1).numpy()


def test_shifts_turns_and_zooms_stay_within_their_bounds() -> None:
    still = np.array([0.25, 0.5])
    shifted = centres(FaceAugmentation(**{**vars(NOTHING), "shift": 0.1})) - still
    assert 0.07 < np.abs(shifted).max() < 0.105
    zoomed = 0.5 - centres(FaceAugmentation(**{**vars(NOTHING), "zoom": 1.5}))[:, 0]
    assert 0.25 / 1.8 < zoomed.min() < 0.2
    assert 0.3 < zoomed.max() < 0.25 * 1.8
    turned = centres(FaceAugmentation(**{**vars(NOTHING), "rotation": 30.0})) - 0.5
    np.testing.assert_allclose(np.hypot(*turned.T), 0.25, atol=0.01)
    angles = np.degrees(np.arctan2(turned[:, 1], -turned[:, 0]))
    assert 22 < np.abs(angles).max() < 31


@pytest.mark.parametrize(("name", "value"), [("blurred", 0.5), ("erased", 0.5)])
def test_a_share_of_the_faces_is_blurred_or_loses_a_part(name: str, value: float) -> None:
    found = changed(FaceAugmentation(**{**vars(NOTHING), name: value}))
    plain = changed(NOTHING)
    touched = sum(not torch.equal(one, face) for one, face in zip(found, plain, strict=True))
    # The draws for what moves come first, and are the same.
    assert 10 <= touched <= 30


def test_light_changes_no_place() -> None:
    spot = torch.zeros(40, 1, 24, 32)
    spot[:, :, 6:12, 14:18] = 0.8
    light = FaceAugmentation(**{**vars(NOTHING), "gamma": 0.4, "shade": 0.3, "contrast": 0.4})
    found = changed(light, spot)
    assert bool((found[:, 0, 7:11, 15:17].mean(dim=(1, 2)) > 3 * found[:, 0, 20:].mean(dim=(1, 2))).all())
    assert float(found[:, 0, 8, 15].std()) > 0.05
