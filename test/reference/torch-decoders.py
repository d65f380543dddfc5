"""Decoders written and exported by PyTorch, with images that PyTorch draws from them.

Shows that a silo may train anywhere that writes ONNX. Needs PyTorch only (made with 1.13):

    python3 test/reference/torch-decoders.py > test/reference/torch-decoders.json
    npx biome format --write test/reference/torch-decoders.json
"""

import base64
import io
import json
import sys
import warnings

import torch
from torch import nn
from torch.nn import functional as F


class Unflatten(nn.Module):
    """[n, D] -> [n, *shape]; `nn.Unflatten` has no ONNX form in this version."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(-1, *self.shape)


class ViewDecoder(nn.Module):
    """Reads n from its input, as much hand-written code does."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(3, 16)
        self.norm = nn.LayerNorm(16)
        self.gelu = nn.GELU()

    def forward(self, z):
        return torch.clamp(self.gelu(self.norm(self.dense(z))), 0, 1).view(z.size(0), 1, 4, 4)


class ConditionalDecoder(nn.Module):
    """The class stands beside the code, as in most conditional VAEs."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 + 3, 8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid())

    def forward(self, z, label):
        return self.layers(torch.cat([z, label], 1)).reshape(-1, 1, 4, 4)


class AttentiveDecoder(nn.Module):
    """A flow step on the code, attention over its four parts, pixel normalisation: operators of newer generators."""

    def __init__(self):
        super().__init__()
        self.velocity = nn.Linear(5, 4)
        self.words = nn.Parameter(torch.randn(1, 4, 4))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(16, 16)

    def forward(self, z):
        time = torch.full_like(z[:, :1], 0.5)
        z = z + 0.5 * torch.sin(self.velocity(torch.cat([z, time], 1)))
        words = self.words.expand(z.shape[0], -1, -1) * z.unsqueeze(2)
        words = F.normalize(self.attention(words, words, words)[0], dim=2)
        words = words * torch.rsqrt((words**2).sum(2, keepdim=True) + 1e-8)
        return torch.sigmoid(self.last(F.celu(words.abs() + torch.log1p(torch.exp(words))).flatten(1)).reshape(-1, 1, 4, 4))


def dense():
    layers = [nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid(), Unflatten(1, 4, 4)]
    return nn.Sequential(*layers)


def convolutional():
    up = [nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.LeakyReLU(), nn.Upsample(scale_factor=2)]
    return nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), Unflatten(4, 2, 2), *up, nn.Conv2d(4, 3, 3, padding=1), nn.Sigmoid()
    )


def reference(name, decoder, latent, free, classes=None):
    decoder.eval()
    z = torch.randn(5, latent)
    file = io.BytesIO()
    axes = {"z": {0: "n"}, "x": {0: "n"}} if free else None
    inputs, names = (z,), ["z"]
    if classes is not None:
        inputs, names = (z, F.one_hot(torch.arange(5) % classes, classes).float()), ["z", "class"]
        axes["class"] = {0: "n"}
    torch.onnx.export(decoder, inputs, file, input_names=names, output_names=["x"], opset_version=16, dynamic_axes=axes)
    with torch.no_grad():
        x = decoder(*inputs)
    return {
        "name": name,
        "free": free,
        "onnx": base64.b64encode(file.getvalue()).decode(),
        "classes": classes,
        "z": z.flatten().tolist(),
        "shape": list(x.shape),
        "x": [round(value, 7) for value in x.flatten().tolist()],
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.manual_seed(20251213)
    decoders = [
        reference("a dense decoder", dense(), 2, True),
        reference("a dense decoder with a fixed n", dense(), 2, False),
        reference("a convolutional decoder with batch normalisation and upsampling", convolutional(), 2, True),
        reference("a decoder with layer normalisation, GELU and view(n, ...)", ViewDecoder(), 3, True),
        reference("a conditional decoder", ConditionalDecoder(), 2, True, classes=3),
        reference("a decoder with a flow step, attention, sums and norms", AttentiveDecoder(), 4, True),
    ]
    json.dump(decoders, sys.stdout)
