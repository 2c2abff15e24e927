"""Without torch-geometric one line says what to install, and everything else goes on."""

import subprocess
import sys

import pytest

from emofuse.errors import EmofuseError
from emofuse.models import create_model, list_models


@pytest.mark.parametrize(
    "name", ["dialogue-gcn", "rgat", "mmgcn", "mm-dfn", "m3net", "graph-cfc", "graph-smile"]
)
def test_a_system_on_graphs_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch):
    for module in ("torch_geometric", "torch_geometric.nn", "torch_geometric.utils"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmofuseError, match=r"pip install emofuse\[graph\]") as caught:
        create_model(name, preset="tiny", num_classes=3)
    assert "\n" not in str(caught.value)
    assert name in {info.name for info in list_models()}
    assert create_model("bc-lstm", preset="tiny", num_classes=3) is not None


def test_nothing_imports_it_before_a_graph_is_built():
    code = "import sys; from emofuse.models import list_models; list_models(); sys.exit('torch_geometric' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
