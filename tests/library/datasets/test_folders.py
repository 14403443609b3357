"""What lies in people's folders beside plain pictures."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from PIL import Image

import earlyglow as eg


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "pictures"
    path.mkdir()
    for i in range(12):
        coloured(6 * i).save(path / f"{i:02}.png")
    return path


def coloured(red: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (red, 10, 10))


def count(folder: Path) -> int:
    return len(eg.load_folder(folder, size=8))


def test_of_a_camera_s_jpeg_with_its_preview_the_picture_is_taken(folder: Path) -> None:
    preview = [Image.new("RGB", (4, 4))]
    coloured(250).save(folder / "z.jpg", "MPO", save_all=True, append_images=preview)
    images = eg.load_folder(folder, size=8).images
    assert len(images) == 13
    assert images[-1, 0].float().mean() > 230


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"P5 1 1 9 a"]
)
def test_no_file_is_taken_for_another_format_than_a_picture_s(folder: Path, content: bytes) -> None:
    (folder / "x.png").write_bytes(content)
    with pytest.raises(eg.DatasetError, match=r"x\.png is no picture that can be read"):
        count(folder)


def test_links_are_followed_but_not_in_circles(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for i in range(3):
        coloured(200 + i).save(elsewhere / f"{i}.png")
    (folder / "class").symlink_to(elsewhere)
    (folder / "up").symlink_to(folder)
    (elsewhere / "back").symlink_to(folder)
    (folder / "single.png").symlink_to(elsewhere / "0.png")
    found = eg.load_folder(folder, size=8)
    assert len(found) == 12 + 3 + 1
    assert sorted(set(found.labels.tolist())) == [-1, 0]


@pytest.mark.parametrize("way", ["folder", "name"])
def test_a_link_that_leads_nowhere_is_named(folder: Path, way: str) -> None:
    (folder / "gone.png").symlink_to("/nowhere/at/all.png")
    with pytest.raises(eg.DatasetError, match=r"gone\.png cannot be read"):
        count(folder) if way == "folder" else eg.load_images(f"folder:{folder}?size=8", "train")


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert count(folder) == 12


@pytest.mark.parametrize("hidden", [".a.png", "__MACOSX/a.png", "@eaDir/a.jpg", ".git/a.gif"])
def test_what_systems_leave_behind_is_passed_over(folder: Path, hidden: str) -> None:
    (folder / hidden).parent.mkdir(exist_ok=True)
    (folder / hidden).write_bytes(b"\0\5\x16\7")
    for other in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (folder / other).write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert count(folder) == 12


def test_pictures_of_kinds_that_are_not_read_are_counted(folder: Path) -> None:
    for name in ("b.HEIC", "a.heic"):
        (folder / name).write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.warns(UserWarning, match=r"2 pictures .* left out, the first of them .*a\.heic"):
        assert count(folder) == 12


def test_names_that_are_no_text_can_be_loaded_and_shown(folder: Path) -> None:
    good, broken = (os.fsencode(folder) + name for name in (b"/good\xff.png", b"/bad\xff.png"))
    Path(os.fsdecode(good)).write_bytes((folder / "00.png").read_bytes())
    name = f"folder:{folder}?size=8"
    assert len(eg.load_images(name, "train")) + len(eg.load_images(name, "test")) == 13
    Path(os.fsdecode(broken)).write_bytes(b"x")
    with pytest.raises(eg.DatasetError) as caught:
        count(folder)
    assert "bad?.png" in str(caught.value).encode().decode()


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(eg.DatasetError, match="is no folder; for a Parquet file"):
        eg.load_images(f"folder:{folder / '00.png'}", "train")


@pytest.mark.parametrize("other", ["val", "Validation", "dev"])
def test_a_held_out_folder_of_another_name_is_not_mixed_in(folder: Path, other: str) -> None:
    for part in ("train", other):
        (folder / part).mkdir()
        for i in range(4):
            coloured(20 * i).save(folder / part / f"{i}.png")
    with pytest.raises(eg.DatasetError, match=f"rename {other} to test"):
        count(folder)
    assert count(folder / "train") == 4
    (folder / other).rename(folder / "test")
    assert len(eg.load_folder(folder, size=8, split="test")) == 4


def test_val_may_be_a_class_beside_others(folder: Path) -> None:
    (folder / "val").mkdir()
    coloured(250).save(folder / "val" / "a.png")
    assert count(folder) == 13


@pytest.mark.parametrize("grey", ["no", "false", None, 2])
def test_grey_is_true_or_false(folder: Path, grey: object) -> None:
    with pytest.raises(eg.DatasetError, match=r"grey is .*True or False"):
        eg.load_folder(folder, size=8, grey=grey)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [None, 3, ["a", "b"]])
def test_a_folder_is_a_path(path: object) -> None:
    with pytest.raises(eg.DatasetError, match="but a path is needed"):
        eg.load_folder(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["{}", "Folder:{}", "folder {}", "./pictures", "C:\\pictures"])
def test_a_path_where_a_name_should_be_is_told_what_to_write(folder: Path, way: str) -> None:
    with pytest.raises(eg.DatasetError, match="write folder:PATH"):
        eg.load_images(way.format(folder), "train")


@pytest.mark.parametrize("name", ["mnits", "", None, 5])
def test_a_misspelt_name_is_not_taken_for_a_path(name: object) -> None:
    with pytest.raises(eg.DatasetError) as refused:
        eg.load_images(name, "train")  # type: ignore[arg-type]
    assert "folder:PATH" not in str(refused.value)


def test_a_cache_that_cannot_be_made_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLYGLOW_CACHE", str(folder / "00.png"))
    with pytest.raises(eg.DatasetError, match="let EARLYGLOW_CACHE name another folder"):
        eg.load_folder(folder, split="train")
