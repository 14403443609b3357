"""Pictures of one's own: every kind of file, every way in, and names of what is wrong."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import earlyglow as eg
from earlyglow.datasets import find_fingerprint
from earlyglow.datasets.sources import parse_source

RED = (200, 30, 40)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty plain pictures, each of its own colour."""
    path = tmp_path / "my birds"
    path.mkdir()
    for i in range(40):
        Image.new("RGB", (20, 20), (6 * i, 10, 10)).save(path / f"{i:02}.png")
    return path


def only(folder: Path, file: str, picture: Image.Image, **options: object) -> np.ndarray:
    """The pixels of a picture beside three black ones: the brightest."""
    folder.mkdir(exist_ok=True)
    for other in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 8)).save(folder / other)
    picture.save(folder / file, **options)
    images = eg.load_folder(folder, size=8, grey=picture.mode in ("L", "1")).images
    return images[images.flatten(1).float().sum(1).argmax()].numpy()


@pytest.mark.parametrize(
    ("file", "mode", "colour", "expected"),
    [
        ("p.png", "RGB", RED, RED),
        ("p.webp", "RGB", RED, RED),
        ("p.bmp", "RGB", RED, RED),
        ("p.tif", "RGB", RED, RED),
        ("p.gif", "P", RED, RED),
        ("p.png", "RGBA", (*RED, 255), RED),
        ("p.png", "RGBA", (*RED, 0), (255, 255, 255)),
        ("p.png", "LA", (90, 0), (255, 255, 255)),
        ("p.jpg", "CMYK", (0, 0, 0, 0), (255, 255, 255)),
        ("p.tiff", "CMYK", (0, 255, 255, 0), (255, 0, 0)),
    ],
)
def test_modes_and_formats(
    tmp_path: Path, file: str, mode: str, colour: tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    picture = Image.new("RGB" if mode == "P" else mode, (30, 20), colour)
    options = {"lossless": True} if file.endswith("webp") else {}
    pixels = only(tmp_path / "p", file, picture.quantize() if mode == "P" else picture, **options)
    assert pixels.shape == (3, 8, 8)
    assert np.abs(pixels.reshape(3, -1).T - np.array(expected)).max() <= 1


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    assert (only(tmp_path / "p", "p.png", Image.new("1", (9, 9), 1)) == 255).all()


def test_the_orientation_tag_is_obeyed(tmp_path: Path) -> None:
    """Orientation 6: the camera was turned, so that the stored left edge belongs on top."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    found = only(tmp_path / "p", "p.jpg", Image.fromarray(pixels), exif=exif, quality=100)
    assert found[:, :4].mean() > 240
    assert found[:, 4:].mean() < 15


def test_the_middle_square_is_kept(tmp_path: Path) -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    assert (only(tmp_path / "p", "p.png", Image.fromarray(pixels)) == 255).all()


def sixteen_bit() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 25700, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def animated() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in (0, 200)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def truncated() -> bytes:
    buffer = io.BytesIO()
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()[:900]


def lab() -> bytes:
    buffer = io.BytesIO()
    Image.new("LAB", (8, 8)).save(buffer, "TIFF")
    return buffer.getvalue()


def floating() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


def huge() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


BAD = {
    "16 bits": (sixteen_bit, "more than 8 bits"),
    "animated": (animated, "has 2 frames"),
    "truncated": (truncated, "cannot be decoded"),
    "LAB": (lab, "LAB for each value"),
    "floats": (floating, "more than 8 bits"),
    "huge": (huge, "more pixels than"),
    "text": (lambda: b"not a picture", "no picture that can be read"),
    "empty": (lambda: b"", "no picture that can be read"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_named(kind: str, folder: Path) -> None:
    make, words = BAD[kind]
    (folder / "odd one.png").write_bytes(make())
    with pytest.raises(eg.DatasetError, match=words) as refused:
        eg.load_folder(folder)
    assert "odd one.png" in str(refused.value)
    assert str(refused.value).count(". ") == 0


@pytest.mark.parametrize("kind", BAD)
def test_the_same_in_a_parquet_file(kind: str, tmp_path: Path) -> None:
    make, words = BAD[kind]
    path = tmp_path / "set.parquet"
    rows = [{"bytes": make(), "path": ""}] * 4
    pq.write_table(pa.table({"image": rows, "label": [0, 1, 2, 3]}), path)
    with pytest.raises(eg.DatasetError, match=words) as refused:
        eg.load_images(f"parquet:{path}", "train" if _first_half(make()) else "test")
    assert "set.parquet" in str(refused.value)


def _first_half(content: bytes) -> bool:
    import hashlib

    return hashlib.sha256(content).digest()[0] % 2 == 0


def test_sixteen_bit_colour_is_not_cut_silently(folder: Path) -> None:
    """Pillow reads a 16-bit RGB PNG as if it had 8 bits."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    row = b"\0" + struct.pack(">3H", 25700, 300, 7) * 4
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4))
        + chunk(b"IEND", b"")
    )
    (folder / "wide.png").write_bytes(png)
    with pytest.raises(eg.DatasetError, match=r"wide\.png has more than 8 bits"):
        eg.load_folder(folder)


