"""The chapters with a notebook, found by their files: a new one needs no entry anywhere else."""

from __future__ import annotations

import functools
import importlib
import pkgutil

import yaml

from earlyglow.checks import unknown
from earlyglow_book import chapters
from earlyglow_book.experiment import Chapter, Experiment
from earlyglow_book.parameters import ParameterError
from earlyglow_book.places import shipped


@functools.cache
def chapter_names() -> tuple[str, ...]:
    """Names of the chapters with a notebook, in the order of the book."""
    return pages_below("notebooks")


def pages_below(folder: str) -> tuple[str, ...]:
    """Names of the pages of a folder such as ``notebooks``, in the order of the book."""
    toc = yaml.safe_load(shipped("_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    start = f"{folder}/"
    return tuple(name.removeprefix(start) for name in files if name.startswith(start))


def chapter_class(name: str) -> type[Chapter]:
    """The class of a chapter's parameters: the one in its module that has the chapter's name.

    Raises:
        ParameterError: there is no such chapter; the message lists those there are.
    """
    if name not in chapter_names():
        raise ParameterError(unknown("notebook", name, chapter_names()))
    (found,) = (kind for kind in _classes(name) if kind.name == name)
    return found


def experiment_classes() -> dict[str, type[Experiment]]:
    """Every experiment whose results are stored, by name."""
    modules = [module.name for module in pkgutil.iter_modules(chapters.__path__)]
    classes = [kind for module in modules for kind in _classes(module)]
    return {kind.name: kind for kind in classes if issubclass(kind, Experiment)}


def _classes(chapter: str) -> list[type[Chapter]]:
    """The parameter classes that a chapter's module defines or, where it is a folder, offers."""
    module = importlib.import_module(f"earlyglow_book.chapters.{chapter}")
    kinds = (value for value in vars(module).values() if isinstance(value, type))
    own = (kind for kind in kinds if kind.__module__.startswith(module.__name__))
    return [kind for kind in own if issubclass(kind, Chapter)]
