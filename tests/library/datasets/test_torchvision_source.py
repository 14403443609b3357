"""The torchvision route on tiny files, each in its set's own format."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision import datasets as tv

from earlyglow.datasets import DATASETS, DatasetError, embedded, load_images, torchvision_source

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of the MNIST family: magic number, sizes, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        (torchvision_source.mnist, "MNIST"),
        (torchvision_source.fashion_mnist, "FashionMNIST"),
        (torchvision_source.kmnist, "KMNIST"),
    ],
)
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_mnist_family(
    source: Callable,
    folder: str,
    split: str,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torchvision_source, "DEBIAN_FASHION_MNIST", tmp_path / "nowhere")
    images, labels = pixels(5, 28, 28), np.arange(5, dtype=np.uint8)
    for some in ("train", "t10k"):
        write_idx(tmp_path / folder / "raw" / f"{some}-images-idx3-ubyte", images)
        write_idx(tmp_path / folder / "raw" / f"{some}-labels-idx1-ubyte", labels)
    write_idx(tmp_path / folder / "raw" / f"{prefix}-images-idx3-ubyte", 255 - images)
    found, found_labels = source(tmp_path, split, False)
    assert found.shape == (5, 1, 28, 28)
    assert torch.equal(found[:, 0], torch.from_numpy(255 - images))
    assert found_labels.dtype == torch.int64
    assert found_labels.tolist() == [0, 1, 2, 3, 4]


def test_debian_package_of_fashion_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    images, labels = pixels(4, 28, 28), np.arange(4, dtype=np.uint8)
    resources = []
    for prefix in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            raw = tmp_path / "raw"
            write_idx(raw, array)
            name = f"{prefix}-{kind}-ubyte.gz"
            (package / name).write_bytes(gzip.compress(raw.read_bytes()))
            digest = hashlib.md5((package / name).read_bytes()).hexdigest()  # noqa: S324
            resources.append((name, digest))
    monkeypatch.setattr(torchvision_source, "DEBIAN_FASHION_MNIST", package)
    monkeypatch.setattr(tv.FashionMNIST, "resources", resources)
    monkeypatch.setattr(tv.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    found, _ = torchvision_source.fashion_mnist(tmp_path / "unused", "test", True)
    assert torch.equal(found[:, 0], torch.from_numpy(images))


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pixels(4, 3072)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {"data": data, "labels": [3, 1, 4, 1]}
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a"] * 10}))
    monkeypatch.setattr(tv.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(tv.cifar, "check_integrity", lambda *args: True)
    images, labels = torchvision_source.cifar10(tmp_path, "test", False)
    assert torch.equal(images, torch.from_numpy(data.reshape(4, 3, 32, 32)))
    assert labels.tolist() == [3, 1, 4, 1]


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pixels(32, 32, 3, 4)
    # The files label the digit 0 as 10.
    savemat(tmp_path / "test_32x32.mat", {"X": data, "y": np.array([[10], [1], [2], [3]])})
    monkeypatch.setattr(tv.SVHN, "_check_integrity", lambda self: True)
    images, labels = torchvision_source.svhn(tmp_path, "test", False)
    assert torch.equal(images, torch.from_numpy(data.transpose(3, 2, 0, 1).copy()))
    assert labels.tolist() == [0, 1, 2, 3]


def test_gtsrb(tmp_path: Path) -> None:
    root = tmp_path / "gtsrb" / "GTSRB"
    (root / "Final_Test" / "Images").mkdir(parents=True)
    flat = np.full((50, 40, 3), 90, np.uint8)
    exact = pixels(32, 32, 3)
    for name, image in (("00000.ppm", flat), ("00001.ppm", exact)):
        Image.fromarray(image).save(root / "Final_Test" / "Images" / name)
    lines = [
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId",
        "00000.ppm;40;50;5;5;35;45;16",
        "00001.ppm;32;32;5;5;27;27;1",
    ]
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text("\n".join(lines))
    images, labels = torchvision_source.gtsrb(tmp_path, "test", False)
    assert images.shape == (2, 3, 32, 32)
    assert (images[0] == 90).all()
    # An image that already has the size is not changed, so the grid is not shifted.
    assert torch.equal(images[1], torch.from_numpy(exact.transpose(2, 0, 1).copy()))
    assert labels.tolist() == [16, 1]


def test_gtsrb_resize_is_bilinear_without_antialias(tmp_path: Path) -> None:
    """Against torch's bilinear interpolation on a picture that has to shrink."""
    root = tmp_path / "gtsrb" / "GTSRB" / "Final_Test" / "Images"
    root.mkdir(parents=True)
    image = pixels(80, 96, 3)
    Image.fromarray(image).save(root / "00000.ppm")
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId", "00000.ppm;96;80;;;;;0"]
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text("\n".join(lines))
    found, _ = torchvision_source.gtsrb(tmp_path, "test", False)
    as_floats = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float()
    expected = torch.nn.functional.interpolate(
        as_floats, (32, 32), mode="bilinear", align_corners=False, antialias=False
    )
    assert (found.float() - expected).abs().max() <= 1.0