def test_other_files_are_passed_over(folder: Path) -> None:
    for name in ("README.txt", ".DS_Store", "Thumbs.db", ".hidden.png"):
        (folder / name).write_text("no picture")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x.png").write_text("no picture")
    assert len(eg.load_folder(folder)) == 40


def test_class_folders_become_labels(tmp_path: Path) -> None:
    for place in ("owls", "gulls/herring", ""):
        (tmp_path / "p" / place).mkdir(parents=True, exist_ok=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (i, len(place), 0)).save(tmp_path / "p" / place / f"{i}.png")
    images = eg.load_folder(tmp_path / "p")
    assert sorted(images.labels.tolist()) == [-1] * 3 + [0] * 3 + [1] * 3
    owls = images.images[images.labels == 1]
    assert (owls[:, 1] == len("owls")).all()


def test_no_picture_moves_when_others_come(folder: Path) -> None:
    before = {split: eg.load_folder(folder, split=split) for split in ("train", "test")}
    for i in range(60):
        Image.new("RGB", (20, 20), (0, 0, 4 * i)).save(folder / f"{i:02} new.png")
    for split, images in before.items():
        rows = eg.load_folder(folder, split=split).images.flatten(1).tolist()
        assert all(row in rows for row in images.images.flatten(1).tolist())
    assert 10 <= len(before["train"]) <= 30
    assert len(before["train"]) + len(before["test"]) == 40


def test_train_and_test_folders_are_the_splits(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "divided"
    shutil.copytree(folder, root / "train")
    (root / "test").mkdir()
    for i in range(5):
        shutil.move(root / "train" / f"{i:02}.png", root / "test")
    assert len(eg.load_folder(root, split="train")) == 35
    assert len(eg.load_images(f"folder:{root}", "test")) == 5
    assert len(eg.load_folder(root)) == 40


def test_the_fingerprint_is_that_of_the_pixels(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    names = [f"folder:{path}?size=16" for path in (folder, tmp_path / "elsewhere")]
    first, second = (find_fingerprint(name, "test") for name in names)
    assert first == second == eg.load_folder(folder, 16, split="test").fingerprint()
    assert find_fingerprint(f"folder:{folder}?size=8", "test") != first


def test_a_changed_picture_is_read_again(folder: Path) -> None:
    before = eg.load_folder(folder, split="test").fingerprint()
    for path in folder.iterdir():
        Image.new("RGB", (20, 21), tuple(path.name.encode()[:3])).save(path)
    assert eg.load_folder(folder, split="test").fingerprint() != before


def test_a_hugging_face_column_is_a_set(tmp_path: Path) -> None:
    rows = []
    for i in range(30):
        buffer = io.BytesIO()
        Image.new("RGB", (12, 12), (8 * i, 1, 1)).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": None})
    table = pa.table({"img": rows, "label": pa.array(range(30), pa.uint8())})
    pq.write_table(table, tmp_path / "data.parquet")
    name = f"parquet:{tmp_path / 'data.parquet'}?size=12"
    both = [eg.load_images(name, split) for split in ("train", "test")]
    labels = torch.cat([images.labels for images in both])
    pixels = torch.cat([images.images[:, 0, 0, 0] for images in both])
    assert sorted(labels.tolist()) == list(range(30))
    assert (pixels.long() == 8 * labels).all()


def labelled(path: Path, labels: pa.Array) -> str:
    """A Parquet file of pictures whose first pixel is their number, and the name of its set."""
    rows = []
    for i in range(len(labels)):
        buffer = io.BytesIO()
        Image.new("L", (8, 8), i).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pa.table({"image": rows, "label": labels}), path / "data.parquet")
    return f"parquet:{path / 'data.parquet'}?size=8&grey"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array([float(i % 3) for i in range(40)]), lambda i: i % 3),
        (pa.array([i % 2 == 0 for i in range(40)]), lambda i: int(i % 2 == 0)),
        (pa.array([None, 7] * 20), lambda i: 7 if i % 2 else -1),
        (pa.array([str(i) for i in range(40)]), lambda i: i),
    ],
    ids=["whole floats", "yes or no", "some missing", "digits in words"],
)
def test_labels_that_are_whole_numbers_all_the_same(
    labels: pa.Array, expected: Callable[[int], int], tmp_path: Path
) -> None:
    images = eg.load_images(labelled(tmp_path, labels))
    assert images.labels.tolist() == [expected(i) for i in images.images[:, 0, 0, 0].tolist()]


