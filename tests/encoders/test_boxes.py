import numpy as np
import pytest
import torch

from emofuse.encoders.boxes import keep_best, squared, windows


def overlap_of(a, b, over: str) -> float:
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    common = across * down
    return common / (sum(areas) - common if over == "union" else min(areas))


def slow_keep(boxes, scores, picture_of, overlap, over) -> list[int]:
    """Greedy suppression as it is told: take the best, strike out what overlaps it, and so on."""
    kept = []
    for picture in sorted(set(picture_of.tolist())):
        left = sorted(np.flatnonzero(picture_of == picture).tolist(), key=lambda place: -scores[place])
        while left:
            best = left.pop(0)
            kept.append(best)
            left = [place for place in left if overlap_of(boxes[best], boxes[place], over) <= overlap]
    return kept


@pytest.mark.parametrize("over", ["union", "smaller"])
@pytest.mark.parametrize("overlap", [0.3, 0.7])
@pytest.mark.parametrize("count", [0, 1, 2, 80])
def test_the_best_of_overlapping_boxes_stays(over, overlap, count):
    rng = np.random.default_rng(count)
    corner = rng.uniform(0, 40, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 30, (count, 2))], axis=1).astype(np.float32)
    scores, picture_of = rng.uniform(size=count).astype(np.float32), rng.integers(0, 4, count)
    found = keep_best(boxes, scores, picture_of, overlap, over)
    assert found.tolist() == slow_keep(boxes, scores, picture_of, overlap, over)


def test_boxes_in_different_pictures_do_not_meet():
    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    assert keep_best(boxes, np.array([0.5, 0.9, 0.7], np.float32), np.array([1, 0, 1]), 0.5).tolist() == [
        1,
        2,
    ]


def test_a_square_is_as_large_as_the_longer_side():
    boxes = np.array([[0, 0, 10, 20], [5, 5, 9, 7]], np.float32)
    np.testing.assert_allclose(squared(boxes), [[-5, 0, 15, 20], [5, 4, 9, 8]])
    np.testing.assert_allclose(squared(boxes, 2.0), [[-15, -10, 25, 30], [3, 2, 11, 10]])


@pytest.fixture
def pictures():
    return torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def test_a_window_of_its_own_size_is_cut_out(pictures):
    boxes = np.array([[2, 3, 14, 15], [10, 0, 22, 12], [18, 8, 30, 20]], np.float32)
    picture_of = np.array([0, 0, 2])
    found = windows(pictures, boxes, picture_of, 12)
    for place, (x, y) in enumerate([(2, 3), (10, 0), (18, 8)]):
        expected = pictures[picture_of[place], :, y : y + 12, x : x + 12]
        torch.testing.assert_close(found[place], expected, atol=1e-5, rtol=0)


def test_beyond_the_edges_there_are_zeros(pictures):
    found = windows(pictures, np.array([[-6, -6, 6, 6]], np.float32), np.array([1]), 12)[0]
    torch.testing.assert_close(found[:, 6:, 6:], pictures[1, :, :6, :6], atol=1e-5, rtol=0)
    assert found[:, :6].abs().max() < 1e-5
    assert found[:, :, :6].abs().max() < 1e-5


def test_other_sizes_are_sampled_between_the_pixels():
    ramp = torch.arange(30.0).expand(1, 3, 20, 30).clone()
    found = windows(ramp, np.array([[4, 2, 13, 11]], np.float32), np.array([0]), 17)[0]
    torch.testing.assert_close(found[0, 0], torch.linspace(4, 12, 17), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[0], found[0, :1].expand(17, 17), atol=1e-4, rtol=0)


def test_no_boxes_give_no_windows(pictures):
    assert windows(pictures, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 24).shape == (0, 3, 24, 24)
