"""Bootstrap weights: :mod:`clip_align.resample` under the name of before."""

from clip_align.resample import (
    N_REPLICATES,
    bootstrap_weights,
    interval,
    weighted_mean,
    weighted_median,
)

__all__ = ["N_REPLICATES", "bootstrap_weights", "interval", "weighted_mean", "weighted_median"]
