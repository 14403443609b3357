"""A study of a tiny flow, and the flow, to compute its numbers from scratch."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.datasets.image_set import ImageSet
from earlyglow.training import load_weights
from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs.measuring import noise_seed
from earlyglow_book.flow_runs.study import FlowStudy
from earlyglow_book.tables.aurocs import select

SMOKE: dict[str, Any] = {"id_dataset": "digits", "profile": "smoke", "seed": 3}


def sweep_aurocs(study: FlowStudy, detector: str, objective: str, size: int = 1) -> pd.Series:
    sweep = EpochSweep(study.id_dataset, profile=study.profile, seed=study.seed, model=study.model)
    table = result_of(sweep).tables["aurocs"]
    return select(table, detector, objective, size).set_index("epoch")["auroc"]


def flow_and_sets(study: FlowStudy) -> tuple[eg.Flow, dict[str, ImageSet], dict[str, torch.Tensor]]:
    """The flow of the last epoch, the images, and the images as they were measured."""
    run = study.run.train(cache_folder())
    flow = study.run.spec.build(study.seed)
    load_weights(flow, run.checkpoints[study.run.epochs[-1]])
    sets = study.run.load_sets()
    pixels = {
        name: eg.dequantize(images.images, seed=noise_seed(images, study.seed))
        for name, images in sets.items()
    }
    return flow.eval(), sets, pixels
