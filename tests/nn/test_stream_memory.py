import torch

from emofuse.nn.stream_memory import StreamMemory


def test_it_keeps_the_last_written_of_each_block_and_scope():
    memory = StreamMemory()
    assert memory.read("a") is None
    memory.write("a", torch.zeros(2), torch.zeros(3))
    memory.scope(1).write("a", torch.ones(4))
    memory.write("a", torch.ones(5))
    assert [t.shape[0] for t in memory.read("a")] == [5]
    assert [t.shape[0] for t in memory.scope(1).read("a")] == [4]
    assert memory.scope(2).read("a") is None
    assert memory.numel() == memory.scope(1).numel() == 9


def test_it_holds_no_graph():
    memory = StreamMemory()
    memory.write("a", torch.ones(2, requires_grad=True) * 2)
    assert not memory.read("a")[0].requires_grad
