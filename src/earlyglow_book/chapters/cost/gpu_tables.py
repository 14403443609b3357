"""What was measured on a GPU, as a reader looks at it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from earlyglow_book.results import Result
from earlyglow_book.tables.texts import Texts

Tables = Mapping[str, pd.DataFrame]
# Dense bf16 products of an H100 as its maker states them, TFLOP/s.
_PEAK = 989.0
_PRECISIONS = ("float32", "tf32", "bf16")


def step_table(tables: Tables) -> pd.DataFrame:
    """Training steps by batch size and way, and how many times faster than the eager one."""
    steps = tables["steps"].set_index(["batch", "what"])
    eager = steps["ms"].xs("eager", level="what")
    ratio = steps["ms"].rdiv(eager, level="batch")
    shown = steps[["ms", "images_per_second", "kernels", "ms_in_kernels"]]
    return shown.assign(times_eager=ratio).rename(columns={"images_per_second": "images/s"})


def norm_table(tables: Tables) -> pd.DataFrame:
    """Milliseconds an image of the norms, and how many times faster than the loop."""
    norms = tables["norms"].set_index("what")
    return norms.assign(times_loop=norms.loc["loop", "ms_per_image"] / norms["ms_per_image"])


def gpu_words(result: Result, trained: Result) -> Texts:
    """Ratios of one run, the errors, and the share of the card's peak.

    Args:
        result: what was measured on a GPU.
        trained: of a flow of the paper's size that was trained there, for its errors.
    """
    tables, errors = result.tables, trained.manifest["facts"]["log_norm_errors"]
    steps, norms = step_table(tables), norm_table(tables)
    right = tables["right"].set_index(["flow", "what"])["value"]
    exact = [value for (_, what), value in right.items() if "float64" in what]
    small, large = steps.loc[(64, "captured")], steps.loc[(256, "captured")]
    small_eager, large_eager = (steps.loc[(batch, "eager"), "ms"] for batch in (64, 256))
    same = right["1 level of 4 steps"]
    tflops = tables["steps"].set_index(["batch", "what"])["tflops"]
    return {
        "gpu_name": result.manifest["device"],
        **{f"gpu_error_{name}": f"{errors[name]['median']:.2g}" for name in _PRECISIONS},
        "gpu_eager_ratio": f"{large_eager / small_eager:.1f}",
        "gpu_step_64": f"{small['times_eager']:.1f}",
        "gpu_step_256": f"{large['times_eager']:.1f}",
        "gpu_ms_64": f"{small['ms']:.1f}",
        "gpu_kernels": f"{small['kernels']:,.0f}",
        "gpu_peak_64": f"{tflops[64, 'captured'] / _PEAK:.0%}",
        "gpu_peak_256": f"{tflops[256, 'captured'] / _PEAK:.0%}",
        "gpu_compile": f"{tables['steps']['seconds_before'].max():.0f}",
        "gpu_norms": f"{norms.loc['batched, as called', 'times_loop']:.0f}",
        "gpu_norms_tf32": f"{norms.loc['batched, as called, tf32', 'times_loop']:.0f}",
        "gpu_norms_bf16": f"{norms.loc['batched, as called, bf16', 'times_loop']:.0f}",
        "gpu_exact": f"{max(exact):.0e}",
        "gpu_same": f"{same['20 steps in float32, captured against stacked']:.0e}",
        "gpu_plain": f"{same['20 steps in float32, captured against plain']:.0e}",
    }
