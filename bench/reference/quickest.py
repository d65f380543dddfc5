"""Finds the quickest way this PyTorch has to run a step on a given number of threads, so that we race its best."""

from __future__ import annotations

import ctypes
import time
from typing import NamedTuple

import torch

from vae_torch import MODELS, PIXELS, make_adam, train_step


class Plan(NamedTuple):
    """How a step is run: the kind of Adam, and threads for PyTorch's own loops and for the matrix library."""

    adam: str
    loop_threads: int
    blas_threads: int


def use(plan: Plan) -> None:
    """Applies the plan's thread counts to this process."""
    torch.set_num_threads(plan.loop_threads)
    for set_threads in openblas_setters():
        set_threads(plan.blas_threads)


def quickest_plan(case: str, batch: int, threads: int) -> Plan:
    """Times every plan that uses at most `threads` threads, in turns, and returns the one with the quickest block.

    Torch's own setting does not reach an OpenBLAS built on pthreads (Debian's default): unless it is told apart,
    "one thread" would quietly multiply matrices on all cores.
    """
    # Two pools of threads at once can be slower than either alone, so all three splits are tried.
    splits = [(threads, threads)]
    if threads > 1 and openblas_setters():
        splits += [(threads, 1), (1, threads)]
    x = torch.rand(batch, PIXELS)
    steps = {}
    for kind in ("for-loop", "foreach", "fused"):
        model = MODELS[case]()
        try:
            adam = make_adam(model, kind)
            train_step(model, adam, x)
        except (RuntimeError, TypeError, ValueError):
            continue  # this PyTorch has no such Adam on CPU
        for split in splits:
            steps[Plan(kind, *split)] = (model, adam)
    best_s = dict.fromkeys(steps, float("inf"))
    for _ in range(BLOCKS):
        for plan, (model, adam) in steps.items():
            use(plan)
            train_step(model, adam, x)  # lets the threads settle
            start = time.perf_counter()
            for _ in range(STEPS_A_BLOCK):
                train_step(model, adam, x)
            best_s[plan] = min(best_s[plan], time.perf_counter() - start)
    return min(best_s, key=best_s.__getitem__)


def matrix_library() -> str:
    """What multiplies matrices here: "mkl", "openblas-pthread", "reference" (some 25 times slower), "unknown"..."""
    if torch.backends.mkl.is_available():
        return "mkl"
    folders = {path.split("/")[-2] for path in mapped_files() if "/libblas.so" in path}
    name = min(folders, default="openblas" if openblas_setters() else "unknown")
    return "reference" if name == "blas" else name


# --- internal ---

BLOCKS = 8
STEPS_A_BLOCK = 4


def openblas_setters() -> list:
    """The `openblas_set_num_threads` of each OpenBLAS in this process (numpy's private one uses another name)."""
    libraries = [ctypes.CDLL(path) for path in sorted(mapped_files()) if "openblas" in path]
    return [library.openblas_set_num_threads for library in libraries if hasattr(library, "openblas_set_num_threads")]


def mapped_files() -> set[str]:
    """Files mapped into this process; empty where the system does not tell."""
    try:
        with open("/proc/self/maps", encoding="utf8") as maps:
            return {fields[5] for fields in (line.split(maxsplit=5) for line in maps.read().splitlines()) if fields[5:]}
    except OSError:
        return set()
