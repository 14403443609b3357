#!/bin/sh
# Try the workflow on a real SLURM of one node on this machine: six flows of the smoke profile, one
# of whose jobs is killed and queued again; then the six tables once more, as one array. Both must
# give what one process gives.
#
#   sh workflow/try_slurm.sh FOLDER           a folder that is empty or does not exist
#
# Needs slurm-wlm and munge (see slurm_here.sh), the book's environment (make) and Snakemake's
# (uv sync in workflow; or SNAKEMAKE names the program). Five minutes on two cores.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: sh workflow/try_slurm.sh FOLDER}"
folder=$(cd "$1" && pwd)
if [ -n "$(ls -A "$folder")" ]; then
    echo "$folder is not empty; name a new folder" >&2
    exit 2
fi
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
trap 'sh "$here/slurm_here.sh" stop "$folder/slurm"' EXIT
sh "$here/slurm_here.sh" start "$folder/slurm"
export SLURM_CONF="$folder/slurm/slurm.conf"
export EARLYGLOW_CACHE="$folder/slurm/cache" EARLYGLOW_RESULTS="$folder/slurm/results"

requeue_one() {
    for _ in $(seq 120); do
        job=$(squeue --noheader --states R --format %A | head -n 1)
        if [ -n "$job" ]; then
            sleep 4
            echo "killing and queueing again: job $job, $(squeue --noheader --job "$job" --format '%T after %M')"
            scontrol requeue "$job"
            return
        fi
        sleep 0.5
    done
}

# A site's own options would name account and partition.
submit() {
    "$snakemake" --snakefile "$here/Snakefile" --workflow-profile "$here/profile/slurm" \
        --slurm-no-account --slurm-status-command squeue \
        --slurm-init-seconds-before-status-checks 5 \
        --config profile=smoke id_datasets=digits "seeds='$seeds'" "python=$python" \
        > "$1" 2>&1 || { tail -n 30 "$1" >&2; exit 1; }
    grep -E '^[0-9]+ (results|of)|[Ss]ubmitted' "$1"
}

cd "$folder"
requeue_one &
submit "$folder/first.log"
wait
echo "== the jobs, as SLURM saw them"
squeue --states all --format '%A %.10T %.8M %S'
scontrol show jobs | grep -oE 'JobId=[0-9]+|Restarts=[1-9][0-9]*' | grep -B 1 Restarts | paste -sd ' ' \
    | grep Restarts || { echo "no job was queued again" >&2; exit 1; }

echo "== the results of both"
"$python" "$here/compare.py" "$folder/one/results" "$folder/slurm/results"

echo "== the tables again, as one array"
rm -r "$folder/slurm/results"
submit "$folder/second.log"
submissions=$(grep -c '[Ss]ubmitted' "$folder/second.log")
[ "$submissions" = 1 ] || { echo "there were $submissions submissions, not one" >&2; exit 1; }
"$python" "$here/compare.py" "$folder/one/results" "$folder/slurm/results"
