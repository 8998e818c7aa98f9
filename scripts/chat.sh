#!/usr/bin/env bash
# Talk to a model: chat.sh RUN|MODEL [--base] [--system TEXT] [--web [--port N]]
#
# Models of the corpus answer with placeholders such as [name], as they were taught; an empty line ends the talk.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab_alone chat "$@"
