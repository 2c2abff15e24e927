"""Our networks with the weights of published implementations, on their inputs: the outputs must be theirs.

python -m tests.parity FILE.npz ...
"""
