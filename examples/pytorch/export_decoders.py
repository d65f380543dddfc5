r"""Trains two small generators of digits in PyTorch and writes them as ONNX files that align-fl takes.

    conditional_vae.onnx   z [n, 8],  class [n, 10] -> x [n, 1, 28, 28]   the decoder of a conditional VAE, all ten digits
    gan_seven.onnx         z [n, 32]                -> x [n, 1, 28, 28]   the generator of a GAN that saw one digit only

Needs PyTorch 1.13 or newer and nothing else. About a minute on two cores:

    python3 examples/pytorch/export_decoders.py --out decoders --data folder/with/mnist
    python3 examples/pytorch/export_decoders.py --out decoders                # drawn strokes in place of MNIST
    align-fl decoder inspect decoders/conditional_vae.onnx --shape 1x28x28
    align-fl release decoders/conditional_vae.onnx --silo hospital-a --shape 1x28x28 --offers 0-9 --privacy none \
      --out releases/hospital-a
    align-fl release decoders/gan_seven.onnx --silo hospital-b --shape 1x28x28 --classes 10 --offers 7 --privacy none \
      --out releases/hospital-b

What matters for your own generator stands in `export`; the rest is an ordinary training loop.
"""

import argparse
import gzip
import math
import struct
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10
GAN_CLASS = 7


def export(decoder, latent, classes, path):
    """Writes `decoder` by the contract: inputs z and perhaps class, output x, all float32, n free, pixels in [0, 1]."""
    decoder.eval()  # batch normalisation and dropout become plain arithmetic
    z = torch.randn(2, latent)
    axes = {"z": {0: "n"}, "x": {0: "n"}}
    inputs, names = (z,), ["z"]
    if classes is not None:
        inputs, names = (z, F.one_hot(torch.arange(2), classes).float()), ["z", "class"]
        axes["class"] = {0: "n"}
    torch.onnx.export(
        decoder, inputs, path, input_names=names, output_names=["x"], dynamic_axes=axes, opset_version=13
    )


class ConditionalDecoder(nn.Module):
    """The decoder of a conditional VAE: the class stands beside the code."""

    def __init__(self, latent, hidden=400):
        super().__init__()
        self.latent = latent
        self.layers = nn.Sequential(nn.Linear(latent + CLASSES, hidden), nn.ReLU(), nn.Linear(hidden, 784))

    def logits(self, z, label):
        return self.layers(torch.cat([z, label], 1))

    def forward(self, z, label):
        # -1 keeps the number of images open; x.view(z.size(0), ...) would be accepted as well.
        return torch.sigmoid(self.logits(z, label)).reshape(-1, 1, 28, 28)


class Encoder(nn.Module):
    """Stays at home: nothing of it is in the file."""

    def __init__(self, latent, hidden=400):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(784 + CLASSES, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)

    def forward(self, x, label):
        h = self.hidden(torch.cat([x, label], 1))
        return self.mean(h), self.log_variance(h)


class Generator(nn.Module):
    """Of a convolutional GAN. Tanh gives -1 to 1; the file must give 0 to 1, so the last step is part of the model."""

    def __init__(self, latent):
        super().__init__()
        self.latent = latent
        self.start = nn.Sequential(nn.Linear(latent, 32 * 7 * 7), nn.BatchNorm1d(32 * 7 * 7), nn.ReLU())
        self.up = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1)
        )

    def forward(self, z):
        x = torch.tanh(self.up(self.start(z).reshape(-1, 32, 7, 7)))
        return (x + 1) / 2


def discriminator():
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 1),
    )


def train_vae(images, labels, steps, latent=8):
    decoder, encoder = ConditionalDecoder(latent), Encoder(latent)
    optimizer = torch.optim.Adam([*decoder.parameters(), *encoder.parameters()], lr=2e-3)
    for rows in batches(len(images), steps):
        x, label = images[rows].flatten(1), F.one_hot(labels[rows], CLASSES).float()
        mean, log_variance = encoder(x, label)
        z = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        error = F.binary_cross_entropy_with_logits(decoder.logits(z, label), x, reduction="sum")
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        step(optimizer, (error + divergence) / len(rows))
    return decoder


def train_gan(images, steps, latent=32):
    generator, judge = Generator(latent), discriminator()
    settings = {"lr": 5e-4, "betas": (0.5, 0.999)}
    for_generator = torch.optim.Adam(generator.parameters(), **settings)
    for_judge = torch.optim.Adam(judge.parameters(), **settings)
    for rows in batches(len(images), steps, size=64):
        fake = generator(torch.randn(len(rows), latent))
        step(for_judge, F.softplus(-judge(images[rows])).mean() + F.softplus(judge(fake.detach())).mean())
        step(for_generator, F.softplus(-judge(fake)).mean())
    return generator


def batches(count, steps, size=128):
    for _ in range(steps):
        yield torch.randint(count, (size,))


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def mnist(folder):
    """Images [N, 1, 28, 28] in [0, 1] and labels [N] of MNIST's training files, packed or not."""

    def read(name):
        path = next((p for p in Path(folder).rglob(f"{name}*") if p.is_file()), None)
        if path is None:
            raise SystemExit(f"Found no {name} in {folder}: expected MNIST's four files. Or leave out --data.")
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    def tensor(raw):
        rank = raw[3]
        sides = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
        return torch.frombuffer(bytearray(raw[4 + 4 * rank :]), dtype=torch.uint8).reshape(sides)

    return tensor(read("train-images-idx3-ubyte")).float().div(255).unsqueeze(1), tensor(
        read("train-labels-idx1-ubyte")
    ).long()


def strokes(count=4000):
    """Stands in for MNIST: a bar through the middle of each image, turned by its class, with places and widths at random."""
    labels = torch.randint(CLASSES, (count,))
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    middle = 13.5 + torch.randn(count, 2, 1, 1)
    angle = (labels * math.pi / CLASSES + 0.05 * torch.randn(count)).reshape(-1, 1, 1)
    dy, dx = rows - middle[:, 0], columns - middle[:, 1]
    across = dx * torch.sin(angle) - dy * torch.cos(angle)
    along = dx * torch.cos(angle) + dy * torch.sin(angle)
    width = 1.5 + 0.5 * torch.rand(count, 1, 1)
    return torch.sigmoid(3 * (width - across.abs())).mul(torch.sigmoid(9 - along.abs())).unsqueeze(1), labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("decoders"))
    parser.add_argument("--data", help="folder with MNIST's training files; without, strokes are drawn")
    parser.add_argument("--steps", type=int, default=1500, help="of training, for each generator")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    images, labels = mnist(given.data) if given.data else strokes()
    given.out.mkdir(parents=True, exist_ok=True)

    decoder = train_vae(images, labels, given.steps)
    export(decoder, decoder.latent, CLASSES, given.out / "conditional_vae.onnx")
    generator = train_gan(images[labels == GAN_CLASS], given.steps)
    export(generator, generator.latent, None, given.out / "gan_seven.onnx")
    print(f"Wrote conditional_vae.onnx and gan_seven.onnx to {given.out}.")


if __name__ == "__main__":
    main()
