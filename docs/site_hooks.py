"""Results that scripts write lie outside docs/; the site shows them as pages of its own."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def on_files(files: Files, config: Any) -> Files:
    """Add every result file as ``results-of-benchmarks/NAME.md``."""
    for source in sorted(RESULTS.glob("*.md")):
        page = File.generated(config, f"results-of-benchmarks/{source.name}", abs_src_path=str(source))
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links that hold in the repository hold on the site."""
    return markdown.replace("](../benchmarks/results/", "](results-of-benchmarks/")
