"""What the layers' norms look like: how they move together, where OOD images lie, and a control.

The control reads the norms of the layers' outputs where the score reads those of their gradients.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.tools import measuring, reading, stored
from earlyglow_book.deferred import np, pd, torch
from earlyglow_book.flow_runs.plan_study import TwoEpochStudy
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.study import Checkpoints, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables

if TYPE_CHECKING:
    from torch import Tensor

    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint

_AXES = 20
_CHUNK = 250


@parameters
class NormGeometry(TwoEpochStudy):
    """The norms of one flow at an early epoch and the last."""

    name: ClassVar[str] = "norm_geometry"
    version: ClassVar[int] = 1

    id_dataset: IdDataset = "mnist"

    def settings(self) -> dict[str, Any]:
        return {"axes": _AXES, "epochs_read": list(self.read_epochs)}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        parts: dict[str, list[pd.DataFrame]] = defaultdict(list)
        for checkpoint in checkpoints:
            for name, table in self._of_checkpoint(checkpoint, sets).items():
                parts[name].append(table.assign(epoch=checkpoint.epoch))
        return stored.joined_parts(parts)

    def _of_checkpoint(self, checkpoint: MeasuredCheckpoint, sets: Sets) -> Tables:
        norms = {name: values for name, values in checkpoint.norms().items() if name in sets}
        detector = checkpoint.gradient_detector()
        z = {name: detector.standardised(values) for name, values in norms.items()}
        kept = [n for n in detector.names if n not in detector.dropped]
        outputs = {
            name: output_norms(checkpoint.flow, measuring.noisy_pixels(images, self.seed))
            for name, images in sets.items()
        }
        return {
            "correlation": block_correlations(z[FIT], [block(name) for name in kept]),
            "axes": axis_rows(z),
            "shift": shift_rows(z, self.id_dataset),
            "outputs": self._output_rows(checkpoint.flow, outputs),
        }

    def _output_rows(self, flow: eg.Flow, outputs: dict[str, Tensor]) -> pd.DataFrame:
        """AUROCs of the readings when they read output norms."""
        detectors = {
            reading.PAPER: eg.LayerGradientDetector(flow),
            reading.NEIGHBOURS: eg.LayerNeighbourDetector(flow),
        }
        scores = {n: measuring.fitted_scores(d, outputs) for n, d in detectors.items()}
        return reading.auroc_rows(scores, "", 1, self.id_dataset)


def block(name: str) -> str:
    """The part of the flow that a tensor belongs to: "level 1 coupling", "prior", "shift net"."""
    found = re.match(r"levels\.(\d+)\.steps\.\d+\.steps\.(\d)\.(\w+)", name)
    if found:
        level, place, module = found.groups()
        kind = "coupling" if place == "1" else {"norm": "actnorm", "conv": "1×1"}[module]
        return f"level {int(level) + 1} {kind}"
    if "prior" in name:
        return "prior"
    parts = name.split(".")
    return f"{parts[1].replace('_', ' ')} net" if parts[0] == "coupling" else parts[0]


def block_correlations(z: Tensor, blocks: list[str]) -> pd.DataFrame:
    """Mean correlation between the log norms of two blocks' tensors: columns first, second, value.

    A tensor is not compared with itself.

    Args:
        z: standardised log norms of the fit images (N, L).
        blocks: the block of each tensor (L,).
    """
    correlation = np.corrcoef(z.cpu().numpy(), rowvar=False)
    np.fill_diagonal(correlation, np.nan)
    names, places = list(dict.fromkeys(blocks)), np.array(blocks)
    rows = []
    for first in names:
        for second in names:
            part = correlation[np.ix_(places == first, places == second)]
            value = float(np.nanmean(part)) if np.isfinite(part).any() else np.nan
            rows.append({"first": first, "second": second, "value": value})
    return pd.DataFrame(rows)


def axis_rows(z: dict[str, Tensor]) -> pd.DataFrame:
    """Where each set lies along the fit images' leading axes, in the fit images' deviations.

    An axis points to where norms are larger, on average over tensors.

    Returns:
        Columns dataset, axis (from 1), share (of the fit images' variance), mean, deviation.
    """
    fit = z[FIT]
    axes, _ = reading.principal_axes(fit, min(_AXES, len(fit) - 1, fit.shape[1]))
    axes = axes * torch.where(axes.sum(1, keepdim=True) < 0, -1.0, 1.0)
    spread = (fit @ axes.T).std(0)
    share = spread.square() / fit.var(0).sum()
    rows = []
    for name, values in z.items():
        along = (values @ axes.T) / spread
        for axis in range(len(axes)):
            facts = {"mean": along[:, axis].mean().item(), "deviation": along[:, axis].std().item()}
            rows.append({"dataset": name, "axis": axis + 1, "share": share[axis].item(), **facts})
    return pd.DataFrame(rows)


def shift_rows(z: dict[str, Tensor], id_dataset: str) -> pd.DataFrame:
    """How much of the sum of squares is the shift that all tensors share, and what each part tells.

    With m the mean of z over the L tensors, the sum of squares is L m² plus the sum of squares
    about m.

    Returns:
        Columns ood, share_id, share_ood (of the sums of squares, means over images), auroc_all,
        auroc_shift, auroc_rest.
    """
    whole = {name: values.square().sum(1) for name, values in z.items() if name != FIT}
    shift = {name: z[name].shape[1] * z[name].mean(1).square() for name in whole}
    rest = {name: whole[name] - shift[name] for name in whole}
    share = {name: (shift[name].mean() / whole[name].mean()).item() for name in whole}
    return pd.DataFrame(
        {
            "ood": name,
            "share_id": share[id_dataset],
            "share_ood": share[name],
            "auroc_all": eg.auroc(whole[id_dataset], whole[name]),
            "auroc_shift": eg.auroc(shift[id_dataset], shift[name]),
            "auroc_rest": eg.auroc(rest[id_dataset], rest[name]),
        }
        for name in whole
        if name != id_dataset
    )


def output_norms(flow: eg.Flow, x: Tensor) -> Tensor:
    """Squared L2 norms (N, L) of the output of the layer that owns each parameter tensor.

    Where a layer is not called by itself, the smallest part of the flow that holds it is taken; a
    layer that is used several times counts with the sum. Images are (N, C, H, W).
    """
    owners = [name.rpartition(".")[0] for name, _ in flow.named_parameters()]
    found: dict[str, Tensor] = {}

    def hook_of(name: str) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            squared = first.double().flatten(1).square().sum(1)
            found[name] = found[name] + squared if name in found else squared

        return keep

    handles = [m.register_forward_hook(hook_of(n)) for n, m in flow.named_modules() if n]
    device, parts = next(flow.parameters()).device, []
    try:
        with torch.no_grad():
            for chunk in x.split(_CHUNK):
                found.clear()
                flow.log_prob(chunk.to(device))
                parts.append(torch.stack([found[_called(owner, found)] for owner in owners], 1))
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(parts).cpu()


def _called(owner: str, found: dict[str, Tensor]) -> str:
    """The owner itself, or the smallest part around it that was called."""
    while owner not in found:
        owner = owner.rpartition(".")[0]
    return owner
