#!/usr/bin/env bash
# The whole corridor for a recipe: run.sh RECIPE [section.key=value ...] [--out FOLDER] [--dry-run]
#
# Base model scored, adapter fine-tuned and scored, report written. RECIPE is a name from `lab recipes ls` or a YAML
# file. A run folder that exists is resumed. Prints the run folder, alone, on stdout; progress goes to stderr.
#
# Each GPU of a job gets a process, as with train_qlora.sh; a recipe that is a sweep wants one.
#
#   RUN=$(scripts/run.sh town-qlora-cpu training.steps=100)
#   sbatch scripts/run.sh RECIPE
#SBATCH --job-name=run
#SBATCH --output=slurm-%x-%j.log
#SBATCH --open-mode=append
#SBATCH --time=24:00:00
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

if [ -n "${LAB_ACCELERATE:-}" ]; then
  echo "run.sh: LAB_ACCELERATE=$LAB_ACCELERATE is for training alone: train_qlora.sh, then decode.sh and evaluate.sh" >&2
  exit 2
fi
case " $* " in
  *" --dry-run "*) lab run "$@" ;;
  *) lab_together run "$@" ;;
esac
