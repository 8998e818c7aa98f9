#!/usr/bin/env bash
# Keep the record of a finished run or sweep: record.sh FOLDER [RESULTS]
#
# Copies its record.json or summary.json, its table and its picture to RESULTS/RECIPE (RESULTS is results/ of this
# checkout unless given) and prints the lines that belong into the recipe's header in lab_lib/recipes/.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

if [ $# -eq 0 ]; then
  echo "record.sh: expected the folder of a run or sweep" >&2
  exit 2
fi
launch_python -m lab_lib.results.recipe_header "$1" "${2:-$root/results}"
