"""The benchmark's two VAEs in PyTorch, their loss and one training step: the work that both sides do."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

PIXELS = 784
PAPER_PARAMETERS = 1_133_844
KL_WEIGHT = 1.0
LEARNING_RATE = 1e-3


class Vae(nn.Module):
    """Encoder, two heads, decoder; `forward` maps pixels [B, D] to pixels [B, D], mean and log-variance [B, L]."""

    def __init__(self, encoder: nn.Module, features: int, latents: int, decoder: nn.Module):
        super().__init__()
        self.latents = latents
        self.encoder = encoder
        self.mean = nn.Linear(features, latents)
        self.log_var = nn.Linear(features, latents)
        self.decoder = decoder

    def forward(self, x):
        hidden = self.encoder(x)
        mean, log_var = self.mean(hidden), self.log_var(hidden)  # [B, L]
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return self.decoder(z), mean, log_var


def mlp_vae(latents: int = 2) -> Vae:
    """The paper's VAE: 784-512-256-128, heads 128-L, decoder L-128-256-512-784, ReLU and a sigmoid at the end."""
    model = Vae(
        dense_relu(PIXELS, 512, 256, 128),
        128,
        latents,
        nn.Sequential(dense_relu(latents, 128, 256, 512), nn.Linear(512, PIXELS), nn.Sigmoid()),
    )
    assert latents != 2 or count_parameters(model) == PAPER_PARAMETERS, count_parameters(model)
    return model


def conv_vae(latents: int = 16) -> Vae:
    """Two strided 4x4 convolutions (16, 32 channels), dense heads, dense to 32x7x7, two transposed convolutions."""
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 16, 4, stride=2, padding=1),  # [B, 16, 14, 14]
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),  # [B, 32, 7, 7]
        nn.ReLU(),
        nn.Flatten(),
    )
    decoder = nn.Sequential(
        dense_relu(latents, 32 * 7 * 7),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),  # [B, 16, 14, 14]
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),  # [B, 1, 28, 28]
        nn.Sigmoid(),
        nn.Flatten(),
    )
    return Vae(encoder, 32 * 7 * 7, latents, decoder)


MODELS = {"mlp": mlp_vae, "conv": conv_vae}


def loss_of(model: Vae, x):
    """Mean over the batch of the summed squared error, plus the KL averaged over batch and latents."""
    reconstruction, mean, log_var = model(x)
    squared_error = functional.mse_loss(reconstruction, x, reduction="sum") / x.shape[0]
    kl = -0.5 * torch.mean(1 + log_var - mean.square() - log_var.exp())
    return squared_error + KL_WEIGHT * kl


def make_adam(model: Vae, kind: str) -> torch.optim.Adam:
    """Adam as "for-loop", "foreach" or "fused"; raises where this PyTorch does not have the kind on CPU."""
    flags = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}[kind]
    return torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, **flags)


def train_step(model: Vae, adam: torch.optim.Adam, x):
    """One step on the batch [B, D]; returns the loss as a detached scalar tensor."""
    adam.zero_grad(set_to_none=True)
    loss = loss_of(model, x)
    loss.backward()
    adam.step()
    return loss.detach()


def batches(images, batch: int):
    """Whole batches [batch, D] of one epoch, gathered by a fresh random order; a last partial batch is left out."""
    order = torch.randperm(images.shape[0])
    for start in range(0, images.shape[0] - batch + 1, batch):
        yield images[order[start : start + batch]]


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# --- internal ---


def dense_relu(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inner, outer in zip(widths, widths[1:]):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers)
