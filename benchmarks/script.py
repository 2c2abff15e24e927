"""What every script here begins and ends with."""

from __future__ import annotations

import argparse
from pathlib import Path


def argument_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the script's own docstring, laid out as it stands there."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def publish(text: str, file: Path | None) -> None:
    """Print a page of figures, and keep it where a file is named."""
    print(text)
    if file is not None:
        file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
