"""A recording, as a worker predicts it: answers hold the name that the client gave and no path of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emofuse.app.hidden_places import without_places
from emofuse.app.limits import MOST_EXPLAINED, MOST_SEGMENTS
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import Prediction, RunDescription, Segment, Shares
from emofuse.app.tasks import PredictTask
from emofuse.data.wording import counted
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.data.utterance import Utterance
    from emofuse.inference.segments import EmotionSegment
    from emofuse.pipeline import EmotionPipeline

ProgressHook = Callable[[int, int, str], None]


def describe_run(pipe: EmotionPipeline, name: str) -> RunDescription:
    """What a client is told of the run."""
    return RunDescription(
        name=name,
        system=pipe.record.model_name,
        task=pipe.record.task,
        labels=pipe.labels,
        modalities=list(pipe.modalities),
        notes=list(pipe.notes),
    )


def predict_recording(
    pipe: EmotionPipeline, task: PredictTask, run: RunDescription, progress: ProgressHook
) -> Prediction:
    """Predict, explain and draw what was asked for.

    Raises:
        EmofuseError: the recording cannot be used; its path is named in no message.
    """
    try:
        return _predict(pipe, task, run, progress)
    except RefusedError:
        raise
    except EmofuseError as error:
        raise RefusedError(422, _shown(str(error), task, pipe)) from error


def _predict(
    pipe: EmotionPipeline, task: PredictTask, run: RunDescription, progress: ProgressHook
) -> Prediction:
    from emofuse.data.clip import clip_utterance, context_utterances
    from emofuse.inference.recording_pipeline import CONTEXT_UNREAD

    options = task.options
    recording, seconds = clip_utterance(
        task.file, text=options.text, speaker=options.speaker, start=options.start, end=options.end
    )
    _check_length(task, seconds)
    utterances, found_by = _utterances(task, recording, seconds, progress)
    before = context_utterances(recording, options.context)
    dialogue = [*before, *utterances]
    segments = pipe.predict(
        dialogue, progress=progress, coverage=options.coverage, by_modality=options.by_modality
    )[len(before) :]
    shares = _explanations(pipe, utterances, segments, dialogue, progress) if options.explain else []
    shown = [_of_client(segment, task, pipe) for segment in segments]
    unread = [CONTEXT_UNREAD] if before and not pipe.reads_context else []
    notes = [*run.notes, *unread, *(_shown(note, task, pipe) for note in found_by)]
    if task.page is not None:
        _write_page(shown, task, run, notes)
    return Prediction(
        recording=task.name,
        seconds=seconds,
        labels=run.labels,
        notes=notes,
        segments=[
            Segment(
                **{k: v for k, v in segment.to_dict().items() if k != "recording"},
                unfamiliar=list(segment.unfamiliar),
                disagreeing=list(segment.disagreeing),
                explanation=shares[i] if i < len(shares) else None,
            )
            for i, segment in enumerate(shown)
        ],
    )


def _check_length(task: PredictTask, seconds: float | None) -> None:
    if task.longest is not None and seconds is not None and seconds > task.longest:
        raise RefusedError(
            413,
            f"{task.name} lasts {seconds:.0f} s, and this server takes {task.longest:.0f} s: cut it, or ask whoever "
            "runs the server for more",
        )


def _utterances(
    task: PredictTask, recording: Utterance, seconds: float | None, progress: ProgressHook
) -> tuple[list[Utterance], Sequence[str]]:
    """The utterances of a recording, and how they were found where that was asked for."""
    from emofuse.data.clip import fixed_length_segments

    options = task.options
    if options.segment is not None and task.file is not None:
        from emofuse.recordings.segment import segment_recording
        from emofuse.recordings.settings import settings_of
        from emofuse.recordings.spoken import NoUtteranceError

        try:
            found = segment_recording(task.file, settings_of(options.segment, faces=options.faces), progress)
        except NoUtteranceError as error:
            # What the command line says to do about it has no fields in a request.
            sound = "ask for segment vad, which goes by the sound, or " if error.by_sound else ""
            raise EmofuseError(
                f"{error.what}; {sound}leave segment out, which takes the recording as one utterance, or give every in its "
                "place, which cuts it"
            ) from error
        how = f"{counted(len(found.spoken), 'utterance')} by {found.by}"
        return found.utterances(), [f"{task.name}: {how}.", *found.notes]
    return fixed_length_segments(recording, seconds, options.every, most=MOST_SEGMENTS), ()


def _explanations(
    pipe: EmotionPipeline,
    utterances: Sequence[Utterance],
    segments: Sequence[EmotionSegment],
    dialogue: Sequence[Utterance],
    progress: ProgressHook,
) -> list[Shares]:
    from emofuse.explanation import EncodedDialogue, explain

    found = []
    encoded = EncodedDialogue(pipe, dialogue)  # once for all that are explained
    chosen = list(zip(utterances, segments, strict=True))[:MOST_EXPLAINED]
    for done, (utterance, segment) in enumerate(chosen):
        progress(done, len(chosen), "explaining")
        label = segment.label
        if label is None:  # such as silence: nothing is predicted, and there is nothing to explain
            found.append(Shares(shapley={}, leave_one_out={}, notes=[_unexplained(segment)]))
            continue
        why = explain(pipe, utterance, encoded)
        found.append(
            Shares(
                shapley={m: values[label] for m, values in why.shapley.items()},
                leave_one_out={m: values[label] for m, values in why.leave_one_out.items()},
                notes=list(why.notes),
            )
        )
    return found


def _unexplained(segment: EmotionSegment) -> str:
    when = "" if segment.end is None else f" from {segment.start:.1f} to {segment.end:.1f} s"
    return f"Nothing{when} could be used, so there is nothing to explain."


def _of_client(segment: EmotionSegment, task: PredictTask, pipe: EmotionPipeline) -> EmotionSegment:
    """The segment with the client's name of the recording in the place of the path here."""
    number = segment.id.partition("#")[2]  # of the segment; before it stands the name of the upload here
    own_id = f"{task.name}#{number}" if number else task.name
    return replace(
        segment,
        id=own_id if task.file is not None else segment.id,
        recording=None if segment.recording is None else task.name,
        missing={m: _shown(why, task, pipe) for m, why in segment.missing.items()},
        notes={m: _shown(note, task, pipe) for m, note in segment.notes.items()},
    )


def _shown(line: str, task: PredictTask, pipe: EmotionPipeline) -> str:
    return without_places(line, pipe, {task.file: task.name})


def _write_page(
    segments: Sequence[EmotionSegment], task: PredictTask, run: RunDescription, notes: Sequence[str]
) -> None:
    from emofuse.data.atomic import write_text_aside
    from emofuse.inference.timelines.page import timeline_page
    from emofuse.inference.timelines.page_media import media_of_page

    assert task.page is not None
    # Within the page where it is small; the upload itself is gone before anybody could play it from here.
    own = str(task.file)
    played = None if task.file is None else media_of_page([own], None).get(own)
    media = {} if played is None else {task.name: replace(played, name=task.name)}
    page = timeline_page(segments, media, labels=run.labels, title=task.name, notes=notes)
    write_text_aside(Path(task.page), page)
