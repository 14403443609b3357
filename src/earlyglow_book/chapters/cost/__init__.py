"""The experiment: three flows, every backend, every batch size, in rounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch
from earlyglow.experiments import trained_flows
from earlyglow.experiments.cost import contenders
from earlyglow.experiments.cost.measuring import (
    Contender,
    interleaved_times,
    operations,
    peak_memory,
    product_times,
)
from earlyglow.experiments.running import result_of
from earlyglow.experiments.trained_flows import FlowSpec, train_flow
from earlyglow.provenance import combined, processor_name, source_digests
from earlyglow.settings import require_choice, require_whole
from earlyglow.store import Computed, Inputs

from earlyglow import detectors
from earlyglow.datasets import ImageSet, dequantize, find_fingerprint, halves, load_images
from earlyglow.flows import Flow
from earlyglow.gradients import layer_gradient_norms
from earlyglow.metrics import auroc, auroc_interval
from earlyglow.progress import progress_bar
from earlyglow.training import TrainingConfig, load_weights

_PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class Case:
    """One flow and the batches that each contender gets.

    Attributes:
        spec: the flow.
        batch: images of the training step and of the batched norms that are compared with it.
        few: images of the slow contenders (loop, vmap, bf16), and of the memory's comparison.
        batches: batch sizes of the batched norms.
        repetitions: rounds.
    """

    spec: FlowSpec
    batch: int
    few: int
    batches: tuple[int, ...]
    repetitions: int


@dataclass(frozen=True)
class Plan:
    """Cases by title, and the sizes of the other measurements."""

    cases: dict[str, Case]
    product_size: int
    detector: FlowSpec
    detector_images: int


_TINY = {"levels": 2, "steps": 1, "hidden": 8}
_CLASSROOM = {"levels": 3, "steps": 4, "hidden": 64}
PLANS = {
    "smoke": Plan(
        {
            "tiny Glow": Case(FlowSpec("glow", (3, 8, 8), _TINY), 8, 2, (1, 8), 2),
            "tiny DenseGlow": Case(
                FlowSpec("dense_glow", (1, 8, 8), {"steps": 2, "hidden": 16, "depth": 1}),
                8,
                2,
                (1, 8),
                2,
            ),
        },
        product_size=64,
        detector=FlowSpec("glow", (3, 32, 32), _TINY),
        detector_images=32,
    ),
    "paper": Plan(
        {
            "classroom Glow": Case(
                FlowSpec("glow", (3, 32, 32), _CLASSROOM), 64, 16, (1, 2, 4, 8, 16, 32, 64, 128), 7
            ),
            "paper Glow": Case(
                FlowSpec("glow", (3, 32, 32), {"levels": 3, "steps": 32, "hidden": 512}),
                16,
                4,
                (1, 4, 16, 64, 128),
                3,
            ),
            "paper DenseGlow": Case(
                FlowSpec("dense_glow", (1, 28, 28), {"steps": 10, "hidden": 1000, "depth": 10}),
                128,
                4,
                (1, 4, 16, 64, 128),
                5,
            ),
        },
        product_size=1024,
        detector=FlowSpec("glow", (3, 32, 32), _CLASSROOM),
        detector_images=200,
    ),
}


@dataclass(frozen=True)
class Cost:
    """Parameters of the measurement.

    Attributes:
        profile: "smoke" (tiny flows) or "paper" (the classroom's and the paper's sizes).
        seed: of weights, images and noise.
    """

    name: ClassVar[str] = "cost"
    # Times never come out the same twice, so that there is nothing to verify.
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {**trained_flows.VERSIONS, "gradients": 1, "cost": 1}
    source_path: ClassVar[tuple[str, ...]] = (
        "allocator.py",
        "datasets",
        "detectors",
        "experiments/cost",
        "experiments/running.py",
        "experiments/trained_flows.py",
        "flows",
        "gradients",
        "metrics.py",
        "training",
    )

    profile: str = "paper"
    seed: int = 0

    def __post_init__(self) -> None:
        require_choice("profile", self.profile, PLANS)
        require_whole("seed", self.seed, 0)

    @property
    def plan(self) -> Plan:
        """What the profile measures."""
        return PLANS[self.profile]

    def parameters(self) -> dict[str, object]:
        """The parameters as the notebook takes them."""
        return asdict(self)

    def inputs(self) -> Inputs:
        """What the result depends on, the machine apart: its name stands in the manifest."""
        return self._inputs({name: find_fingerprint(*name) for name in self._splits()})

    def inputs_on_trust(self) -> Inputs:
        """The same where no image is looked at."""
        return self._inputs(dict.fromkeys(self._splits()))

    def _splits(self) -> list[tuple[str, str]]:
        return [("textures", "train"), ("textures", "test"), ("digits", "test")]

    def _inputs(self, fingerprints: Mapping[tuple[str, str], str | None]) -> Inputs:
        data = {f"{name}/{split}": found for (name, split), found in fingerprints.items()}
        return Inputs(
            self.name, {"plan": _as_json(asdict(self.plan))}, data, self.seed, self.versions
        )

    def label(self) -> str:
        """A readable start for the result's folder."""
        return f"{self.profile}-seed{self.seed}"

    def prepare(self) -> None:
        """Measure if there is no stored result."""
        result_of(self)

    def compute(self, workspace: Path) -> Computed:
        """Measure everything; takes the machine for itself."""
        parts: dict[str, list[pd.DataFrame]] = {}
        with progress_bar(len(self.plan.cases) + 1, "measuring", "case") as progress:
            for title, case in self.plan.cases.items():
                for name, table in self._measure(case).items():
                    parts.setdefault(name, []).append(table.assign(case=title))
                progress.update()
            detection, source = self._detection(workspace)
            progress.update()
        tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
        tables["products"] = product_times(self.plan.product_size, repetitions=5)
        tables["detection"] = detection
        every_source = combined(source_digests(self.source_path), source)
        return Computed(tables, every_source, device=processor_name())

    def _measure(self, case: Case) -> dict[str, pd.DataFrame]:
        flow = contenders.perturbed_flow(case.spec, self.seed)
        largest = max(*case.batches, case.batch, case.few)
        generator = torch.Generator().manual_seed(self.seed)
        x = torch.rand(largest, *case.spec.image_shape, generator=generator) - 0.5
        batch, few = x[: case.batch], x[: case.few]
        slow = [contenders.norms_by(flow, few, backend) for backend in ("loop", "vmap")]
        low = contenders.norms_by(flow, few, "batched", "bf16")
        batched = [contenders.norms_by(flow, x[:n], "batched") for n in case.batches]
        step, small_step = (contenders.training_step(flow, part) for part in (batch, few))
        others = contenders.other_steps(case.spec, self.seed, batch, few)
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

    def _detection(self, workspace: Path) -> tuple[pd.DataFrame, dict[str, str]]:
        """AUROC of a briefly trained flow's gradient score with the norms in either precision."""
        spec, count = self.plan.detector, self.plan.detector_images
        run = train_flow(
            spec,
            TrainingConfig((1,), learning_rate=2e-3, warmup_epochs=1, seed=self.seed),
            load_images("textures", "train"),
            workspace,
        )
        flow = spec.build(self.seed)
        load_weights(flow, run.checkpoints[1])
        rows = []
        for precision in _PRECISIONS:
            norms = {
                name: layer_gradient_norms(
                    flow,
                    dequantize(images.images, self.seed),
                    precision=precision,  # type: ignore[arg-type]
                )
                for name, images in _detection_sets(count).items()
            }
            detector = detectors.LayerGradientDetector(flow).fit_from_norms(norms.pop("fit"))
            scores = {name: detector.predict_from_norms(value) for name, value in norms.items()}
            inside = scores.pop("textures")
            for name, outside in scores.items():
                low, high = auroc_interval(inside, outside)
                row = {"precision": precision, "ood": name, "auroc": auroc(inside, outside)}
                rows.append({**row, "low": low, "high": high, "n": count})
        return pd.DataFrame(rows), run.source


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


def _as_json(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _as_json(part) for name, part in value.items()}
    return [_as_json(part) for part in value] if isinstance(value, list | tuple) else value
