"""All systems on the same features, split and budget of tuning, on one page with the linear models beside them."""

from emofuse.experiments.benchmark.page import write_benchmark
from emofuse.experiments.benchmark.plan import BenchmarkPlan
from emofuse.experiments.benchmark.records import Benchmark
from emofuse.experiments.benchmark.rows import benchmark_dict, benchmark_rows
from emofuse.experiments.benchmark.run import benchmark
from emofuse.experiments.benchmark.tables import benchmark_tables

__all__ = [
    "Benchmark",
    "BenchmarkPlan",
    "benchmark",
    "benchmark_dict",
    "benchmark_rows",
    "benchmark_tables",
    "write_benchmark",
]
