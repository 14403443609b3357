"""Image sets, their sources in order, and what is refused."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scipy import stats

from earlyglow.datasets import (
    DATASETS,
    DatasetError,
    ImageSet,
    centre,
    dequantize,
    find_fingerprint,
    halves,
    load_images,
    quantize,
    require_available,
    subset,
)
from earlyglow.datasets.parquet import read_parquet, recorded_fingerprint, write_parquet


def some_images(name: str, count: int = 6, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, *DATASETS[name].shape)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(count), name, "test")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data: an empty cache and no data folder."""
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EARLYGLOW_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_parquet_of_the_data_folder(
    name: str, form: str, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels in the layout of a Hugging Face image column come back exactly."""
    expected = some_images(name)
    encoded = []
    for image in expected.images.numpy():
        # The grey sets are stored as colour images with equal channels.
        pixels = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)
        path = empty / "one"
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, format=form, lossless=True)
        encoded.append({"bytes": path.read_bytes(), "path": ""})
    folder = empty / "data" / name
    folder.mkdir(parents=True)
    table = pa.table({"image": encoded, "label": expected.labels.numpy()})
    pq.write_table(table, folder / "test.parquet")
    monkeypatch.setenv("EARLYGLOW_DATA", str(empty / "data"))
    found = load_images(name)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)
    assert len(load_images(name, limit=2)) == 2
    assert find_fingerprint(name, "test") == expected.fingerprint()
    # The second time from the memo.
    assert find_fingerprint(name, "test") == expected.fingerprint()


def test_the_data_folder_comes_before_the_cache(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache, in_data = some_images("mnist", seed=1), some_images("mnist", seed=2)
    write_parquet(empty / "cache/datasets/mnist/test.parquet", in_cache)
    assert torch.equal(load_images("mnist").images, in_cache.images)
    write_parquet(empty / "data/mnist/test.parquet", in_data)
    monkeypatch.setenv("EARLYGLOW_DATA", str(empty / "data"))
    assert torch.equal(load_images("mnist").images, in_data.images)


def test_embedded_sets_need_nothing(empty: Path) -> None:
    digits, textures = load_images("digits", "train"), load_images("textures")
    assert digits.images.shape == (1000, 1, 8, 8)
    assert textures.images.shape == (1000, 3, 32, 32)
    assert set(textures.labels.tolist()) == {0, 1, 2, 3, 4}
    assert torch.equal(load_images("textures").images, textures.images)
    assert not list(empty.iterdir())


def test_embedded_splits_do_not_share_images() -> None:
    for name in ("digits", "textures"):
        train = {image.numpy().tobytes() for image in load_images(name, "train").images}
        test = {image.numpy().tobytes() for image in load_images(name, "test").images}
        assert not train & test


@pytest.mark.parametrize(
    ("name", "split", "match"),
    [
        ("cifar", "test", r"no data set 'cifar'.*Did you mean 'cifar10'\?"),
        ("mnist", "validation", "no split 'validation'; there are: train, test"),
        ("tiny_imagenet", "test", r"torchvision does not offer.*EARLYGLOW_DATA/tiny_imagenet"),
    ],
)
def test_missing_sets_say_what_to_do(name: str, split: str, match: str, empty: Path) -> None:
    with pytest.raises(DatasetError, match=match):
        load_images(name, split)


def test_a_failed_download_says_what_to_do(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import SVHN

    # The address is refused at once on a machine with or without a network.
    address = ("http://127.0.0.1:9/test_32x32.mat", "test_32x32.mat", "0" * 32)
    monkeypatch.setitem(SVHN.split_list, "test", address)
    with pytest.raises(DatasetError, match=r"could not download.*svhn/test\.parquet"):
        load_images("svhn")
    assert not (empty / "cache/datasets/svhn/test.parquet").exists()


def test_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        load_images("digits", limit=0)


def test_wrong_shape_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", some_images("mnist"))
    with pytest.raises(DatasetError, match=r"shape \(3, 28, 28\).*\(3, 32, 32\)"):
        read_parquet(tmp_path / "x.parquet", "cifar10", "test", (3, 32, 32), None)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, some_images("mnist"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        read_parquet(path, "mnist", "test", (1, 28, 28), None)
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        recorded_fingerprint(path)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"picture": [1]}), path)
    with pytest.raises(DatasetError, match="'image'"):
        read_parquet(path, "mnist", "test", (1, 28, 28), None)


def test_undecodable_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": [{"bytes": b"no", "path": ""}], "label": [0]}), path)
    with pytest.raises(DatasetError, match=r"row 0 of .*x\.parquet is no picture"):
        read_parquet(path, "mnist", "test", (1, 28, 28), None)


def test_wrong_recorded_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, some_images("mnist", seed=1))
    recorded = pq.read_schema(path).metadata
    write_parquet(path, some_images("mnist", seed=2))
    pq.write_table(pq.read_table(path).replace_schema_metadata(recorded), path)
    with pytest.raises(DatasetError, match="do not match the checksum"):
        read_parquet(path, "mnist", "test", (1, 28, 28), None)


def test_listed_checksum(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = empty / "data/mnist/test.parquet"
    write_parquet(path, some_images("mnist"))
    monkeypatch.setenv("EARLYGLOW_DATA", str(empty / "data"))
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    (empty / "data/SHA256SUMS").write_text(f"{right}  mnist/test.parquet\n")
    assert len(load_images("mnist")) == 6
    # sha256sum writes an asterisk for a file that it read as binary.
    for mark in (" ", "*"):
        (empty / "data/SHA256SUMS").write_text(f"{'0' * 64} {mark}mnist/test.parquet\n")
        with pytest.raises(DatasetError, match="SHA-256"):
            load_images("mnist")


def test_image_set_refuses_other_types() -> None:
    with pytest.raises(ValueError, match="uint8"):
        ImageSet(torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), "x", "test")
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="2 images need int64"):
        ImageSet(images, torch.zeros(3, dtype=torch.int64), "x", "test")


def test_matched_to_changes_colour_and_size() -> None:
    grey = torch.full((2, 1, 8, 8), 77, dtype=torch.uint8)
    images = ImageSet(grey, torch.zeros(2, dtype=torch.int64), "digits", "test")
    colour = images.matched_to((3, 32, 32)).images
    assert colour.shape == (2, 3, 32, 32)
    assert (colour == 77).all()
    back = images.matched_to((3, 32, 32)).matched_to((1, 8, 8)).images
    assert (back.int() - 77).abs().max() <= 1


def test_inverted_twice_is_the_same() -> None:
    images = some_images("omniglot")
    assert torch.equal(images.inverted().images, 255 - images.images)
    assert torch.equal(images.inverted().inverted().images, images.images)


def test_halves_are_a_fixed_partition() -> None:
    fit, evaluate = halves(101)
    assert len(fit) == 50
    assert sorted(torch.cat((fit, evaluate)).tolist()) == list(range(101))
    assert torch.equal(halves(101)[0], fit)
    assert len(set(subset(10, 4).tolist())) == 4
    with pytest.raises(ValueError, match="count is 1"):
        halves(1)


def test_dequantize_stays_in_its_cell_and_leaves_the_input() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(40, 3, 1, 1)
    before = images.clone()
    x = dequantize(images, seed=5)
    assert x.dtype == torch.float32
    assert torch.equal(images, before)
    assert torch.equal(((x + 0.5) * 256).floor().to(torch.uint8), images)
    assert x.max() < 0.5
    assert x.min() >= -0.5


def test_dequantize_noise_depends_on_seed_and_index_alone() -> None:
    images = load_images("digits", limit=20).images
    whole = dequantize(images, seed=3)
    part = dequantize(images[[7, 2]], seed=3, indices=torch.tensor([7, 2]))
    assert torch.equal(part, whole[[7, 2]])
    assert not torch.equal(dequantize(images, seed=4), whole)
    assert torch.equal(dequantize(images, seed=-(2**70) + 3), dequantize(images, seed=3 - 2**70))


def test_dequantize_noise_is_uniform_and_uncorrelated() -> None:
    noise = (dequantize(torch.zeros(64, 3, 16, 16, dtype=torch.uint8)) + 0.5) * 256
    assert stats.kstest(noise.flatten()[:20_000].numpy(), "uniform").pvalue > 1e-3
    table = np.corrcoef(noise.flatten(1).numpy())
    assert np.abs(table - np.eye(64)).max() < 0.2
    seeds = [dequantize(torch.zeros(1, 1, 64, 64, dtype=torch.uint8), s).flatten() for s in (0, 1)]
    assert abs(np.corrcoef(torch.stack(seeds).numpy())[0, 1]) < 0.06


def test_dequantize_refuses_other_input() -> None:
    with pytest.raises(TypeError, match="uint8"):
        dequantize(torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="indices"):
        dequantize(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), indices=torch.arange(3))


def test_centre_is_dequantize_without_noise() -> None:
    images = load_images("digits", limit=3).images
    assert torch.equal(centre(images), images.float() / 256 - 0.5)


def test_quantize_gives_the_grey_levels_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(quantize(dequantize(levels, seed=3)), levels)
    assert torch.equal(quantize(centre(levels)), levels)
    outside = torch.tensor([[-9.0, 9.0, float("inf"), float("nan")]])
    assert quantize(outside).tolist() == [[0, 255, 255, 128]]


def test_a_seed_of_numpy_is_a_seed() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert torch.equal(dequantize(images, np.int64(-3)), dequantize(images, -3))


def test_an_image_set_says_what_it_is() -> None:
    images = some_images("cifar10")
    assert repr(images) == "ImageSet(cifar10, test: 6 images of 3×32×32)"
    assert images == images
    assert images != some_images("cifar10")


@pytest.mark.parametrize(
    ("images", "labels", "error", "match"),
    [
        (np.zeros((2, 1, 8, 8), np.uint8), torch.zeros(2).long(), TypeError, "the images of mine"),
        (torch.zeros(2, 1, 8, 8).byte(), np.zeros(2, np.int64), TypeError, "the labels of mine"),
        (
            torch.zeros(2, 8, 8, 3).byte(),
            torch.zeros(2).long(),
            ValueError,
            r"permute\(0, 3, 1, 2\)",
        ),
    ],
)
def test_image_set_refuses_arrays_and_channels_at_the_end(
    images: object, labels: object, error: type, match: str
) -> None:
    with pytest.raises(error, match=match):
        ImageSet(images, labels, "mine", "test")  # type: ignore[arg-type]


def test_only_a_shape_of_three_numbers_can_be_matched() -> None:
    with pytest.raises(ValueError, match=r"image_shape is \(8, 8\)"):
        some_images("mnist").matched_to((8, 8))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8])
def test_noise_does_not_depend_on_the_type_of_an_index(kind: torch.dtype) -> None:
    images, indices = some_images("mnist").images, torch.tensor([5, 2, 90, 7, 8, 9])
    assert torch.equal(dequantize(images, 3, indices.to(kind)), dequantize(images, 3, indices))


def test_only_tensors_are_dequantised() -> None:
    with pytest.raises(TypeError, match=r"of type ImageSet.*dequantize\(image_set.images\)"):
        dequantize(some_images("mnist"))  # type: ignore[arg-type]


def test_labels_that_are_missing_or_words(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing labels are unknown ones; words are refused by the file's name."""
    path = empty / "data/mnist/test.parquet"
    write_parquet(path, some_images("mnist", count=2))
    monkeypatch.setenv("EARLYGLOW_DATA", str(empty / "data"))
    column = pq.read_table(path).column("image")
    pq.write_table(pa.table({"image": column, "label": pa.array([None, 3])}), path)
    assert load_images("mnist").labels.tolist() == [-1, 3]
    pq.write_table(pa.table({"image": column, "label": ["zero", "one"]}), path)
    with pytest.raises(DatasetError, match=r"mnist/test.parquet is not.*'label' \(integers"):
        load_images("mnist")


def test_a_data_folder_that_is_not_there_is_named(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_DATA", "/nowhere")
    with pytest.raises(
        DatasetError, match=r"'/nowhere', which is no folder.*at /nowhere/notmnist/test.parquet"
    ):
        require_available("notmnist", "test")
    require_available("digits", "test")
    require_available("mnist", "train")


def test_labels_of_any_integer_type_are_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (28, 28)).save(buffer, "PNG")
    rows = [{"bytes": buffer.getvalue(), "path": ""}] * 3
    for kind in (pa.uint8(), pa.int32(), pa.uint64()):
        path = tmp_path / f"{kind}.parquet"
        pq.write_table(pa.table({"image": rows, "label": pa.array([1, None, 200], kind)}), path)
        assert read_parquet(path, "mnist", "test", (1, 28, 28), None).labels.tolist() == [
            1,
            -1,
            200,
        ]
