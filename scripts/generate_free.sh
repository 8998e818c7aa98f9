#!/usr/bin/env bash
# Write whole dialogues, users and system: generate_free.sh RUN-OR-MODEL [--n 10] [--turns 4,8,12] [OPTIONS]
#
# Dialogues are written as they come, so the same command resumes after an interruption; they are then scored beside
# real ones. Prints the JSONL file, alone, on stdout; dialogues, tables and progress go to stderr.
#SBATCH --job-name=generate_free
#SBATCH --output=slurm-%x-%j.log
#SBATCH --open-mode=append
#SBATCH --time=12:00:00
#SBATCH --cpus-per-task=4
#SBATCH --mem=24G
#SBATCH --gres=gpu:1
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
set -euo pipefail
# Under sbatch this file is a copy elsewhere; the folder of submission leads back, or Slurm knows the way.
here=$(dirname "$0")
[ -f "$here/common.sh" ] || here=${SLURM_SUBMIT_DIR:-.}/scripts
[ -f "$here/common.sh" ] ||
  here=$(scontrol show job "${SLURM_JOB_ID:-}" | sed -n 's,^ *Command=\(/[^ ]*\)/.*,\1,p' | sort -u)
# shellcheck source=scripts/common.sh
. "$here/common.sh"

lab_alone generate "$@"
