#!/usr/bin/env bash
# Generate the replies of the test dialogues: decode.sh RUN [--base]; or in many ways: decode.sh RUN --sweep [OPTIONS]
#
# RUN is a run folder; --base decodes its base model instead of its adapter. Replies are written as they come, so the
# same command resumes after an interruption. Prints the run folder, alone, on stdout; progress goes to stderr.
#
#   scripts/jobs.sh submit decode RUN RUN ...        # an array, one task a run
#   scripts/jobs.sh submit decode RUN --sweep        # an array, one task a setting, and a job that gathers the table
#SBATCH --job-name=decode
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

if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  case " $* " in
    *" --sweep "*) set -- "$@" --member "$SLURM_ARRAY_TASK_ID" ;;
    *) pick_run "$@" && set -- "${picked[@]}" ;;
  esac
fi
case " $* " in
  *" --sweep "* | *" --find-batch-size "* | *" --strategies "*) lab_alone decode "$@" ;;
  *) lab_together decode "$@" ;; # each process takes whole dialogues; the file is that of one
esac
