"""Work on a Ray cluster (extra ``cluster``). No other room imports Ray, and this one is loaded where it is asked for."""
