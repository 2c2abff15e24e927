"""Joining a Ray cluster, or starting one on this machine, for the time of one command."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any

from emofuse.errors import EmofuseError

LOCAL = "local"
_INSTALL = "pip install 'emofuse[cluster]'"
_REACH_SECONDS, _JOIN_SECONDS = 5.0, 30.0
# Tasks are handed names and settings, features go to the store: little passes through Ray's memory.
_OBJECT_STORE_BYTES = 128 << 20
_PORTS = 65535
# An address without a cluster behind it would hold this process for minutes, and no signal ends that. So another tries.
_TRY = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


@contextmanager
def ray_session(address: str) -> Iterator[None]:
    """Be part of a cluster inside the block; nothing of it is left behind afterwards.

    Args:
        address: ``HOST:PORT`` of the head node, or ``"local"``: this machine alone, with processes that end with the block.

    Raises:
        EmofuseError: Ray is not installed, or no cluster answers there.
    """
    if find_spec("ray") is None:
        raise EmofuseError(f"--ray needs Ray: {_INSTALL}")
    _check_address(address)
    # Ray would report its use to its makers.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address != LOCAL:
        _try_address(address)
    import ray

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    place = tempfile.mkdtemp(prefix="ray-") if address == LOCAL else None
    try:
        with _signals_kept():
            if place is not None:
                ray.init(address=LOCAL, object_store_memory=_OBJECT_STORE_BYTES, _temp_dir=place, **quiet)
            else:
                del quiet["include_dashboard"]
                ray.init(address=address, **quiet)
        with redirect_stdout(sys.stderr):  # Ray prints who has died, into what a program may read
            yield
    finally:
        ray.shutdown()
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _check_address(address: str) -> None:
    host, sign, port = address.rpartition(":")
    plain = bool(host) and re.fullmatch(r"[\w.\[\]:-]+", host) is not None and "//" not in address
    if address != LOCAL and not (sign and plain and port.isdecimal() and 0 < int(port) <= _PORTS):
        raise EmofuseError(
            f"--ray {address}: name the cluster's head node as HOST:PORT, or write local for this machine alone"
        )


def _try_address(address: str) -> None:
    """See that a cluster answers, in bounded time."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
    except OSError as error:
        raise EmofuseError(
            f"--ray {address}: nobody answers there ({error.strerror or error}); start Ray with `ray start --head` and "
            "give the address that it prints"
        ) from None
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRY, address],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_JOIN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EmofuseError(
            f"--ray {address}: who answers there is no Ray cluster, or its nodes do not see this machine"
        ) from None
    if tried.returncode != 0:
        lines = [line.strip() for line in tried.stderr.splitlines() if line.strip()] or [
            "no reason was given"
        ]
        reason = next((line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)), lines[-1])
        raise EmofuseError(
            f"--ray {address}: cannot join this cluster from here ({reason}); run the command on one of its machines, "
            "with the same versions of Python and Ray"
        )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes over the signal that ends a program; the command line answers it itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def living_nodes() -> list[dict[str, float]]:
    """Resources of each node, such as ``{"CPU": 8.0, "GPU": 1.0}``."""
    import ray

    found: list[dict[str, Any]] = ray.nodes()
    return [node["Resources"] for node in found if node["Alive"]]
