"""The page: upload or record, see the timeline and what moved it. Nothing of it comes from another server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError

from emofuse.app.api import first_error
from emofuse.app.job import Job
from emofuse.app.jobs import JobQueue
from emofuse.app.limits import MEGABYTE, ServeLimits
from emofuse.app.page_parts import (
    error_box,
    explanation_table,
    introduction,
    progress_box,
    sees_faces,
    timeline_frame,
    utterance_choices,
)
from emofuse.app.refusals import RefusedError
from emofuse.app.schemas import PredictOptions
from emofuse.app.storage import Storage
from emofuse.app.uploads import submit_file

_LOOK_EVERY = 0.2  # seconds
_AT_ONCE = 64  # people who wait on the page; the queue has its own bound
UPLOAD, CAMERA, MICROPHONE, WORDS = "upload", "camera", "microphone", "words"


def mount_page(app: FastAPI, queue: JobQueue, storage: Storage, limits: ServeLimits) -> None:
    """Put the page at the root of the server."""
    # Read by Gradio when it is imported: uploads go to the server's own folder, and nothing is told to anybody.
    os.environ["GRADIO_TEMP_DIR"] = str(storage.page_folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    page = EmotionPage(queue, storage)
    gr.mount_gradio_app(
        app,
        page.blocks(limits),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=limits.upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=gr.themes.Default(
            primary_hue="blue",
            font=["system-ui", "sans-serif"],  # of the system: none is fetched
            font_mono=["ui-monospace", "monospace"],
        ),
        css=_STYLE,
    )


class EmotionPage:
    """What the page does.

    Args:
        queue: where recordings go.
        storage: where they lie.
    """

    def __init__(self, queue: JobQueue, storage: Storage) -> None:
        self._queue, self._storage = queue, storage

    def blocks(self, limits: ServeLimits) -> Any:
        """The page as Gradio has it."""
        import gradio as gr

        with gr.Blocks(title="emofuse", analytics_enabled=False) as blocks:
            gr.HTML(introduction(self._queue.run, limits))
            kind, job_id = gr.State(UPLOAD), gr.State("")
            with gr.Row(elem_id="asking"):
                with gr.Column(scale=3), gr.Tabs():
                    with gr.Tab("Upload") as first:
                        upload = gr.File(
                            label=f"A video or sound file, up to {limits.upload_bytes / MEGABYTE:g} MB",
                            elem_id="upload",
                            height=180,
                        )
                    with gr.Tab("Camera") as second:
                        camera = gr.Video(
                            label="Record yourself",
                            sources=["webcam"],
                            include_audio=True,
                            webcam_options=gr.WebcamOptions(mirror=False),
                            elem_id="camera",
                            height=300,
                        )
                    with gr.Tab("Microphone") as third:
                        voice = gr.Audio(
                            label="Record your voice",
                            sources=["microphone"],
                            type="filepath",
                            elem_id="microphone",
                        )
                    with gr.Tab("Words alone") as fourth:
                        gr.HTML("<p>Write below what was said.</p>")
                with gr.Column(scale=2):
                    text = gr.Textbox(
                        label="What is said (optional)", max_length=2000, lines=2, elem_id="text"
                    )
                    segment = gr.Dropdown(
                        utterance_choices(),
                        value="",
                        label="Utterances",
                        elem_id="segment",
                    )
                    faces = gr.Checkbox(
                        label="With utterances: look who is seen speaking",
                        value=False,
                        elem_id="faces",
                        visible=sees_faces(),
                    )
                    every = gr.Textbox(
                        label="Seconds of each prediction",
                        placeholder="such as 3; empty: one for the whole",
                        elem_id="every",
                    )
                    coverage = gr.Dropdown(
                        [("not asked", ""), ("80 %", "0.8"), ("90 %", "0.9"), ("95 %", "0.95")],
                        value="",
                        label="Name labels that hold the true one in",
                    )
                    alone = gr.Checkbox(label="Say what each modality says alone", value=True)
                    explain = gr.Checkbox(
                        label="Explain: what moved the label", value=False, elem_id="explain"
                    )
            with gr.Row():
                begin = gr.Button("Find emotions", variant="primary", elem_id="find", min_width=120)
                stop = gr.Button("Cancel", elem_id="cancel", scale=0, min_width=90)
            state = gr.HTML(elem_id="state")
            timeline = gr.HTML(elem_id="timeline")
            why = gr.HTML(elem_id="why")
            for taken in (upload, camera, voice):
                _take_uploads_only(taken, self._storage.page_folder)
            for tab, name in ((first, UPLOAD), (second, CAMERA), (third, MICROPHONE), (fourth, WORDS)):
                tab.select(lambda name=name: name, outputs=kind, api_visibility="private")
            begin.click(
                self.find,
                inputs=[kind, upload, camera, voice, text, segment, faces, every, coverage, alone, explain],
                outputs=[job_id, state, timeline, why],
                api_visibility="private",
                concurrency_limit=_AT_ONCE,
                show_progress="hidden",
            )
            stop.click(self.cancel, inputs=job_id, api_visibility="private", concurrency_limit=_AT_ONCE)
        blocks.queue(max_size=_AT_ONCE, api_open=False)
        return blocks

    async def find(
        self,
        kind: str,
        upload: str | None,
        camera: str | None,
        voice: str | None,
        text: str,
        segment: str,
        faces: bool,
        every: str,
        coverage: str,
        alone: bool,
        explain: bool,
    ) -> AsyncIterator[tuple[str, str, str, str]]:
        """Predict what was uploaded or recorded.

        Yields:
            The job's id, how far it is, its timeline and its explanation, the last three as HTML.
        """
        chosen = {UPLOAD: upload, CAMERA: camera, MICROPHONE: voice}.get(kind)
        job: Job | None = None
        try:
            options = PredictOptions.model_validate(
                {
                    "text": text.strip() or None,
                    "segment": segment or None,
                    "faces": faces and bool(segment),
                    "every": every.strip().replace(",", ".") or None,
                    "coverage": coverage or None,
                    "by_modality": alone,
                    "explain": explain,
                }
            )
            job = submit_file(self._queue, self._storage, None if chosen is None else Path(chosen), options)
            while job.finished is None:
                yield job.id, progress_box(self._queue.status(job)), "", ""
                await asyncio.sleep(_LOOK_EVERY)
            if job.error is not None:
                raise job.error
            if job.result is None:
                yield "", error_box("It was cancelled."), "", ""
                return
            yield (
                job.id,
                "",
                timeline_frame(job.id, has_page=job.page is not None),
                explanation_table(job.result),
            )
        except ValidationError as error:
            yield "", error_box(first_error(error.errors())), "", ""
        except RefusedError as error:
            yield "", error_box(error.line), "", ""
        finally:
            if job is not None and job.finished is None:  # whoever asked has closed the page
                self._queue.cancel(job)

    def cancel(self, job_id: str) -> None:
        """Stop what is worked on."""
        with suppress(RefusedError):
            job = self._queue.get(job_id)
            if job.finished is None:
                self._queue.cancel(job)


def _take_uploads_only(component: Any, folder: Path) -> None:
    """Let a component take what was uploaded.

    By itself Gradio would fetch an address that a client names in an upload's place, and copy a file of this machine that
    lies in its working or temporary folder.
    """
    take = component.async_move_resource_to_block_cache

    async def take_upload(place: str | Path | None) -> str | None:
        if place is not None and not Path(place).resolve().is_relative_to(folder.resolve()):
            raise ValueError("the page takes uploads only")
        taken: str | None = await take(place)
        return taken

    component.async_move_resource_to_block_cache = take_upload


_STYLE = """
.gradio-container { max-width: min(1100px, 100vw) !important; margin: 0 auto !important; }
#timeline iframe { width: 100%; height: 860px; border: 1px solid #c8d3de; border-radius: 8px; background: #fff; }
#timeline p { padding: .4rem; }
#why table { border-collapse: collapse; width: 100%; } #why th, #why td { text-align: left; padding: .2rem .6rem; }
.emofuse-error { border-left: 4px solid #b3261e; padding: .5rem .8rem; }
.emofuse-progress progress { width: 100%; }
"""
