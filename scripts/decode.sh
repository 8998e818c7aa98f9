#!/usr/bin/env bash
# Generate the replies of the test dialogues: decode.sh RUN [--base]
#
# RUN is a run folder; --base decodes its base model instead of its adapter. Replies are written as they come, so the
# same command goes on after an interruption. Prints the run folder, alone, on stdout; progress goes to stderr.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab decode "$@"
