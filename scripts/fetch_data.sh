#!/usr/bin/env bash
# Download a real corpus from its official place: fetch_data.sh multiwoz22 [--folder FOLDER] [--mirror URL]
#
# Every file is verified; the same command resumes after an interruption. Prints the folder, alone, on stdout;
# progress goes to stderr.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab data fetch "$@"
