#!/usr/bin/env bash
# Talk to a run's model in the terminal: chat.sh RUN [--base]
#
# It answers with placeholders such as [name], as it was taught; an empty line ends the talk.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab_alone chat "$@"
