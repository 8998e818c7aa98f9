#!/usr/bin/env bash
# Pretrain the bundled encoder-decoder lab-tiny-t5 from nothing: pretrain_t5.sh [OUT] [--steps N] [--seed N] ...
#
# Reads the Schema-Guided Dialogue data in LAB_DATA/sgd/{train,dev} (github.com/google-research-datasets/
# dstc8-schema-guided-dialogue, CC BY-SA 4.0); about half an hour on two cores. It can be killed at any point: the same
# command resumes from the last checkpoint. OUT (default runs/lab-tiny-t5) is printed, alone, on stdout; progress goes to
# stderr. Every further --knob is listed by `python -m lab_lib.pretraining.tiny_t5 --help`.
#SBATCH --job-name=pretrain_t5
#SBATCH --output=slurm-%x-%j.log
#SBATCH --open-mode=append
#SBATCH --time=12:00:00
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
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

out=runs/lab-tiny-t5
if [ $# -gt 0 ] && [[ $1 != --* ]]; then
  out=$1
  shift
fi
sgd=${LAB_DATA:+$LAB_DATA/sgd}
if [ -z "$sgd" ] || [ ! -d "$sgd/train" ] || [ ! -d "$sgd/dev" ]; then
  echo "pretrain_t5.sh: ${sgd:-LAB_DATA is not set}: expected LAB_DATA to name a folder with sgd/train and sgd/dev" >&2
  exit 2
fi
require_alone pretrain
launch_python -m lab_lib.pretraining.tiny_t5 --train "$sgd/train" --dev "$sgd/dev" --out "$out" "$@"
