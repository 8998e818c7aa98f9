#!/usr/bin/env bash
# Fine-tune an adapter: train_qlora.sh RECIPE [section.key=value ...] [--out FOLDER]
#
# RECIPE is a name from `lab recipes ls` or a YAML file. With --out, a run that was killed resumes from its last
# checkpoint. Prints the run folder, alone, on stdout; progress goes to stderr. The three stages one by one:
#
#   RUN=$(scripts/train_qlora.sh town-qlora-cpu)
#   scripts/decode.sh "$RUN"
#   scripts/evaluate.sh "$RUN"
#
# On a cluster: sbatch scripts/train_qlora.sh town-qlora-cpu, or `scripts/jobs.sh submit`, which reads scripts/site.env.
# The run folder is then runs/RECIPE-JOB, the log slurm-NAME-JOB.log. Before its time limit the job writes a checkpoint,
# goes back into the queue and resumes from there. Each GPU of the job gets a process, on all its machines; elsewhere
# LAB_PROCESSES=2 starts two. training.batch_size is that of all together. LAB_ACCELERATE=fsdp2 shares the weights out
# among the GPUs: a name of scripts/accelerate.
#SBATCH --job-name=train_qlora
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

lab_together train "$@"
