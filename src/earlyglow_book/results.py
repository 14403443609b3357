"""Results: small tables kept under the hash of what they mean, with a manifest in the clear."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlyglow.cache import atomic_path, cache_folder
from earlyglow.hashing import digest, plain
from earlyglow_book.deferred import pd
from earlyglow_book.machine import device_name, software, threads
from earlyglow_book.places import shipped

if TYPE_CHECKING:
    import pandas

FORMAT = "earlyglow-result-1"
_MANIFEST = "manifest.json"
# Of the key in the folder's name.
_KEY_LETTERS = 12
log = logging.getLogger(__name__)
Tables = dict[str, "pandas.DataFrame"]


class StoreError(Exception):
    """A stored result that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Inputs:
    """Everything that a result depends on.

    Attributes:
        experiment: its name.
        configuration: its settings, JSON-like.
        data: fingerprint of the pixels by "name/split"; None where the images are not at hand.
        seed: of everything random in it.
        versions: semantic version of each step on its path.
    """

    experiment: str
    configuration: dict[str, Any]
    data: dict[str, str | None]
    seed: int
    versions: dict[str, int]

    def key(self) -> str:
        """SHA-256 (hexadecimal) of all of it."""
        return digest(asdict(self))

    def agrees_with(self, other: Inputs) -> bool:
        """Whether both mean the same, as far as the images at hand can tell."""
        same = asdict(self) | {"data": None} == asdict(other) | {"data": None}
        return same and all(
            name in other.data and mine in (None, other.data[name])
            for name, mine in self.data.items()
        )


@dataclass(frozen=True)
class Computed:
    """Tables fresh from a computation.

    Attributes:
        tables: by name.
        facts: JSON-like numbers that the manifest shall show, such as a model's accuracy.
        device: what it was computed on.
    """

    tables: Tables
    facts: dict[str, object] = field(default_factory=dict)
    device: str = field(default_factory=device_name)


@dataclass(frozen=True)
class Result:
    """Tables and the manifest that says where they come from."""

    tables: Tables
    manifest: dict[str, Any]
    folder: Path

    @property
    def key(self) -> str:
        """The hash of the result's inputs."""
        return self.manifest["key"]

    @property
    def name(self) -> str:
        """Experiment and folder, as in "epoch_sweep/digits-glow-smoke-seed0-33d9c79cfcd2"."""
        return f"{self.inputs.experiment}/{self.folder.name}"

    @property
    def inputs(self) -> Inputs:
        """What the result depends on."""
        return Inputs(**self.manifest["inputs"])

    @property
    def confirmed_on(self) -> str:
        """The day when it was last computed again and equal, as in "2026-01-31"; "" if never."""
        return self.manifest.get("confirmed", {}).get("date", "")

    def provenance(self) -> str:
        """One line for a reader: the key, the code, the machine, and the last confirmation."""
        code, device, date = self.manifest["code"], self.manifest["device"], self.confirmed_on
        commit = f", commit {code['commit'][:10]} ({code['tree']})" if "commit" in code else ""
        again = f"computed again and equal on {date}" if date else "not computed again since"
        return f"result {self.key[:12]}: earlyglow {code['version']}{commit}; {device}; {again}"


def committed_folder() -> Path:
    """Where the published results lie: in the installed package, or in the checkout."""
    return shipped("results")


def working_folder() -> Path:
    """Where new results are kept: ``$EARLYGLOW_RESULTS``, or the user's cache."""
    chosen = os.environ.get("EARLYGLOW_RESULTS")
    return Path(chosen).expanduser() if chosen else cache_folder() / "results"


def find(inputs: Inputs, *, only_published: bool = False) -> Result | None:
    """The stored result of these inputs, or None.

    Where some images are not at hand, a result agrees whose other inputs are the same.
    """
    for folder in result_folders(inputs.experiment, only_published=only_published):
        try:
            manifest = _read_manifest(folder)
        except StoreError as error:
            if folder.name.endswith(inputs.key()[:_KEY_LETTERS]):
                raise
            log.warning("passed over: %s", error)
            continue
        if inputs.agrees_with(Inputs(**manifest["inputs"])):
            return load(folder)
    return None


def find_published(inputs: Inputs) -> Result:
    """The published result of these inputs.

    Raises:
        StoreError: there is none.
    """
    found = find(inputs, only_published=True)
    if found is None:
        raise StoreError(
            f"no result of {inputs.experiment} with these parameters is published in "
            f"{committed_folder()}; compute it with EARLYGLOW_RESULTS set to that folder and "
            "EARLYGLOW_PUBLISHED unset."
        )
    return found


def result_folders(experiment: str = "*", *, only_published: bool = False) -> Iterator[Path]:
    """The folder of every stored result, the published ones first; :func:`load` reads one."""
    roots = [committed_folder()] if only_published else [committed_folder(), working_folder()]
    seen = set()
    for root in roots:
        for manifest in sorted(root.glob(f"{experiment}/*/{_MANIFEST}")):
            folder = manifest.parent
            if not folder.name.startswith(".") and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder


