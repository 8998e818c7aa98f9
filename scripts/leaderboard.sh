#!/usr/bin/env bash
# Score every prediction file of a folder alike: leaderboard.sh FOLDER [--published TABLE.json] [OPTIONS]
#
# One table, best Combined first, as JSON and markdown, with each difference from a published table.
# Prints the JSON file, alone, on stdout; the table goes to stderr.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab leaderboard "$@"
