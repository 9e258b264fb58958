"""Schedules of the learning rate, by step, and of distillation weights, by `progress` = step / steps in [0, 1]."""

import math


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up over the first share `warmup` of all steps, then cosine decay to 0."""
    start = max(1, round(warmup * steps))
    if step < start:
        return (step + 1) / start
    return 0.5 * (1 + math.cos(math.pi * (step - start) / max(1, steps - start)))


def envelope(progress: float, warmup: float, ramp_down: float) -> float:
    """Trapezoid: linear from 0 to 1 over the first share `warmup`, and back to 0 over the last share `ramp_down`."""
    rise = progress / warmup if warmup > 0 else 1.0
    fall = (1 - progress) / ramp_down if ramp_down > 0 else 1.0
    return max(0.0, min(1.0, rise, fall))


def gaussian_rise(progress: float, start: float, end: float) -> float:
    """Gaussian ramp-up exp(-5 (1 - t)^2), t from 0 at `start` to 1 at `end`; 0 before, 1 after.

    From temporal ensembling (Laine & Aila, ICLR 2017); FFL and FRSKD use it.
    """
    if progress < start:
        return 0.0
    if progress >= end:
        return 1.0
    return math.exp(-5 * (1 - (progress - start) / (end - start)) ** 2)