def read_published_tables(
    experiment: str, table: str
) -> Iterator[tuple[dict[str, Any], pandas.DataFrame]]:
    """Parameters and one table of every published result of an experiment that has it."""
    for folder in result_folders(experiment, only_published=True):
        manifest = _read_manifest(folder)
        if table in manifest["tables"]:
            yield manifest["parameters"], _read_table(folder, manifest, table)


def published_state(experiment: str) -> tuple[tuple[Path, int], ...]:
    """The manifests of an experiment's published results and their times: what a cache needs."""
    folders = result_folders(experiment, only_published=True)
    manifests = (folder / _MANIFEST for folder in folders)
    return tuple((path, path.stat().st_mtime_ns) for path in manifests)


def load(folder: Path) -> Result:
    """Read a result.

    Raises:
        StoreError: the folder is not a result of earlyglow, or a table is missing or damaged.
    """
    manifest = _read_manifest(folder)
    tables = {name: _read_table(folder, manifest, name) for name in manifest["tables"]}
    return Result(tables, manifest, folder)


def save(
    inputs: Inputs,
    computed: Computed,
    label: str,
    parameters: Mapping[str, object],
    command: str,
    seconds: float,
    code: Mapping[str, str],
) -> Result:
    """Write a result whole or not at all; where another process was faster, keep its copy.

    Args:
        inputs: what the result depends on; all fingerprints must be known.
        computed: the tables.
        label: a readable start for the folder's name.
        parameters: the experiment's parameters.
        command: the command that recreates it.
        seconds: time of the process that stored it; work found in a cache is not counted.
        code: version and commit of the package, of :func:`~earlyglow_book.machine.code_state`.
    """
    final = working_folder() / inputs.experiment / folder_name(label, inputs)
    final.parent.mkdir(parents=True, exist_ok=True)
    # After the folder is renamed there is nothing left to clean up.
    with tempfile.TemporaryDirectory(
        dir=final.parent, prefix=".unfinished-", ignore_cleanup_errors=True
    ) as unfinished:
        folder, tables = Path(unfinished), computed.tables.items()
        manifest = {
            "format": FORMAT,
            "key": inputs.key(),
            "inputs": asdict(inputs),
            "tables": {name: _write_table(table, folder, name) for name, table in tables},
            "parameters": dict(parameters),
            "command": command,
            "seconds": round(seconds, 1),
            "device": computed.device,
            **threads(),
            "software": software(),
            "code": dict(code),
            "facts": computed.facts,
        }
        _write_manifest(folder / _MANIFEST, manifest)
        folder.chmod(0o755)
        try:
            folder.rename(final)
        except OSError:
            # A folder that is not empty cannot be replaced: somebody else stored the same key.
            if not (final / _MANIFEST).is_file():
                raise
    return load(final)


def folder_name(label: str, inputs: Inputs) -> str:
    """The folder of a result, inside of that of its experiment."""
    return f"{label}-{inputs.key()[:_KEY_LETTERS]}"


def discard(inputs: Inputs) -> None:
    """Delete the result of exactly these inputs from the working folder, if it is there."""
    own = (working_folder() / inputs.experiment).glob(f"*-{inputs.key()[:_KEY_LETTERS]}")
    for folder in own:
        shutil.rmtree(folder)


def record_confirmation(result: Result, facts: Mapping[str, object]) -> None:
    """Note in a result's manifest when and by which code it was computed again and equal."""
    with atomic_path(result.folder / _MANIFEST) as temporary:
        _write_manifest(temporary, {**result.manifest, "confirmed": dict(facts)})


def _write_table(table: pandas.DataFrame, folder: Path, name: str) -> str:
    """Write a table and return the digest of its file.

    Bytes of equal significance side by side make floats a third smaller, with nothing lost.
    """
    path = folder / f"{name}.parquet"
    floats = list(table.select_dtypes("float"))
    table.to_parquet(
        path,
        index=False,
        compression="zstd",
        use_dictionary=[column for column in table if column not in floats],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    )
    return _sha256(path)


def _read_table(folder: Path, manifest: Mapping[str, Any], name: str) -> pandas.DataFrame:
    path, expected = folder / f"{name}.parquet", manifest["tables"][name]
    if not path.is_file() or _sha256(path) != expected:
        raise StoreError(
            f"{path} is missing or does not match its manifest; restore it (git checkout) or "
            f"delete {folder} and compute it again."
        )
    return pd.read_parquet(path)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path, remedy = folder / _MANIFEST, f"restore it or delete {folder}."
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        key_agrees = Inputs(**manifest["inputs"]).key() == manifest["key"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"is not a readable manifest ({type(error).__name__})"
        raise StoreError(f"{path} {problem}; {remedy}") from error
    if manifest.get("format") != FORMAT or not key_agrees:
        key = f"its key {'agrees' if key_agrees else 'disagrees'} with its inputs"
        problem = f"is foreign: its format is {manifest.get('format')!r} and {key}"
        raise StoreError(f"{path} {problem}; {remedy}")
    return manifest


def _write_manifest(path: Path, manifest: Mapping[str, object]) -> None:
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True, default=plain) + "\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
