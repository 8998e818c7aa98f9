#!/usr/bin/env bash
# Keep the record of a finished run or sweep: record.sh FOLDER [RECIPE]
#
# Copies its record.json or summary.json, its table and its picture to results/RECIPE of this checkout (or of the folder
# LAB_RESULTS names) and prints the lines that belong into the recipe's header in lab_lib/recipes/. RECIPE is the one the
# record names unless it is given.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

if [ $# -eq 0 ]; then
  echo "record.sh: expected the folder of a run or sweep" >&2
  exit 2
fi
launch_python -m lab_lib.submissions.recipe_header "$1" "${LAB_RESULTS:-$root/results}" "${@:2}"