@pytest.mark.parametrize(
    "labels",
    [
        pa.array(["cat", "dog"] * 20),
        pa.array(["cat", "dog"] * 20).dictionary_encode(),
        pa.array([0.5] * 40),
        pa.array([2**63 + 5] * 40, pa.uint64()),
        pa.array([[1, 2]] * 40),
        pa.array([1] * 40, pa.int32()).cast(pa.date32()),
    ],
    ids=["words", "coded words", "halves", "too large", "lists", "dates"],
)
def test_labels_that_are_no_whole_numbers_are_refused(labels: pa.Array, tmp_path: Path) -> None:
    with pytest.raises(eg.DatasetError, match=r"labels of .*parquet are of type .*number the"):
        eg.load_images(labelled(tmp_path, labels))


def test_an_image_that_is_only_a_path_is_refused(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = pa.array([{"bytes": None, "path": "a.png"}] * 4, kind)
    pq.write_table(pa.table({"image": rows}), tmp_path / "x.parquet")
    with pytest.raises(eg.DatasetError, match=r"row 0 of .*not embedded"):
        eg.load_images(f"parquet:{tmp_path / 'x.parquet'}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder:/no/where", "there is no folder or file '/no/where'"),
        ("folder:", "there is no folder or file ''"),
        ("folder:{}?siz=3", "has the option 'siz'"),
        ("folder:{}?size=big", "must be a whole number from 4 to 1024"),
        ("folder:{}?size=2", "must be a whole number from 4 to 1024"),
        ("folder:{}?grey=maybe", "must be true or false"),
        ("folder:{}?size=8&size=9", "gives an option twice"),
        ("parquet:{}/00.png", "no readable Parquet file"),
    ],
)
def test_names_that_cannot_be_read(name: str, words: str, folder: Path) -> None:
    with pytest.raises(eg.DatasetError, match=words):
        eg.load_images(name.format(folder))


def test_a_path_may_have_question_marks_and_drive_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "who? me&you=1"
    odd.mkdir()
    assert parse_source(f"folder:{odd}").path == odd
    assert parse_source(f"folder:{odd}?size=9&grey").shape == (1, 9, 9)
    monkeypatch.chdir(tmp_path)
    (tmp_path / r"C:\pictures").mkdir()
    assert parse_source(r"folder:C:\pictures?size=28").size == 28


def test_too_few_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    with pytest.raises(eg.DatasetError, match="are 1, but at least 4"):
        eg.load_folder(tmp_path)
    with pytest.raises(eg.DatasetError, match="there is no picture in"):
        eg.load_folder(_empty(tmp_path))


def _empty(path: Path) -> Path:
    (path / "empty").mkdir()
    return path / "empty"


def test_catalogue_knows_them_and_keeps_its_list(folder: Path) -> None:
    name = f"folder:{folder}?size=28&grey"
    assert name in eg.DATASETS
    assert eg.DATASETS[name].title == "my birds"
    assert eg.DATASETS[name].shape == (1, 28, 28)
    assert name not in list(eg.DATASETS)
    assert "folders" not in eg.DATASETS
    with pytest.raises(KeyError):
        eg.DATASETS["birds"]
