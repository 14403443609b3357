#!/bin/sh
# Try the workflow on a real SLURM of one node on this machine: six flows of the smoke profile, one
# of whose jobs is killed and queued again, against the same results by one process.
#
#   sh workflow/try_slurm.sh FOLDER
#
# Needs slurm-wlm and munge (see slurm_here.sh), the book's environment (make) and Snakemake's
# (uv sync in workflow; or SNAKEMAKE names the program). Five minutes on two cores.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: sh workflow/try_slurm.sh FOLDER}"
folder=$(cd "$1" && pwd)
python=${PYTHON:-$here/../.venv/bin/python}
snakemake=${SNAKEMAKE:-$here/.venv/bin/snakemake}
seeds=21,22,23,24,25,26
export EARLYGLOW_PROGRESS=0 OMP_NUM_THREADS=1

echo "== one process"
EARLYGLOW_CACHE=$folder/one/cache EARLYGLOW_RESULTS=$folder/one/results "$python" - "$seeds" <<'PYTHON'
import sys

from earlyglow_book.chapters.epoch_sweep import EpochSweep
from earlyglow_book.experiment import result_of

for seed in sys.argv[1].split(","):
    print(result_of(EpochSweep("digits", profile="smoke", seed=int(seed))).name, flush=True)
PYTHON

echo "== SLURM"
sh "$here/slurm_here.sh" start "$folder/slurm"
trap 'sh "$here/slurm_here.sh" stop "$folder/slurm"' EXIT
export SLURM_CONF="$folder/slurm/slurm.conf"
export EARLYGLOW_CACHE="$folder/slurm/cache" EARLYGLOW_RESULTS="$folder/slurm/results"

requeue_one() {
    until job=$(squeue --noheader --states R --format %A | head -n 1) && [ -n "$job" ]; do
        sleep 0.5
    done
    sleep 4
    echo "killing and queueing again: job $job, $(squeue --noheader --job "$job" --format '%T after %M')"
    scontrol requeue "$job"
}

cd "$folder"
requeue_one &
"$snakemake" --snakefile "$here/Snakefile" --workflow-profile "$here/profile/slurm" \
    --default-resources mem_mb=1500 --slurm-no-account --slurm-status-command squeue \
    --slurm-init-seconds-before-status-checks 5 \
    --config profile=smoke id_datasets=digits "seeds='$seeds'" "python=$python" 2>&1 \
    | tee "$folder/snakemake.log" | grep -E '^[0-9]+ (results|of)|has been submitted|^Error|rror in' || true
wait
echo "== the jobs, as SLURM saw them"
squeue --states all --format '%A %.10T %.8M %S'
scontrol show jobs | grep -oE 'JobId=[0-9]+|Restarts=[1-9][0-9]*' | grep -B 1 Restarts | paste -sd ' '

echo "== the results of both"
"$python" "$here/compare.py" "$folder/one/results" "$folder/slurm/results"
