#!/usr/bin/env bash
# Measure training and decoding speed: speed.sh [RECIPE] [section.key=value ...]
#
# Prints the row of the Task 0 table (GPU, CUDA, train it/s, infer it/s), alone, on stdout.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab_alone speed "$@"
