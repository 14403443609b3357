"""Fill a folder from which laptops install earlyglow without a network."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
# Newest first; a wheel for an older system runs on a newer one.
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)),
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
    "any",
)


def run(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True, cwd=ROOT)


def uv(*arguments: str | Path) -> None:
    run(sys.executable, "-m", "uv", *arguments)


def pinned(folder: Path, wheel: Path, python: str, torch_index: str) -> Path:
    """Requirements of the wheel with JupyterLab, every version as ``uv.lock`` has it.

    uv works out the markers for ``python``; pip would take those of the running one.
    """
    locked, wanted = folder / "locked.txt", folder / "wanted.txt"
    uv("export", "--quiet", "--frozen", "--no-hashes", "--no-emit-project", "--all-extras",
       "--no-annotate", "-o", locked)  # fmt: skip
    wanted.write_text(f"{wheel}[lab]\n")
    found = folder / f"python-{python}.txt"
    uv("pip", "compile", wanted, "--quiet", "--constraints", locked, "--python-version", python,
       "--python-platform", "x86_64-manylinux_2_28", "--no-annotate", "--no-header", "-o", found,
       *_extra_index(torch_index, "--index-strategy", "unsafe-best-match"))  # fmt: skip
    lines = found.read_text().splitlines()
    found.write_text("".join(f"{line}\n" for line in lines if not line.startswith("earlyglow")))
    locked.unlink()
    wanted.unlink()
    return found


def download(house: Path, requirements: Path, python: str, torch_index: str) -> None:
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    run(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
        "--progress-bar", "off", "--only-binary", ":all:", "--python-version", python, *platforms,
        *_extra_index(torch_index), "--dest", house, "--requirement", requirements)  # fmt: skip


def _extra_index(torch_index: str, *with_it: str) -> list[str]:
    return ["--extra-index-url", torch_index, *with_it] if torch_index else []


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("house", type=Path, help="the folder")
    parser.add_argument("--pythons", default=",".join(PYTHONS), help="versions, with commas")
    parser.add_argument(
        "--torch-index", default="", help="an index of CPU builds of torch, which are smaller"
    )
    asked = parser.parse_args()
    house = asked.house.resolve()
    house.mkdir(parents=True, exist_ok=True)
    uv("build", "--quiet", "--wheel", "--out-dir", house)
    wheel = max(house.glob("earlyglow-*.whl"), key=lambda path: path.stat().st_mtime)
    for python in asked.pythons.split(","):
        requirements = pinned(house, wheel, python, asked.torch_index)
        download(house, requirements, python, asked.torch_index)
    wheels = list(house.glob("*.whl"))
    size = sum(path.stat().st_size for path in wheels) / 1e9
    print(f"{len(wheels)} wheels, {size:.1f} GB, in {house}. On a laptop with that folder:")
    print("  python3 -m venv .venv")
    print(f"  .venv/bin/pip install --no-index --find-links {house.name} 'earlyglow[lab]'")


if __name__ == "__main__":
    main()
