"""Answers timing requests, one JSON line each, so that a harness can take turns between PyTorch and our engine.

Request:  {"case": "mlp" | "conv", "batch": 128, "threads": 1, "steps": 50}
Answer:   {"ms_per_step": median over blocks, "blocks": [ms per step, ...], "plan": {...}, "torch": ..., ...}
or        {"error": "what was wrong"}; the process goes on. It ends with its standard input.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from functools import lru_cache

import torch

from quickest import matrix_library, quickest_plan, use
from vae_torch import MODELS, PIXELS, batches, count_parameters, make_adam, train_step

EXAMPLES = 12_000  # about one silo of the paper
WARM_UP_STEPS = 8
MOST_BLOCKS = 10


def answer(request: dict) -> dict:
    case, batch, threads, steps = (request[name] for name in ("case", "batch", "threads", "steps"))
    if case not in MODELS:
        raise ValueError(f'expected "case" to be one of {sorted(MODELS)}, got {case!r}')
    for name, value, most in (("batch", batch, EXAMPLES), ("threads", threads, 1024), ("steps", steps, 1_000_000)):
        if not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f'expected "{name}" to be a whole number from 1 to {most}, got {value!r}')
    runner = prepare(case, batch, threads)
    use(runner["plan"])
    runner["run"](WARM_UP_STEPS)
    blocks = [runner["run"](size) for size in block_sizes(steps)]
    return {
        "ms_per_step": statistics.median(blocks),
        "blocks": blocks,
        "parameters": runner["parameters"],
        "plan": runner["plan"]._asdict(),
        "torch": torch.__version__,
        "blas": matrix_library(),
    }


# --- internal ---


@lru_cache(maxsize=None)
def prepare(case: str, batch: int, threads: int) -> dict:
    """A model that keeps on training from request to request, as a loader-fed loop would."""
    plan = quickest_plan(case, batch, threads)
    torch.manual_seed(0)
    model = MODELS[case]()
    adam = make_adam(model, plan.adam)
    images = made_up_images()
    stream = itertools.chain.from_iterable(batches(images, batch) for _ in itertools.count())

    def run(steps: int) -> float:
        """Milliseconds per step; gathering the batch is part of the step."""
        start = time.perf_counter()
        for _ in range(steps):
            train_step(model, adam, next(stream))
        return (time.perf_counter() - start) * 1000 / steps

    return {"plan": plan, "parameters": count_parameters(model), "run": run}


@lru_cache(maxsize=1)
def made_up_images():
    return torch.rand(EXAMPLES, PIXELS, generator=torch.Generator().manual_seed(1))


def block_sizes(steps: int) -> list[int]:
    blocks = min(MOST_BLOCKS, steps)
    return [steps * (i + 1) // blocks - steps * i // blocks for i in range(blocks)]


def serve(answer) -> None:
    """Answers requests, one JSON line each, until standard input ends."""
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    try:
        serve(answer)
    except KeyboardInterrupt:
        sys.exit(130)
