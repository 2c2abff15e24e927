"""``python -m emofuse``: the command line, where its script is not on the path."""

from emofuse.cli.main import run

run()
