#!/usr/bin/env bash
# Fine-tune an adapter: train_qlora.sh RECIPE [section.key=value ...] [--out FOLDER]
#
# RECIPE is a name from `lab recipes ls` or a YAML file. With --out, a run that was killed goes on from its last
# checkpoint. Prints the run folder, alone, on stdout; progress goes to stderr. The three stages one by one:
#
#   RUN=$(scripts/train_qlora.sh town-qlora-cpu)
#   scripts/decode.sh "$RUN"
#   scripts/evaluate.sh "$RUN"
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab train "$@"
