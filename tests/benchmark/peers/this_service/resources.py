"""The workload alone."""

from model_serving.resources.benchmark_model_resource import BenchmarkModelResource

RESOURCES = [BenchmarkModelResource]

__all__ = ["RESOURCES"]
