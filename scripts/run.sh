#!/usr/bin/env bash
# The whole corridor for a recipe: run.sh RECIPE [section.key=value ...] [--out FOLDER] [--dry-run]
#
# Base model scored, adapter fine-tuned and scored, report written. RECIPE is a name from `lab recipes ls` or a YAML
# file. A run folder that exists is gone on with. Prints the run folder, alone, on stdout; progress goes to stderr.
#
#   RUN=$(scripts/run.sh town-qlora-cpu training.steps=100)
#   sbatch --gres=gpu:1 scripts/run.sh RECIPE --out runs/mine
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab run "$@"
