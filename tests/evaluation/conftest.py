"""Here figures are looked at."""

from collections.abc import Iterator

import pytest

from tests.quick_figures import true_figures


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    with true_figures():
        yield
