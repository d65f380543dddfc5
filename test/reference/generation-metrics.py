"""Distances between sets of made-up features, by numpy and scipy, for the tests of FID, KID, precision, recall, density and coverage.

The points are sines of their place, so that a test makes the same ones. Made with numpy 2.4.6 and scipy 1.17.1:

    python3 test/reference/generation-metrics.py > test/reference/generation-metrics.json
    npx biome format --write test/reference/generation-metrics.json
"""

import json

import numpy as np
from scipy.linalg import sqrtm

# name, real images, synthetic images, features, nearest neighbours, shift and stretch of the synthetic ones
CASES = [
    ("more images than features", 60, 50, 4, 5, 0.3, 0.8),
    ("fewer images than features", 12, 9, 20, 3, 0.1, 1.0),
    ("one set smaller than the number of features", 40, 7, 10, 3, 0.0, 0.5),
    ("shifted", 25, 30, 6, 4, 0.9, 1.0),
]


def points(count, size, phase):
    i = np.arange(count)[:, None] + 1.0
    j = np.arange(size)[None, :] + 1.0
    return np.sin(1.7 * i * j + 0.9 * i * i + phase).astype(np.float32).astype(np.float64)


def fid(x, y):
    mean = x.mean(0) - y.mean(0)
    a, b = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    return float(mean @ mean + np.trace(a + b - 2 * np.real(sqrtm(a @ b))))


def kid(x, y):
    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a):
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def distances(a, b):
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(-1))


def radii(a, k):
    return np.sort(distances(a, a), axis=1)[:, k]  # the first is the point itself


def scores(x, y, k):
    across, real, synthetic = distances(x, y), radii(x, k)[:, None], radii(y, k)[None, :]
    return {
        "precision": float((across <= real).any(0).mean()),
        "recall": float((across <= synthetic).any(1).mean()),
        "density": float((across <= real).sum(0).mean() / k),
        "coverage": float((across <= real).any(1).mean()),
    }


cases = []
for name, n, m, size, k, shift, stretch in CASES:
    x = points(n, size, 0.0)
    y = (stretch * points(m, size, 2.0) + shift).astype(np.float32).astype(np.float64)
    cases.append(
        {
            "name": name,
            "real": n,
            "synthetic": m,
            "size": size,
            "k": k,
            "shift": shift,
            "stretch": stretch,
            "fid": fid(x, y),
            "kid": kid(x, y),
            **scores(x, y, k),
        }
    )
print(json.dumps(cases))
