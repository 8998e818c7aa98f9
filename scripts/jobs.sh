#!/usr/bin/env bash
# Jobs of a Slurm cluster: jobs.sh submit LAUNCHER ARGUMENTS ... | ls [FOLDER ...] | resubmit --only oom,timeout,failed
#
# submit reads scripts/site.env, which sbatch alone does not, and gives one clear line when the cluster refuses. A sweep
# becomes an array with one task a run and a second job that gathers the table. ls tells run folders that ran out of
# memory or time from those that failed; resubmit hands such runs in again, and they go on from their checkpoints.
#
#   scripts/jobs.sh submit train_qlora town-qlora-cpu training.steps=100
#   scripts/jobs.sh submit --sbatch '--time=8:00:00' sweep lora-rank-cpu
#   scripts/jobs.sh resubmit --only oom --sbatch '--mem=64G'
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab jobs "$@"
