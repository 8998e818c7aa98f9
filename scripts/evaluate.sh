#!/usr/bin/env bash
# Score what a run decoded, or a prediction file, and write its report: evaluate.sh RUN | FILE [OPTIONS]
#
# BLEU, Inform, Success, Richness and Combined with confidence intervals, beside reference and trivial rows.
# FILE is JSONL or mwzeval JSON; --corpus multiwoz22 --metrics mwz,states,text and others: lab evaluate --help.
# Prints the run folder or the JSON report, alone, on stdout; progress goes to stderr.
#
#   scripts/jobs.sh submit evaluate RUN RUN ...      # an array, one task a run, and a job that lists them all
#SBATCH --job-name=evaluate
#SBATCH --output=slurm-%x-%j.log
#SBATCH --open-mode=append
#SBATCH --time=02:00:00
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
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

if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  pick_run "$@" && set -- "${picked[@]}"
fi
# No reason to end: with LAB_PROCESSES set for a whole shell, train, decode and evaluate follow one another.
[ "${LAB_PROCESSES:-1}" = 1 ] || echo "evaluate: LAB_PROCESSES=$LAB_PROCESSES changes nothing: one process scores" >&2
lab evaluate "$@"
