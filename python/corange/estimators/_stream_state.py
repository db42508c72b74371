"""What IncrementalSVD shows of its state, and saves: arrays from which it goes on with the same bits."""

import json
from typing import Any

import numpy as np

from corange._rows import product
from corange._updating._checkpoint import from_arrays, to_arrays
from corange.estimators._linalg import complete, orient

__all__ = ["stream_attributes", "stream_from_arrays", "stream_to_arrays"]


def stream_attributes(model: Any) -> dict[str, Any]:
    """Compute what is made when somebody reads it; squares in units of the largest value."""
    state, k = model._state, int(model.n_components)
    V, s = state.right.leading(k), np.zeros(k)
    s[: state.s[:k].size] = state.s[:k]
    V = complete(V, k) if V.shape[1] < k else V
    signs = orient(V)
    unit = float(s[0]) or 1.0
    total = float(np.square(state.s / unit).sum()) + state.drift.lost_square / unit / unit
    squares, weight = np.square(s / unit), model.weight_
    if model.center:
        freedom = max(weight - 1.0, np.finfo(float).tiny) if weight > 1.0 else weight
    else:
        freedom = weight
        squares = np.maximum(
            squares - weight * np.square(product((model.mean_ / unit)[np.newaxis], V)[0]), 0.0
        )
        total = max(total - weight * float(np.square(model.mean_ / unit).sum()), float(squares.sum()))
    with np.errstate(over="ignore"):
        variances = (np.square(np.sqrt(squares / freedom) * unit)).astype(V.dtype)
    return {
        "signs": signs,
        "components_": V.T,
        "singular_values_": s.astype(V.dtype),
        "explained_variance_": variances,
        "explained_variance_ratio_": (squares / (total or 1.0)).astype(V.dtype),
        "report_": state.report(s, model.n_samples_seen_, state.seconds, "IncrementalSVD"),
    }


def stream_to_arrays(model: Any) -> dict[str, Any]:
    """Take apart a fitted IncrementalSVD: parameters, counts, mean, and the state."""
    parameters = model.get_params() | {"random_state": model._state.seed}
    arrays = {
        "parameters": np.array(json.dumps(parameters, default=float)),
        "mean": model.mean_,
        "weight": np.array(model.weight_),
        "seen": np.array(model.n_samples_seen_, dtype=np.int64),
    }
    if hasattr(model, "feature_names_in_"):
        arrays["names"] = model.feature_names_in_.astype(str)
    return arrays | to_arrays(model._state)


def stream_from_arrays(kind: type[Any], arrays: Any) -> Any:
    """Put it together again."""
    parameters = json.loads(str(arrays["parameters"]))
    if parameters["buffer"] is not None:
        parameters["buffer"] = int(parameters["buffer"])
    model = kind(**parameters | {"n_components": int(parameters["n_components"])})
    model._state, model.mean_ = from_arrays(arrays), arrays["mean"]
    model.random_state, model._state.size = model._state.seed, model.size
    model.weight_, model.n_samples_seen_ = float(arrays["weight"]), int(arrays["seen"])
    model.n_features_in_ = model.mean_.size
    if "names" in arrays:
        model.feature_names_in_ = arrays["names"].astype(object)
    return model
