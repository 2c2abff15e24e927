import numpy as np
import pytest

from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.training.finetuning.augmentation import augment
from emofuse.training.finetuning.batches import InOrder, LengthBuckets

LENGTHS = np.random.default_rng(0).integers(1, 60, 103)


def draws(epoch: int, **options: int) -> list[tuple[int, ...]]:
    buckets = LengthBuckets(LENGTHS, 8, seed=3, **options)
    buckets.begin_epoch(epoch)
    found = list(buckets)
    assert len(found) == len(buckets)
    assert all(draw.epoch == epoch for draw in found)
    return [draw.rows for draw in found]


def test_every_row_comes_once_in_an_epoch_in_an_order_of_its_own() -> None:
    first, second = draws(0), draws(1)
    for found in (first, second):
        assert sorted(row for rows in found for row in rows) == list(range(103))
    assert first == draws(0)
    assert first != second


def test_batches_hold_rows_of_like_length() -> None:
    padded = sum(len(rows) * LENGTHS[list(rows)].max() for rows in draws(0))
    assert padded < 1.15 * LENGTHS.sum()


def test_epochs_of_a_given_size_go_through_the_rows_in_turn() -> None:
    parts = [[row for rows in draws(epoch, epoch_size=40) for row in rows] for epoch in range(6)]
    for begin in (0, 3):
        one_pass = [row for part in parts[begin : begin + 3] for row in part]
        assert len(one_pass) == len(set(one_pass)) == 102
    assert set(parts[0]) != set(parts[3])
    assert draws(0, epoch_size=10_000) == draws(0)


def test_judged_rows_come_from_the_longest_to_the_shortest() -> None:
    rows = [row for draw in InOrder(LENGTHS, 8) for row in draw.rows]
    assert sorted(rows) == list(range(103))
    assert (np.diff(LENGTHS[rows]) <= 0).all()


SOUND = np.sin(np.arange(16_000) / 7).astype(np.float32)


def augmented(seed: int = 0, sound: np.ndarray = SOUND, **settings: float) -> np.ndarray:
    found = augment(sound, FineTuneSettings(**settings), np.random.default_rng(seed))
    assert found.dtype == np.float32
    assert len(found) == len(sound)
    return found


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    np.testing.assert_array_equal(augmented(), SOUND)


def test_a_shift_moves_the_sound_and_leaves_silence() -> None:
    for seed in range(6):
        found = augmented(seed, time_shift=0.1)
        lag = int(np.correlate(found, SOUND, mode="full").argmax()) - len(SOUND) + 1
        assert 0 < abs(lag) <= 1600
        moved = found[lag:] if lag > 0 else found[:lag]
        np.testing.assert_array_equal(moved, SOUND[:-lag] if lag > 0 else SOUND[-lag:])
        np.testing.assert_array_equal(found[:lag] if lag > 0 else found[lag:], 0)


def test_gain_stays_within_its_decibels() -> None:
    factors = [float(augmented(seed, gain=6.0)[100] / SOUND[100]) for seed in range(20)]
    assert max(factors) > 1.2 > 0.8 > min(factors)
    assert all(10 ** (-6 / 20) <= factor <= 10 ** (6 / 20) for factor in factors)


def test_noise_is_as_loud_as_asked_for_and_spares_half_of_the_sounds() -> None:
    ratios = []
    for seed in range(40):
        noise = augmented(seed, noise_snr=10.0) - SOUND
        if noise.any():
            ratios.append(10 * np.log10(np.square(SOUND).mean() / np.square(noise).mean()))
    assert 10 < len(ratios) < 30
    assert min(ratios) == pytest.approx(10, abs=5)
    assert all(9.5 <= ratio <= 30.5 for ratio in ratios)


@pytest.mark.parametrize("sound", [np.zeros(0, np.float32), np.zeros(5, np.float32)])
def test_silence_and_nothing_at_all_survive(sound: np.ndarray) -> None:
    found = augmented(1, sound, noise_snr=5.0, gain=3.0, time_shift=2.0)
    np.testing.assert_array_equal(found, sound)
