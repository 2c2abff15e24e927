"""The whole way in a few minutes: a synthetic corpus, five trainings, one report, one prediction.

The main run is DeepMSI-MER with three modalities, judged on speakers that it has not met. Beside it stand
the same system with one modality each, and the same system judged on a random split of the utterances,
which flatters. Each is pooled with a linear model on the same features, which stands beside it in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from emofuse.corpora.demo import Scenario, ceilings, generate_clip, generate_demo_corpus
from emofuse.data import MODALITIES, Modality
from emofuse.data.manifest import Manifest
from emofuse.data.media import probe
from emofuse.evaluation.reporting.figures import TimelineSegment, draw_timeline, save_figure
from emofuse.inference.evaluate import evaluate_fit
from emofuse.inference.outcome import Outcome
from emofuse.inference.reporting.run_report import bar_of, comparison_row, write_run_report
from emofuse.pipeline import EmotionPipeline, EmotionSegment
from emofuse.runs.corpus import Progress
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run

MAIN = "all"  # the run with three modalities


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes:
        outcome: of the main run.
        report: its page.
        clip: a new clip, of a speaker who is not in the corpus.
        truth: the emotion that it was drawn with.
        segment: what the main run says of it.
        timeline: picture of the run's predictions over one test dialogue.
    """

    outcome: Outcome
    report: Path
    clip: Path
    truth: str
    segment: EmotionSegment
    timeline: Path


def run_demo(
    folder: Path,
    settings: RunSettings,
    *,
    clips: int = 1200,
    seed: int = 0,
    workers: int = 2,
    open_progress: Callable[[], AbstractContextManager[Progress]],
    say: Callable[[str], None] = lambda line: None,
) -> DemoResult:
    """Make, train, judge, report, predict; what an earlier, interrupted demo finished is kept.

    Args:
        folder: holds everything that is made.
        settings: the recipe of the main run.
        clips: utterances of the corpus.
        seed: of the corpus.
        workers: processes that draw it.
        open_progress: gives a progress hook for one stage.
        say: called with one line per stage.
    """
    say(f"1/4  drawing {clips} synthetic clips")
    with open_progress() as progress:
        corpus = generate_demo_corpus(
            folder / "corpus", clips=clips, seed=seed, workers=workers, progress=progress
        )
    places = {"data.manifest": folder / "corpus" / "manifest.csv", "data.frame_cache": folder / "frames"}
    # On a corpus of this size a system and a linear model together are better than either (docs/linear-pool.md).
    changes = {"linear_pool": True, **{name: str(path.resolve()) for name, path in places.items()}}
    settings = settings.with_changes(changes)

    say("2/4  training DeepMSI-MER and what to compare it with")
    outcomes = {}
    for name, changes in _runs().items():
        with open_progress() as progress:
            outcomes[name] = _run(settings.with_changes(changes), corpus, folder / "runs" / name, progress)
        say(f"     {name:13} weighted F1 {100 * outcomes[name].test.weighted_f1:.1f}")

    say("3/4  writing the report")
    main = outcomes[MAIN]
    report = _write_report(outcomes, corpus)
    pipe = EmotionPipeline.from_pretrained(main.folder.path, device="cpu")
    timeline = _draw_dialogue(pipe, corpus, main)

    say("4/4  predicting a clip of a speaker who is not in the corpus")
    clip = folder / "new-clip.mp4"
    made = generate_clip(clip, emotion="joy")
    segment = pipe(clip, text=made.text)[0]
    return DemoResult(main, report, clip, made.label, segment, timeline)


def _runs() -> dict[str, dict[str, object]]:
    alone: dict[str, dict[str, object]] = {
        modality: {"model.modalities": [modality]} for modality in MODALITIES
    }
    return {MAIN: {}, **alone, "random-kfold": {"data.protocol": "random-kfold"}}


def _run(settings: RunSettings, corpus: Manifest, path: Path, progress: Progress) -> Outcome:
    folder = fit_run(settings, corpus, path, resume=True, progress=progress)
    return evaluate_fit(folder, corpus, progress=progress)


def _ceiling(modalities: Sequence[Modality], *, speaker_known: bool = False) -> float:
    ceiling = ceilings(Scenario())[frozenset(modalities)]
    return ceiling.speaker_known if speaker_known else ceiling.speaker_unknown


def _write_report(outcomes: dict[str, Outcome], corpus: Manifest) -> Path:
    everything, flattered = outcomes[MAIN], outcomes["random-kfold"]
    alone = [bar_of(m, outcomes[m], _ceiling([m])) for m in MODALITIES]
    trimodal = bar_of("all three", everything, _ceiling(MODALITIES))
    rows = [
        *[comparison_row(f"{m} alone", outcomes[m], _format_ceiling(_ceiling([m]))) for m in MODALITIES],
        comparison_row(
            "text, audio, video on a random split",
            flattered,
            f"ceiling {100 * _ceiling(MODALITIES, speaker_known=True):.1f} for who knows the speakers' habits",
        ),
    ]
    return write_run_report(
        everything,
        corpus,
        title="DeepMSI-MER on a synthetic demo corpus",
        modalities=[*alone, trimodal],
        protocols=[
            bar_of("speaker: nobody in the test part is known", everything, _ceiling(MODALITIES)),
            bar_of("random-kfold: everybody is known", flattered, _ceiling(MODALITIES, speaker_known=True)),
        ],
        comparison=rows,
        own_note=_format_ceiling(_ceiling(MODALITIES)),
        notes=[
            "In the demo corpus each modality misleads in a known share of the utterances, so the best possible score "
            "of every set of modalities is known too; it is the ceiling that stands beside the numbers."
        ],
    ).html


def _format_ceiling(ceiling: float) -> str:
    return f"ceiling {100 * ceiling:.1f} by construction of the data"


def _draw_dialogue(pipe: EmotionPipeline, corpus: Manifest, main: Outcome) -> Path:
    """The main run's predictions over the first dialogue of its test part, in the order in which it was spoken."""
    first = corpus.utterance(main.folder.read_split().test[0]).dialogue
    turns = sorted((row for row in corpus.rows() if row.dialogue == first), key=lambda row: row.turn or 0)
    segments, clock = [], 0.0
    for turn, prediction in zip(turns, pipe.predict(turns), strict=True):
        length = probe(turn.video).duration or 0.0 if turn.video else 0.0
        if prediction.label is not None:
            segments.append(
                TimelineSegment(
                    clock, clock + length, prediction.label, prediction.probabilities, turn.speaker
                )
            )
        clock += length
    title = f"Predicted emotions over test dialogue {first} (synthetic)"
    figures = main.folder.path / "figures"
    return save_figure(draw_timeline(segments, labels=pipe.labels, title=title), figures, "timeline").png
