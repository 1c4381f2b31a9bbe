"""Events in, columns out: the one code path of a batch and of live."""

from btcframe.pipeline.pipeline import Gate, Pipeline

__all__ = ["Gate", "Pipeline"]