def test_celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    image = np.full((218, 178, 3), 10, np.uint8)
    image[40:188, 15:163] = 200  # the released code's crop box
    names = ["000001.jpg", "000002.jpg", "000003.jpg"]
    for name in names:
        Image.fromarray(image).save(folder / "img_align_celeba" / name, quality=100)
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 2\n000003.jpg 2\n")
    (folder / "identity_CelebA.txt").write_text("".join(f"{name} 1\n" for name in names))
    for file, columns in (("bbox", 4), ("landmarks_align", 10), ("attr", 40)):
        rows = [f"{name} {' '.join(['1'] * columns)}" for name in names]
        header = " ".join(f"c{i}" for i in range(columns))
        text = "\n".join(["3", header, *rows]) + "\n"
        (folder / f"list_{file}_celeba.txt").write_text(text)
    monkeypatch.setattr(tv.CelebA, "_check_integrity", lambda self: True)
    images, labels = torchvision_source.celeba(tmp_path, "test", False)
    assert images.shape == (2, 3, 32, 32)
    assert labels.tolist() == [-1, -1]
    # Nothing from outside of the box comes in: every pixel is bright.
    assert images.min() > 180


def test_omniglot_is_white_on_black(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = np.full((105, 105), 255, np.uint8)
    page[40:60, 20:80] = 0  # a black stroke, as in the original files
    folder = tmp_path / "omniglot-py" / "images_evaluation" / "Alphabet" / "character01"
    folder.mkdir(parents=True)
    Image.fromarray(page).convert("1").save(folder / "0001_01.png")
    monkeypatch.setattr(tv.Omniglot, "_check_integrity", lambda self: True)
    images, labels = torchvision_source.omniglot(tmp_path, "test", False)
    assert images.shape == (1, 1, 28, 28)
    assert labels.tolist() == [0]
    assert images[0, 0, 13, 13] == 255
    assert images[0, 0, 0, 0] == 0


def test_a_download_is_cached_as_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call reads the cache: the source is gone by then."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    images = torch.from_numpy(pixels(3, 1, 28, 28))

    def source(root: Path, split: str, download: bool) -> tuple[torch.Tensor, torch.Tensor]:
        return images, torch.arange(3)

    def gone(root: Path, split: str, download: bool) -> tuple[torch.Tensor, torch.Tensor]:
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision_source, "mnist", source)
    assert torch.equal(load_images("mnist").images, images)
    monkeypatch.setattr(torchvision_source, "mnist", gone)
    assert torch.equal(load_images("mnist").images, images)
    with pytest.raises(DatasetError, match="no network"):
        load_images("mnist", "train")


@pytest.mark.parametrize("name", DATASETS)
def test_every_set_has_the_function_of_its_origin(name: str) -> None:
    modules = {"torchvision": torchvision_source, "embedded": embedded}
    module = modules.get(DATASETS[name].origin)
    assert module is None or callable(getattr(module, name))
