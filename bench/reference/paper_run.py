"""The work of the preset `paper-mnist` in PyTorch on two cores, so that a whole run can be raced against ours.

Five silos with two digits each train their own VAE, two at a time in processes of one thread; then the server decodes
images from their decoders and trains its own VAE on them. Prints one JSON line; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy
import torch

from quickest import Plan, matrix_library, quickest_plan, use
from vae_torch import PIXELS, Vae, batches, make_adam, mlp_vae, train_step

SILO_CLASSES = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
MOST_A_CLASS = 6_000
FOREIGN_IMAGES = 600
BATCH = 128
WORKERS = 2


def run(args: argparse.Namespace) -> dict:
    """Trains all rounds and returns seconds; starting the two workers and reading the files count, calibration not."""
    silo_plan, server_plan = choose_plans(args.server_threads)
    torch.manual_seed(args.seed)
    start = time.perf_counter()
    silo_seconds = server_seconds = 0.0
    global_vae = mlp_vae(args.latents)
    silos = [weights_of(mlp_vae(args.latents)) for _ in SILO_CLASSES]
    averaged = weights_of(mlp_vae(args.latents))
    context = multiprocessing.get_context("spawn")
    with context.Pool(WORKERS, use, (silo_plan,)) as pool:
        for round_number in range(1, args.rounds + 1):
            began = time.perf_counter()
            starts = silos + ([averaged] * len(silos) if args.fedavg else [])
            tasks = [
                (args, silo_plan.adam, index % len(silos), weights, args.seed + 1000 * round_number + index)
                for index, weights in enumerate(starts)
            ]
            trained = pool.map(train_silo, tasks, chunksize=1)
            silos = [weights for weights, _, _ in trained[: len(silos)]]
            if args.fedavg:
                averaged = average([(weights, examples) for weights, examples, _ in trained[len(silos) :]])
            silo_seconds += time.perf_counter() - began

            began = time.perf_counter()
            use(server_plan)
            pool_images = dream(silos, args.images_per_silo, args.latents)
            server_loss = train(global_vae, pool_images, args.server_epochs, server_plan.adam)
            server_seconds += time.perf_counter() - began
            losses = ", ".join(f"{loss:.2f}" for _, _, loss in trained)
            print(f"round {round_number}: silo losses {losses}; server loss {server_loss:.2f}", file=sys.stderr)
    return {
        "seconds": time.perf_counter() - start,
        "silo_seconds": silo_seconds,
        "server_seconds": server_seconds,
        "rounds": args.rounds,
        "fedavg": args.fedavg,
        "silo_losses": [loss for _, _, loss in trained],
        "server_loss": server_loss,
        "silo_plan": silo_plan._asdict(),
        "server_plan": server_plan._asdict(),
        "torch": torch.__version__,
        "blas": matrix_library(),
    }


def train(model: Vae, images, epochs: int, adam_kind: str) -> float:
    """Goes on training with a new Adam; returns the mean loss of the last epoch."""
    adam = make_adam(model, adam_kind)
    losses: list = []
    for _ in range(epochs):
        losses = [train_step(model, adam, x) for x in batches(images, BATCH)]
    return float(torch.stack(losses).mean())


# --- internal ---


def choose_plans(server_threads: int | None) -> tuple[Plan, Plan]:
    """One thread for silos; for the server what was asked, else the better of one and two."""
    silo_plan = quickest_plan("mlp", BATCH, 1)
    choices = [quickest_plan("mlp", BATCH, threads) for threads in (1, 2) if server_threads in (None, threads)]
    return silo_plan, min(choices, key=time_plan)


def time_plan(plan: Plan) -> float:
    use(plan)
    model, images = mlp_vae(), torch.rand(BATCH * 20, PIXELS)
    train(model, images, 1, plan.adam)
    start = time.perf_counter()
    train(model, images, 2, plan.adam)
    return time.perf_counter() - start


def train_silo(task: tuple) -> tuple:
    """In a worker: (arguments, kind of Adam, silo, weights, seed) -> (weights, examples, loss)."""
    args, adam_kind, silo, weights, seed = task
    torch.manual_seed(seed)
    model, images = vae_from(weights), silo_images(args.data, args.foreign)[silo]
    loss = train(model, images, args.local_epochs, adam_kind)
    return weights_of(model), images.shape[0], loss


@lru_cache(maxsize=1)
def silo_images(data: Path, foreign: Path | None) -> list:
    """Each silo's pixels [N, D]; read once in each worker."""
    images, labels = read_idx(data / "train-images-idx3-ubyte.gz"), read_idx(data / "train-labels-idx1-ubyte.gz")
    rows = [
        numpy.concatenate([numpy.flatnonzero(labels == digit)[:MOST_A_CLASS] for digit in classes])
        for classes in SILO_CLASSES
    ]
    silos = [to_pixels(images[chosen]) for chosen in rows]
    if foreign is not None:
        strangers = to_pixels(read_idx(foreign / "train-images-idx3-ubyte.gz")[:FOREIGN_IMAGES])
        silos[0] = torch.cat([silos[0], strangers])
    return silos


@torch.no_grad()
def dream(silos: list[dict], images_per_silo: int, latents: int):
    """Synthetic images of all decoders, z from N(0, I): [K * images_per_silo, D]."""
    return torch.cat([vae_from(weights).decoder(torch.randn(images_per_silo, latents)) for weights in silos])


def average(trained: list[tuple[dict, int]]) -> dict:
    """FedAvg: the mean of the weights, weighted by examples."""
    total = sum(examples for _, examples in trained)
    first, _ = trained[0]
    return {name: sum(weights[name] * (examples / total) for weights, examples in trained) for name in first}


def weights_of(model: Vae) -> dict:
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def vae_from(weights: dict) -> Vae:
    model = mlp_vae(weights["mean.bias"].shape[0])
    model.load_state_dict({name: torch.from_numpy(numpy.array(array)) for name, array in weights.items()})
    return model


def to_pixels(images):
    return torch.from_numpy(images.reshape(len(images), PIXELS).astype(numpy.float32) / 255)


def read_idx(path: Path):
    """Unsigned bytes of a gzipped IDX file, in its own shape."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: expected an IDX file of unsigned bytes")
    shape = numpy.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return numpy.frombuffer(raw, numpy.uint8, offset=4 + 4 * raw[3]).reshape(shape.astype(int))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST's train-*-ubyte.gz")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--local-epochs", type=int, default=10)
    parser.add_argument("--server-epochs", type=int, default=20)
    parser.add_argument("--images-per-silo", type=int, default=5_000)
    parser.add_argument("--server-threads", type=int, choices=(1, 2), help="left out: the better of the two")
    parser.add_argument("--latents", type=int, default=2)
    parser.add_argument("--foreign", type=Path, help="folder of the other data set: 600 of its images join silo 1")
    parser.add_argument("--fedavg", action="store_true", help="also train the FedAvg baseline of the same VAE")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in ("rounds", "local_epochs", "server_epochs", "images_per_silo", "latents"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: expected 1 or more")
    return args


if __name__ == "__main__":
    print(json.dumps(run(parse_arguments())), flush=True)
