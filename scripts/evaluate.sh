#!/usr/bin/env bash
# Score what a run decoded, or a prediction file, and write its report: evaluate.sh RUN | FILE [OPTIONS]
#
# BLEU, Inform, Success, Richness and Combined with confidence intervals, beside reference and trivial rows.
# FILE is JSONL or mwzeval JSON; --corpus multiwoz22 --metrics mwz,states,text and others: lab evaluate --help.
# Prints the run folder or the JSON report, alone, on stdout; progress goes to stderr.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab evaluate "$@"
