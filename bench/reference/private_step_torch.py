"""Answers timing requests for DP-SGD with every example's gradient in memory, beside PyTorch's own plain step.

Request:  {"kind": "plain" | "private", "batch": 128, "threads": 1, "steps": 4}
Answer:   {"ms_per_step": median, "torch": ..., "blas": ...}, or {"skipped": "why not"}, or {"error": "what was wrong"}.

The private step is what Opacus 1.x does with hooks, written without its overhead: gradients of the layers' outputs, one
outer product per example and layer, norms over all of them, clipping, sum, noise, Adam. To PyTorch's advantage: no
parameter gradient is computed twice, batches have a fixed size, and the noise is torch.normal's, which is neither
cryptographic nor on a grid. It ends with its standard input.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from functools import lru_cache

import torch
from torch import nn

import vae_step
from quickest import matrix_library, quickest_plan, use
from vae_torch import PAPER_PARAMETERS, batches, loss_of, make_adam, mlp_vae

CLIP_NORM = 1.0
NOISE_MULTIPLIER = 0.8


def answer(request: dict) -> dict:
    kind, batch, threads, steps = (request[name] for name in ("kind", "batch", "threads", "steps"))
    if kind not in ("plain", "private"):
        raise ValueError(f'expected "kind" to be "plain" or "private", got {kind!r}')
    for name, value in (("batch", batch), ("threads", threads), ("steps", steps)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f'expected "{name}" to be a whole number from 1, got {value!r}')
    if kind == "plain":
        return vae_step.answer({"case": "mlp", "batch": batch, "threads": threads, "steps": steps})
    why = too_little_memory(batch)
    if why:
        return {"skipped": why}
    plan, run = prepare(batch, threads)
    use(plan)
    times = [run() for _ in range(steps)]
    return {"ms_per_step": statistics.median(times), "torch": torch.__version__, "blas": matrix_library()}


def private_step(model, adam, x) -> None:
    """One step of DP-SGD on the batch [B, D]. Works for dense layers that are each used once."""
    uses = []  # (layer, its input [B, in], its output [B, out])
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(lambda *use: uses.append(use)) for layer in layers]
    loss = loss_of(model, x) * x.shape[0]  # a sum over examples: each row is then one example's own gradient
    for hook in hooks:
        hook.remove()
    errors = torch.autograd.grad(loss, [output for _, _, output in uses])  # [B, out] each
    with torch.no_grad():
        samples = {}
        for (layer, (given,), _), error in zip(uses, errors):
            samples[layer.weight] = torch.einsum("bo,bi->boi", error, given)  # a million numbers an example, all told
            samples[layer.bias] = error
        norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples.values()]).norm(dim=0)  # [B]
        factors = (CLIP_NORM / (norms + 1e-6)).clamp(max=1.0)  # [B]
        for parameter, each in samples.items():
            total = torch.einsum("b,b...->...", factors, each)
            parameter.grad = (total + torch.normal(0.0, NOISE_MULTIPLIER * CLIP_NORM, total.shape)) / x.shape[0]
        adam.step()


# --- internal ---


@lru_cache(maxsize=None)
def prepare(batch: int, threads: int):
    """The plan of the plain step, and a function that does one private step and gives its milliseconds."""
    plan = quickest_plan("mlp", batch, threads)
    torch.manual_seed(0)
    model = mlp_vae()
    adam = make_adam(model, plan.adam)
    images = vae_step.made_up_images()
    stream = itertools.chain.from_iterable(batches(images, batch) for _ in itertools.count())

    def run() -> float:
        start = time.perf_counter()
        private_step(model, adam, next(stream))
        return (time.perf_counter() - start) * 1000

    run()  # once is enough: such a step takes a good part of a second
    return plan, run


def too_little_memory(batch: int) -> str | None:
    """Why a batch is not tried, where its gradients and as much again for working on them do not fit."""
    needed = 2 * 4 * PAPER_PARAMETERS * batch
    try:
        with open("/proc/meminfo", encoding="utf8") as lines:
            free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None  # the system does not tell
    if free >= needed:
        return None
    gib = 2**30
    return f"the gradients of {batch} examples need about {needed / gib:.1f} GiB, and {free / gib:.1f} GiB are free"


if __name__ == "__main__":
    try:
        vae_step.serve(answer)
    except KeyboardInterrupt:
        sys.exit(130)
