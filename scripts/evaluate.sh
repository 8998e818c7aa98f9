#!/usr/bin/env bash
# Score what a run decoded and write its report: evaluate.sh RUN
#
# BLEU, Inform, Success, Richness and Combined with confidence intervals, beside reference and trivial rows.
# Prints the run folder, alone, on stdout; progress goes to stderr.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab evaluate "$@"
