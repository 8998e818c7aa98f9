# Shared lines of the launchers; sourced, not run. Gives `lab` and `launch_python`, reads site.env, answers --help.
# shellcheck shell=bash

# --help anywhere: the comment at the top of the script.
for argument in "$@"; do
  case $argument in
    -h | --help)
      sed -n '2,/^[^#]/{/^#SBATCH/d;s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
  esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What is so on this site: the interpreter, folders, and as SBATCH_* what jobs ask for. See site.env.example.
if [ -f "$root/scripts/site.env" ]; then
  set +u # `module load` and its like read variables that are not set
  # shellcheck source=/dev/null
  . "$root/scripts/site.env"
  set -u
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
# Threads that spin while they wait fall to a tenth of their speed when anything else runs on the machine.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

# As a batch job (Slurm runs a copy of this name): when warned of the time limit, the run puts its job back.
if [ "$(basename "$0")" = slurm_script ]; then
  export LAB_REQUEUE=1
  trap '' USR1 # until Python listens; the default would be to end
  # Older versions of Slurm do not say when the job must end; a run that is ended then knows that it was the time.
  if [ -z "${SLURM_JOB_END_TIME:-}" ] && end=$(squeue -h -j "$SLURM_JOB_ID" -o %e 2>/dev/null) &&
    end=$(date -d "$end" +%s 2>/dev/null); then
    export SLURM_JOB_END_TIME=$end
  fi
fi

# The interpreter: LAB_PYTHON, the environment `make` creates, the one that was active at submission, else python3.
# None needs `activate`, which a batch shell does not have.
launch_python() {
  local candidate python=${LAB_PYTHON:-}
  for candidate in "$root/.venv" "${VIRTUAL_ENV:-/none}" "${CONDA_PREFIX:-/none}"; do
    [ -n "$python" ] || ! [ -x "$candidate/bin/python" ] || python=$candidate/bin/python
  done
  python=${python:-python3}
  if ! "$python" -c 'import rich, typer, yaml' 2>/dev/null; then
    echo "$(basename "$0"): $python lacks the lab's packages: run 'make install' or set LAB_PYTHON" >&2
    exit 2
  fi
  exec "$python" "$@"
}

# `exec` keeps this process: what a cluster signals (USR1 before the time limit) reaches Python itself, and no shell
# has to wait for it.
lab() {
  launch_python -m lab_lib "$@"
}

# In an array each task takes one of the run folders among its arguments: sets `picked` to the arguments without the
# others.
pick_run() {
  local argument number=0
  picked=()
  for argument in "$@"; do
    if [ -d "$argument" ]; then
      [ "$number" -ne "$SLURM_ARRAY_TASK_ID" ] || picked+=("$argument")
      number=$((number + 1))
    else
      picked+=("$argument")
    fi
  done
}
