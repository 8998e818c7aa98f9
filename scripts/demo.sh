#!/usr/bin/env bash
# The main job, offline, on the bundled corpus and model: demo.sh [--out FOLDER]
#
# Scores the base model, fine-tunes it with QLoRA, scores the adapter and writes report.html: about 5 minutes on two
# cores. Prints the run folder, alone, on stdout; progress goes to stderr.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab_alone demo "$@"
