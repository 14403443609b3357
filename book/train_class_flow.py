"""Train the flow that the package ships for classes, and record what it says of real images.

Needs Fashion-MNIST, MNIST, KMNIST and Omniglot, and half an hour of one core:
``OMP_NUM_THREADS=1 python book/train_class_flow.py``. The files go to where the package reads them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor

import earlyglow as eg
from earlyglow_book.classroom import flow


def recorded_images() -> dict[str, Tensor]:
    """Dequantised test images of each set, as many as are recorded; no image is in two sets."""
    id_images = eg.load_images(flow.ID_DATASET, "test").images
    chosen = {"fit": id_images[eg.halves(len(id_images))[0]]}
    chosen["eval"] = id_images[eg.halves(len(id_images))[1]]
    for name in list(flow.RECORDED)[2:]:
        images = eg.load_images(name, "test").images
        chosen[name] = images[eg.subset(len(images), len(images))]
    return {
        name: eg.dequantize(images[: flow.RECORDED[name]], seed=seed)
        for seed, (name, images) in enumerate(chosen.items(), start=1)
    }


def main() -> None:
    flow.FOLDER.mkdir(exist_ok=True)
    train_set = eg.load_images(flow.ID_DATASET, "train")
    with tempfile.TemporaryDirectory() as folder:
        run = eg.train(flow.build(), train_set, flow.TRAINING, Path(folder), torch.device("cpu"))
        for epoch, path in run.checkpoints.items():
            shutil.copy(path, flow.checkpoint(epoch))
    images = recorded_images()
    for epoch in flow.EPOCHS:
        flow.save_record(flow.record(flow.load(epoch), images), epoch)


if __name__ == "__main__":
    main()
