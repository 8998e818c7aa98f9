#!/usr/bin/env bash
# Keep the record of a finished sweep: record_sweep.sh FOLDER [RESULTS]
#
# Copies summary.json, summary.md and figure.png of the sweep's folder to RESULTS/RECIPE (default: results/RECIPE of
# this checkout) and prints the lines that belong into the recipe's header in lab_lib/recipes/.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

launch_python -m lab_lib.results.sweep_record "${1:?record_sweep.sh: expected the folder of a sweep}" "${2:-$root/results}"
