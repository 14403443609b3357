"""The measurements of the chapter: three flows, every backend, every batch size, in rounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from earlyglow.datasets.dequantization import dequantize
from earlyglow.datasets.image_set import ImageSet
from earlyglow.datasets.loading import load_images
from earlyglow.datasets.splits import halves
from earlyglow.detectors import LayerGradientDetector
from earlyglow.flows import Flow
from earlyglow.gradients import layer_gradient_norms
from earlyglow.metrics import auroc, auroc_interval
from earlyglow.progress import progress_bar
from earlyglow.training.checkpoints import load_weights
from earlyglow.training.config import TrainingConfig
from earlyglow_book.chapters.cost import contenders
from earlyglow_book.chapters.cost.measuring import (
    Contender,
    interleaved_times,
    operations,
    peak_memory,
    product_times,
)
from earlyglow_book.chapters.cost.plans import Case
from earlyglow_book.flow_runs.flows import train_flow
from earlyglow_book.machine import processor_name
from earlyglow_book.results import Computed

if TYPE_CHECKING:
    from earlyglow_book.chapters.cost import Cost

_PRECISIONS = ("float32", "bf16")


def measured(chapter: Cost, workspace: Path) -> Computed:
    """Measure everything; takes the machine for itchapter."""
    parts: dict[str, list[pd.DataFrame]] = {}
    with progress_bar(len(chapter.plan.cases) + 1, "measuring", "case") as progress:
        for title, case in chapter.plan.cases.items():
            for name, table in _measure(chapter, case).items():
                parts.setdefault(name, []).append(table.assign(case=title))
            progress.update()
        detection = _detection(chapter, workspace)
        progress.update()
    tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    tables["products"] = product_times(chapter.plan.product_size, repetitions=5)
    tables["detection"] = detection
    return Computed(tables, device=processor_name())


def _measure(chapter: Cost, case: Case) -> dict[str, pd.DataFrame]:
    flow = contenders.perturbed_flow(case.spec, chapter.seed)
    largest = max(*case.batches, case.batch, case.few)
    generator = torch.Generator().manual_seed(chapter.seed)
    x = torch.rand(largest, *case.spec.image_shape, generator=generator) - 0.5
    batch, few = x[: case.batch], x[: case.few]
    slow = [contenders.norms_by(flow, few, backend) for backend in ("loop", "vmap")]
    low = contenders.norms_by(flow, few, "batched", "bf16")
    batched = [contenders.norms_by(flow, x[:n], "batched") for n in case.batches]
    step, small_step = (contenders.training_step(flow, part) for part in (batch, few))
    others = contenders.other_steps(case.spec, chapter.seed, batch, few)
    holding = [*slow, contenders.norms_by(flow, few, "batched"), small_step]
    holding += [c for c in others if c.name == contenders.RECOMPUTED]
    return {
        "times": interleaved_times([*slow, low, *batched, step, *others], case.repetitions),
        "memory": peak_memory(holding),
        "operations": operations(
            [
                Contender("forward", len(few), lambda: _forward(flow, few)),
                small_step,
                contenders.norms_by(flow, few, "batched"),
            ]
        ),
        "errors": _log_norm_errors(flow, few),
    }


def _detection(chapter: Cost, workspace: Path) -> pd.DataFrame:
    """AUROC of a briefly trained flow's gradient score with the norms in either precision."""
    spec, count = chapter.plan.detector, chapter.plan.detector_images
    run = train_flow(
        spec,
        TrainingConfig((1,), learning_rate=2e-3, warmup_epochs=1, seed=chapter.seed),
        load_images("textures", "train"),
        workspace,
    )
    flow = spec.build(chapter.seed)
    load_weights(flow, run.checkpoints[1])
    rows = []
    for precision in _PRECISIONS:
        norms = {
            name: layer_gradient_norms(
                flow,
                dequantize(images.images, chapter.seed),
                precision=precision,  # type: ignore[arg-type]
            )
            for name, images in _detection_sets(count).items()
        }
        detector = LayerGradientDetector(flow).fit_from_norms(norms.pop("fit"))
        scores = {name: detector.predict_from_norms(value) for name, value in norms.items()}
        id_scores = scores.pop("textures")
        for name, outside in scores.items():
            low, high = auroc_interval(id_scores, outside)
            row = {"precision": precision, "ood": name, "auroc": auroc(id_scores, outside)}
            rows.append({**row, "low": low, "high": high, "n": count})
    return pd.DataFrame(rows)


def _detection_sets(count: int) -> dict[str, ImageSet]:
    test, digits = load_images("textures", "test"), load_images("digits", "test")
    fit, evaluate = halves(len(test))
    inside = test.take(evaluate[:count])
    return {
        "fit": test.take(fit[:count]),
        "textures": inside,
        "digits": digits.take(torch.arange(count)).matched_to(test.image_shape),
        "textures, inverted": inside.inverted(),
    }


@torch.no_grad()
def _forward(flow: Flow, x: torch.Tensor) -> torch.Tensor:
    return flow.log_prob(x)


def _log_norm_errors(flow: Flow, x: torch.Tensor) -> pd.DataFrame:
    """|log norm² in bf16 - in float32| of every image and tensor, as quantiles."""
    exact, rounded = (
        layer_gradient_norms(flow, x, precision=precision, chunk_size=len(x)).values  # type: ignore[arg-type]
        for precision in _PRECISIONS
    )
    present = (exact > 0).all(0) & (rounded > 0).all(0)
    errors = (exact[:, present].log() - rounded[:, present].log()).abs().flatten()
    spread = exact[:, present].log().std(0).median()
    row = {f"q{q:g}": torch.quantile(errors, q).item() for q in (0.5, 0.9, 0.99, 1.0)}
    return pd.DataFrame([{**row, "spread": spread.item(), "images": len(x)}])
