"""Pruning hidden units of a network after training, with the correction folded into the next layer.

For units that are nearly functions of others it is enough to keep the others (STAT, "Shrinking Transformers
After Training"). Z, the activations of the hidden layer on some samples, a column a unit, has a column
interpolative decomposition Z ~ Z[:, kept] T. So

    Z W2 ~ Z[:, kept] (T W2)

and the network with the units `kept` and W2 replaced by T W2 does the same, without any retraining. The
error is at most ||Z - Z[:, kept] T|| ||W2|| on those samples.

Run: python prune_layer.py
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import corange as cr


class Network(NamedTuple):
    """Outputs relu(x W1 + b1) W2 + b2."""

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """Activations of the hidden units."""
        return np.maximum(x @ self.W1 + self.b1, 0.0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Compute outputs for the rows of x."""
        return self.hidden(x) @ self.W2 + self.b2


def prune(network: Network, samples: np.ndarray, units: int) -> tuple[Network, float]:
    """Make a network with fewer hidden units; also bound the error of its outputs on the samples."""
    Z = network.hidden(samples)
    kept, T = result = cr.interpolative(Z, units, random_state=0)
    missing = np.linalg.norm(Z - result.reconstruct())
    smaller = Network(network.W1[:, kept], network.b1[kept], T @ network.W2, network.b2)
    return smaller, float(missing * np.linalg.norm(network.W2, 2))


def redundant_network(inputs: int, units: int, different: int, outputs: int, seed: int = 0) -> Network:
    """Make a network whose units are positive multiples of a few: activations of rank `different`."""
    rng = np.random.default_rng(seed)
    copies = rng.integers(0, different, units)
    copies[:different] = np.arange(different)
    scales = rng.uniform(0.5, 2.0, units)
    W1, b1 = rng.standard_normal((inputs, different)), rng.standard_normal(different)
    return Network(
        W1[:, copies] * scales,
        b1[copies] * scales,
        rng.standard_normal((units, outputs)),
        rng.standard_normal(outputs),
    )


def main() -> None:
    """Prune to the rank, and below it."""
    network = redundant_network(20, 400, 60, 10)
    samples, new = np.random.default_rng(1).standard_normal((2, 2000, 20))
    size = np.linalg.norm(network(new))
    for units in (60, 50, 40):
        smaller, bound = prune(network, samples, units)
        error = np.linalg.norm(smaller(new) - network(new)) / size
        print(f"{units} of 400 units: relative error on new data {error:.1e}, bound {bound / size:.1e}")


if __name__ == "__main__":
    main()
