"""Functionals: what a course over time of any length comes down to, in a fixed set of numbers.

Every function gives name → number, with the same names for every input, and finite numbers for an empty
course, one frame, or a constant.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emofuse.encoders.courses import cosine_terms, count_peaks

FRAMES_PER_SECOND = 100.0
CONTOUR_POINTS = 64
CONTOUR_COEFFICIENTS = 6
# Vibrato and tremor of the voice, and the rate of syllables, lie between 1 and 16 Hz.
MODULATION_BANDS = ((1.0, 3.0), (3.0, 5.0), (5.0, 8.0), (8.0, 12.0), (12.0, 16.0))
_PEAK_PROMINENCE_DB = 3.0
_FEWEST_FOR_SLOPE = 5
_FLAT = 0.1  # dB or semitones: not to be heard, so it has no peak either


def distribution(courses: Mapping[str, np.ndarray], selected: np.ndarray) -> dict[str, float]:
    """Nine functionals of each of K courses.

    Args:
        courses: name → (N,), one value per 10 ms.
        selected: (N,) bool, the frames that count.

    Returns:
        For each course ``mean``, ``sd``, ``p10``, ``p50``, ``p90``, ``range`` (p90 − p10), ``slope`` (per
        second, least squares), ``change`` (mean absolute difference of neighbouring frames) and
        ``change_sd``.
    """
    values = np.stack(list(courses.values()), axis=1)
    table = _distribution(values, selected)
    return {
        f"{name}_{functional}": float(row[column])
        for column, name in enumerate(courses)
        for functional, row in table.items()
    }


def _distribution(values: np.ndarray, selected: np.ndarray) -> dict[str, np.ndarray]:
    chosen = values[selected]
    nothing = np.zeros((1, values.shape[1]))
    neighbours = selected[1:] & selected[:-1]
    changes = np.diff(values, axis=0)[neighbours]
    if len(changes) == 0:
        changes = nothing
    times = np.flatnonzero(selected) / FRAMES_PER_SECOND
    if len(chosen) == 0:
        chosen, times = nothing, np.zeros(1)
    low, middle, high = np.percentile(chosen, [10, 50, 90], axis=0)
    return {
        "mean": chosen.mean(axis=0),
        "sd": chosen.std(axis=0),
        "p10": low,
        "p50": middle,
        "p90": high,
        "range": high - low,
        "slope": slope(times, chosen),
        "change": np.abs(changes).mean(axis=0),
        "change_sd": changes.std(axis=0),
    }


def slope(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Least-squares slope of each column of (N, K) over (N,) times; 0 for fewer than five values.

    A slope per second that rests on a few hundredths of a second would dwarf all others.
    """
    if len(times) < _FEWEST_FOR_SLOPE:
        return np.zeros(values.shape[1])
    centred = times - times.mean()
    return centred @ values / float((centred**2).sum())


