"""Many runs: cross-validation, sweeps, ablations, reproductions, leaderboards, other corpora."""
