"""``emofuse serve``: a run as a page and as an interface for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emofuse.errors import EmofuseError
from emofuse.starter import STARTER

EXAMPLE = """Serve a run: a page to upload or record and see the timeline, a REST interface, and live emotions of a stream.
It is reached from this machine alone unless --host says otherwise. Needs the extra `app`.

Example: `emofuse serve`

Example: `emofuse serve runs/first --host 0.0.0.0 --workers 2`, with the token in EMOFUSE_TOKEN
"""
_LOOPBACK = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="serve", help=EXAMPLE)(serve)


def serve(
    run: Annotated[
        Path | None,
        typer.Argument(help="run folder made by `emofuse train`; the starter where none is named"),
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen at")] = _LOOPBACK,
    port: Annotated[int, typer.Option(help="port; 0 for any that is free", min=0, max=65535)] = 7860,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="EMOFUSE_TOKEN",
            help="that requests must bring; better in the environment",
            show_envvar=True,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="a name by which others call this machine; may be repeated")
    ] = None,
    workers: Annotated[int, typer.Option(help="processes that predict", min=1, max=64)] = 1,
    threads: Annotated[int | None, typer.Option(help="of each worker", min=1)] = None,
    max_mb: Annotated[float, typer.Option(help="largest upload, in megabytes", min=0.001)] = 200,
    max_minutes: Annotated[float, typer.Option(help="longest recording", min=0.01)] = 30,
    job_seconds: Annotated[float, typer.Option(help="that a prediction may take", min=1)] = 600,
    waiting: Annotated[int, typer.Option(help="recordings that may wait", min=1)] = 50,
    keep_minutes: Annotated[
        float, typer.Option(help="that answers are kept; recordings are deleted at once", min=0.05)
    ] = 10,
    live: Annotated[int, typer.Option(help="live streams at once, each with a worker of its own", min=0)] = 2,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="with the page, or the interface alone")
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Load the run, say where the server is, serve until Ctrl-C."""
    _check_extra()
    from emofuse.app.guard import Access, is_loopback, names_of_this_machine
    from emofuse.app.limits import MEGABYTE, ServeLimits
    from emofuse.app.server import ServeSettings, check_installed
    from emofuse.app.server import serve as serve_run
    from emofuse.runs.device_name import check_device_name

    check_installed(page=page)
    check_device_name(device, "--device")
    if token is not None and not token.strip():
        raise EmofuseError("the token is empty: leave --token and EMOFUSE_TOKEN out, or say one")
    upload = int(max_mb * MEGABYTE)
    settings = ServeSettings(
        run=STARTER if run is None else str(run),
        host=host,
        port=port,
        access=Access(token, names_of_this_machine(host) | set(allow_host or ())),
        limits=ServeLimits(
            upload_bytes=upload,
            stored_bytes=10 * upload,
            recording_seconds=60 * max_minutes,
            job_seconds=job_seconds,
            waiting=waiting,
            kept_seconds=60 * keep_minutes,
            live_sessions=live,
        ),
        workers=workers,
        threads=threads,
        device=device,
        page=page,
    )
    if token is None and not is_loopback(host):
        typer.echo(f"note: whoever reaches {host} can use this server; a token keeps others out", err=True)

    def ready(address: str) -> None:
        shown = f"{address}?token=…" if token is not None and page else address
        typer.echo(f"serving at {shown} (interface: {address}docs). Ctrl-C stops it.", err=True)

    typer.echo("loading the run ...", err=True)
    serve_run(settings, ready)
    typer.echo("emofuse: the server has stopped; recordings and answers are deleted", err=True)


def _check_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if find_spec(name) is None]
    if missing:
        raise EmofuseError(f"the server needs {', '.join(missing)}: pip install 'emofuse[app]'")
