"""The measurements of the chapter: three flows, every backend, every batch size, in rounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

import earlyglow as eg
from earlyglow.gradients.layer_norms import Precision
from earlyglow.progress import progress_bar
from earlyglow_book.chapters.cost import contenders
from earlyglow_book.chapters.cost.contenders import norms_by, step
from earlyglow_book.chapters.cost.measuring import (
    Contender,
    interleaved_times,
    operations,
    peak_memory,
    product_times,
)
from earlyglow_book.flow_runs.flows import train_flow
from earlyglow_book.machine import processor_name
from earlyglow_book.results import Computed, Tables

if TYPE_CHECKING:
    from earlyglow_book.chapters.cost import Case, Cost

_PRECISIONS: tuple[Precision, ...] = ("float32", "bf16")


def measured(chapter: Cost, workspace: Path) -> Computed:
    """Measure everything; takes the machine for itself."""
    plan = chapter.plan
    parts: dict[str, list[pd.DataFrame]] = {}
    with progress_bar(len(plan.cases) + 1, "measuring", "case") as progress:
        for title, case in plan.cases.items():
            for name, table in _measure(case, chapter.seed).items():
                parts.setdefault(name, []).append(table.assign(case=title))
            progress.update()
        detection = _detection(chapter, workspace)
        progress.update()
    tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    tables["products"] = product_times(plan.product_size, repetitions=5)
    tables["detection"] = detection
    return Computed(tables, device=processor_name())


def _measure(case: Case, seed: int) -> Tables:
    flow = contenders.perturbed_flow(case.spec, seed)
    largest = max(*case.batches, case.batch, case.few)
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(largest, *case.spec.image_shape, generator=generator) - 0.5
    batch, few = x[: case.batch], x[: case.few]
    slow = [norms_by(flow, few, backend) for backend in ("loop", "vmap")]
    low, norms = norms_by(flow, few, "batched", "bf16"), norms_by(flow, few, "batched")
    batched = [norms_by(flow, x[:count], "batched") for count in case.batches]
    full_step, small_step = (step(contenders.TRAINING_STEP, flow, part) for part in (batch, few))
    others = contenders.other_steps(case.spec, seed, batch, few)
    recomputed = [other for other in others if other.name == contenders.RECOMPUTED]
    forward = Contender("forward", len(few), torch.no_grad()(lambda: flow.log_prob(few)))
    times = interleaved_times([*slow, low, *batched, full_step, *others], case.repetitions)
    return {
        "times": times,
        "memory": peak_memory([*slow, norms, small_step, *recomputed]),
        "operations": operations([forward, small_step, norms]),
        "errors": _log_norm_errors(flow, few),
    }


def _detection(chapter: Cost, workspace: Path) -> pd.DataFrame:
    """AUROC of a briefly trained flow's gradient score with the norms in either precision."""
    seed, spec, count = chapter.seed, chapter.plan.detector, chapter.plan.detector_images
    config = eg.TrainingConfig((1,), learning_rate=2e-3, warmup_epochs=1, seed=seed)
    run = train_flow(spec, config, eg.load_images("textures", "train"), workspace)
    flow = spec.build(seed)
    eg.load_weights(flow, run.checkpoints[1])
    sets = {name: eg.dequantize(part.images, seed) for name, part in _detection_sets(count).items()}
    rows = []
    for precision in _PRECISIONS:
        norms = {
            name: eg.layer_gradient_norms(flow, x, precision=precision) for name, x in sets.items()
        }
        detector = eg.LayerGradientDetector(flow).fit_from_norms(norms.pop("fit"))
        scores = {name: detector.predict_from_norms(value) for name, value in norms.items()}
        id_scores = scores.pop("textures")
        for name, outside in scores.items():
            area, interval = eg.auroc(id_scores, outside), eg.auroc_interval(id_scores, outside)
            rows.append((precision, name, area, *interval, count))
    return pd.DataFrame(rows, columns=["precision", "ood", "auroc", "low", "high", "n"])


def _detection_sets(count: int) -> dict[str, eg.ImageSet]:
    test, digits = eg.load_images("textures", "test"), eg.load_images("digits", "test")
    fit, evaluate = eg.halves(len(test))
    inside = test.take(evaluate[:count])
    return {
        "fit": test.take(fit[:count]),
        "textures": inside,
        "digits": digits.take(torch.arange(count)).matched_to(test.image_shape),
        "textures, inverted": inside.inverted(),
    }


def _log_norm_errors(flow: eg.Flow, x: torch.Tensor) -> pd.DataFrame:
    """|log norm² in bf16 - in float32| of every image and tensor, as quantiles."""
    exact, rounded = (
        eg.layer_gradient_norms(flow, x, precision=precision, chunk_size=len(x)).values
        for precision in _PRECISIONS
    )
    present = (exact > 0).all(0) & (rounded > 0).all(0)
    logs = exact[:, present].log()
    errors = (logs - rounded[:, present].log()).abs().flatten()
    row = {f"q{q:g}": torch.quantile(errors, q).item() for q in (0.5, 0.9, 0.99, 1.0)}
    return pd.DataFrame([{**row, "spread": logs.std(0).median().item(), "images": len(x)}])
