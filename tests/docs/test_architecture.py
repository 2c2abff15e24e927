"""The drawing and the table of the rooms are those that the import contract holds."""

import re
import tomllib

from tests.docs.pages import ROOT


def rooms() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    return [layer.removeprefix("emofuse.") for layer in contracts[0]["layers"]]


def test_the_drawing_has_every_room_in_the_order_of_the_contract() -> None:
    drawn = (ROOT / "docs" / "images" / "rooms.svg").read_text("utf-8")
    assert [n.removesuffix(".py") for n in re.findall(r'class="room">([^<]+)<', drawn)] == rooms()


def test_the_table_has_every_room_in_the_order_of_the_contract() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = page[page.index("| room |") : page.index("Prediction (")]
    names = [
        name.rstrip("/").removesuffix(".py") for name in re.findall(r"^\| `([^`]+)` \|", table, flags=re.M)
    ]
    assert names == rooms()
