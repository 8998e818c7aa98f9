#!/usr/bin/env bash
# A grid of runs: sweep.sh RECIPE [section.key=value ...] [--grid key=v1,v2 ...] [--seeds 0,1,2] [--jobs N] [--out FOLDER]
#
# Every run has a folder of its own below FOLDER and is scored on dev; table and figure are written beside them. The same
# command resumes after an interruption. Prints the sweep's folder, alone, on stdout; progress goes to stderr.
#
#   scripts/sweep.sh lora-rank-cpu --jobs 2
#   scripts/jobs.sh submit sweep pythia-gpu          # an array, one task a run, and a job that gathers the table
#   sbatch scripts/sweep.sh pythia-gpu               # all runs in one job
#SBATCH --job-name=sweep
#SBATCH --output=slurm-%x-%j.log
#SBATCH --open-mode=append
#SBATCH --time=24:00:00
#SBATCH --cpus-per-task=4
#SBATCH --mem=24G
#SBATCH --gres=gpu:1
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

# A task of an array makes one run of the grid.
lab_alone sweep "$@" ${SLURM_ARRAY_TASK_ID:+--member "$SLURM_ARRAY_TASK_ID"}
