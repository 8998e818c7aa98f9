#!/usr/bin/env bash
# Talk to a run's model in the terminal: chat.sh RUN [--base]
#
# It answers with placeholders such as [name], as it was taught; an empty line ends the talk.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab_alone chat "$@"
