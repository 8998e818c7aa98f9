#!/usr/bin/env bash
# A grid of runs: sweep.sh RECIPE [section.key=value ...] [--grid key=v1,v2 ...] [--seeds 0,1,2] [--jobs N] [--out FOLDER]
#
# Every run has a folder of its own below FOLDER and is scored on dev; table and figure are written beside them. The same
# command goes on after an interruption. Prints the sweep's folder, alone, on stdout; progress goes to stderr.
#
#   scripts/sweep.sh lora-rank-cpu --jobs 2
#   sbatch --gres=gpu:1 scripts/sweep.sh pythia-gpu --out runs/pythia
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab sweep "$@"