def contour(prefix: str, course: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """The shape of a course, whatever its length.

    It is interpolated over gaps between the first and the last known frame onto 64 points. A rise, a
    fall, a peak and a ripple each have a coefficient of their own.

    Args:
        prefix: begins every name.
        course: (N,).
        known: (N,) bool, frames where ``course`` means something.

    Returns:
        ``dct1`` … ``dct6`` (amplitudes of the cosine terms, in the unit of the course), ``rise_first``
        and ``rise_second`` (change over each half by least squares), ``ending`` (mean of the last fifth
        minus the rest), ``peak_at`` and ``trough_at`` (0 = start, 1 = end).
    """
    points = _resampled(course, known)
    cosines = points @ cosine_terms(CONTOUR_POINTS, CONTOUR_COEFFICIENTS + 1) * np.sqrt(2.0 / CONTOUR_POINTS)
    half, fifth = CONTOUR_POINTS // 2, CONTOUR_POINTS // 5
    moment = np.linspace(0.0, 1.0, half)
    ups_and_downs = np.ptp(points) > _FLAT
    shape = {f"dct{number}": float(cosines[number]) for number in range(1, CONTOUR_COEFFICIENTS + 1)}
    shape |= {
        "rise_first": float(slope(moment, points[:half, None])[0]),
        "rise_second": float(slope(moment, points[half:, None])[0]),
        "ending": float(points[-fifth:].mean() - points[:-fifth].mean()),
        "peak_at": points.argmax() / (CONTOUR_POINTS - 1) if ups_and_downs else 0.5,
        "trough_at": points.argmin() / (CONTOUR_POINTS - 1) if ups_and_downs else 0.5,
    }
    return {f"{prefix}_{name}": float(value) for name, value in shape.items()}


def _resampled(course: np.ndarray, known: np.ndarray) -> np.ndarray:
    where = np.flatnonzero(known)
    if len(where) == 0:
        return np.zeros(CONTOUR_POINTS)
    return np.interp(np.linspace(where[0], where[-1], CONTOUR_POINTS), where, course[where])


def modulation(prefix: str, course: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """How strongly a course trembles, per band of modulation frequency.

    Args:
        prefix: begins every name.
        course: (N,), one value per 10 ms.
        known: (N,) bool; gaps are interpolated.

    Returns:
        ``modulation_1_3hz`` …: root mean square of the part of the course in that band, in its unit,
        after its line of best fit is taken out.
    """
    where = np.flatnonzero(known)
    names = [f"{prefix}_modulation_{low:g}_{high:g}hz" for low, high in MODULATION_BANDS]
    if len(where) < 3:
        return dict.fromkeys(names, 0.0)
    frames = np.arange(where[0], where[-1] + 1, dtype=np.float64)
    track = np.interp(frames, where, course[where])
    track = track - track.mean() - (frames - frames.mean()) * slope(frames, track[:, None])[0]
    window = np.hanning(len(track) + 2)[1:-1]
    power = np.abs(np.fft.rfft(track * window)) ** 2
    frequency = np.fft.rfftfreq(len(track), 1.0 / FRAMES_PER_SECOND)
    scale = 2.0 / (len(track) * float((window**2).sum()))
    return {
        name: float(np.sqrt(scale * power[(frequency >= low) & (frequency < high)].sum()))
        for name, (low, high) in zip(names, MODULATION_BANDS, strict=True)
    }


def rhythm(voiced: np.ndarray, active: np.ndarray, energy: np.ndarray) -> dict[str, float]:
    """Tempo and pauses.

    Args:
        voiced, active: (N,) bool per 10 ms.
        energy: (N,) dB.

    Returns:
        Duration (log s), shares of voiced frames and of pauses, voiced segments and energy peaks
        (a stand-in for syllables) per second of activity, durations of voiced segments and pauses in s.
    """
    begin, end = _span(active)
    segments = run_lengths(voiced) / FRAMES_PER_SECOND
    pauses = run_lengths(~active[begin:end]) / FRAMES_PER_SECOND
    seconds = max((end - begin) / FRAMES_PER_SECOND, 0.1)  # a click is not a hundred syllables per second
    smooth = np.convolve(energy, np.full(5, 0.2), mode="same")
    peaks = count_peaks(smooth[begin:end], _PEAK_PROMINENCE_DB)
    return {
        "rhythm_log_duration": float(np.log(len(active) / FRAMES_PER_SECOND)),
        "rhythm_voiced_share": float(voiced.mean()),
        "rhythm_pause_share": float((~active[begin:end]).mean()) if end > begin else 1.0,
        "rhythm_voiced_segments_per_second": len(segments) / seconds,
        "rhythm_energy_peaks_per_second": peaks / seconds,
        "rhythm_voiced_segment_mean": float(segments.mean()) if len(segments) else 0.0,
        "rhythm_voiced_segment_sd": float(segments.std()) if len(segments) else 0.0,
        "rhythm_pauses_per_second": len(pauses) / seconds,
        "rhythm_pause_mean": float(pauses.mean()) if len(pauses) else 0.0,
    }


def run_lengths(flags: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True in (N,) bool."""
    steps = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return (np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)).astype(np.float64)


def _span(flags: np.ndarray) -> tuple[int, int]:
    where = np.flatnonzero(flags)
    return (int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0)
