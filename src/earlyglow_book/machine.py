"""Where a result comes from: the source that made it, and the machine and software it ran on."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

PACKAGE = Path(__file__).parent
_SOFTWARE = ("numpy", "pillow", "pytorch-ood", "scikit-learn", "scipy", "torch", "torchvision")
# These differ between Python versions or hold no meaning.
_SKIPPED_FIELDS = {"ctx", "kind", "type_comment", "type_params", "type_ignores"}


def source_digests(parts: Iterable[str]) -> dict[str, str]:
    """Digest of each Python file under the given parts of the package, by relative path.

    A digest is of the syntax tree without comments, docstrings and layout, so that an edit of
    the words changes nothing.

    Args:
        parts: folders or modules relative to the package, such as "flows" or "metrics.py".
    """
    prefixes = tuple(part if part.endswith(".py") else f"{part}/" for part in parts)
    return {name: _digest_of(name) for name in _snapshot() if name.startswith(prefixes)}


@functools.cache
def _snapshot() -> dict[str, str]:
    """Text of each file of the package, read once: a long run must not see a later edit."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {
        file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8") for file in files
    }


@functools.cache
def _digest_of(name: str) -> str:
    return source_digest(_snapshot()[name])


def source_digest(source: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a module's meaning."""
    tree = _canonical(_without_docstrings(ast.parse(source)))
    return hashlib.sha256(json.dumps(tree).encode()).hexdigest()[:16]


def combined(current: Mapping[str, str], *recorded: Mapping[str, str]) -> dict[str, str]:
    """Digests by file where one that differs from the current source is never lost."""
    kept = dict(current)
    for digests in recorded:
        kept |= {file: value for file, value in digests.items() if value != current.get(file)}
    return kept


def software() -> dict[str, str]:
    """Versions of Python and of the packages that decide on numbers."""
    versions = {name: importlib.metadata.version(name) for name in _SOFTWARE}
    return {"python": platform.python_version(), **versions}


def device_name() -> str:
    """The accelerator where torch sees one, else :func:`processor_name`."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return processor_name()


def processor_name() -> str:
    """The processor's kind, and the threads torch uses."""
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree


def _canonical(node: object) -> object:
    """A JSON-like form of a syntax tree that is the same for every supported Python version."""
    if isinstance(node, ast.AST):
        fields = {
            name: _canonical(value)
            for name, value in ast.iter_fields(node)
            if name not in _SKIPPED_FIELDS and value not in (None, [])
        }
        return [type(node).__name__, sorted(fields.items())]
    if isinstance(node, list):
        return [_canonical(item) for item in node]
    return repr(node)
