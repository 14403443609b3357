"""What is measured once for each checkpoint and image set, and from which all scores follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import ImageSet, dequantize
from earlyglow.flows import Flow
from earlyglow.gradients import LayerNorms, layer_gradient_norms_by_group
from earlyglow.provenance import source_digests
from earlyglow.settings import digest
from earlyglow.training.checkpoints import load_tensors, save_tensors

OBJECTIVES = ("log_prob", "sum_z")
SOURCE_PATH = ("datasets", "detectors", "experiments/statistics.py", "flows", "gradients")
# Raised by hand when the meaning of a norm or a log-likelihood changes.
VERSIONS = {"gradients": 2}


@dataclass(frozen=True)
class Statistics:
    """Log-likelihoods, gradient norms, and the source that measured them.

    Attributes:
        log_prob: (N,) nats.
        norms: by objective and group size.
        source: digest of each source file that the measurement went through, as it was then.
    """

    log_prob: Tensor
    norms: dict[tuple[str, int], LayerNorms]
    source: dict[str, str]


def measure(flow: Flow, images: ImageSet, group_sizes: Sequence[int], seed: int) -> Statistics:
    """Measure one image set under a flow; ``seed`` and the set make the dequantisation noise."""
    device = next(flow.parameters()).device
    x = dequantize(images.images, seed=noise_seed(images, seed)).to(device)
    norms: dict[tuple[str, int], LayerNorms] = {}
    for objective in OBJECTIVES:
        by_size = layer_gradient_norms_by_group(flow, x, group_sizes, objective=objective)
        norms |= {(objective, size): by_size[size] for size in group_sizes}
    return Statistics(detectors.mean_log_prob(flow, x), norms, source_digests(SOURCE_PATH))


def noise_seed(images: ImageSet, seed: int) -> int:
    """No two sets share their noise, or the scores of two sets would depend on each other."""
    return int(digest({"images": images.fingerprint(), "seed": seed})[:12], 16)


def measure_or_load(
    flow: Flow,
    checkpoint: Path,
    images: ImageSet,
    group_sizes: Sequence[int],
    seed: int,
    workspace: Path,
) -> Statistics:
    """:func:`measure`, kept in ``workspace`` so that a stopped experiment goes on where it was."""
    names = tuple(name for name, _ in flow.named_parameters())
    key = digest(
        {
            "checkpoint": f"{checkpoint.parent.name}/{checkpoint.name}",
            "images": images.fingerprint(),
            "group_sizes": list(group_sizes),
            "objectives": list(OBJECTIVES),
            "seed": seed,
            "versions": VERSIONS,
        }
    )
    path = workspace / "statistics" / f"{key[:16]}.safetensors"
    if not path.is_file():
        measured = measure(flow, images, group_sizes, seed)
        tensors = {f"{o}.{size}": norms.values for (o, size), norms in measured.norms.items()}
        save_tensors(path, {"log_prob": measured.log_prob, **tensors}, {"source": measured.source})
    tensors, facts = load_tensors(path)
    norms = {
        (objective, size): LayerNorms(tensors[f"{objective}.{size}"], names, size)
        for objective in OBJECTIVES
        for size in group_sizes
    }
    return Statistics(tensors["log_prob"], norms, dict(facts["source"]))  # type: ignore[call-overload]
