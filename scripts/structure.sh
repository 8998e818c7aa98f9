#!/usr/bin/env bash
# Cluster the utterances of a corpus and draw what follows what: structure.sh CORPUS [--domain D] [-k 12] [OPTIONS]
#
# Prints the HTML page, alone, on stdout; its folder holds the graph, the figures and the cluster of every utterance.
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab structure "$@"
