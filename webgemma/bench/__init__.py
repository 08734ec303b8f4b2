"""How fast a site runs on this machine: prompts, tokens, kernels, and what the device could do."""

from webgemma.bench.browser import bench_in_browser
from webgemma.bench.measure import Bench, KernelTime, Rate, bench

__all__ = ["Bench", "KernelTime", "Rate", "bench", "bench_in_browser"]
