"""The least length that a vector is divided by where only its direction counts, as in F.normalize."""

SHORTEST = 1e-12
