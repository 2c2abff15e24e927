import torch
from torch import nn

from emofuse.nn.initialisation import xavier_


def test_it_keeps_the_variance_and_reaches_every_layer():
    torch.manual_seed(0)
    block = nn.ModuleDict({"a": nn.Linear(256, 256), "b": nn.Sequential(nn.ReLU(), nn.Conv1d(256, 256, 1))})
    xavier_(block)
    x = torch.randn(1000, 256)
    assert 0.9 < float(block["a"](x).detach().std()) < 1.1
    assert 0.9 < float(block["b"][1](x.T).detach().std()) < 1.1
    assert (block["a"].bias == 0).all()


def test_the_gain_is_that_of_the_output():
    torch.manual_seed(0)
    layer = nn.Linear(256, 256, bias=False)
    xavier_(layer, gain=0.1)
    assert 0.09 < float(layer(torch.randn(1000, 256)).detach().std()) < 0.11
