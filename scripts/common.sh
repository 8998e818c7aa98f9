# Shared lines of the launchers; sourced, not run. Gives `lab`, `lab_alone`, `lab_together`, `launch_python` and
# `require_number`, reads site.env, answers --help.
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
  # `module load` and its like read variables that are not set, and `[ -d /scratch ] && export ...` may end in false.
  set +eu
  # shellcheck source=/dev/null
  . "$root/scripts/site.env"
  set -eu
fi

# A variable that is unset, or a whole number of at most 9 digits, from $2 on: says so and ends for anything else. To be
# asked before arithmetic, which would take a text for the name of a variable, or run a command in it.
require_number() {
  local value=${!1:-$2}
  case $value in
    *[!0123456789]* | ??????????* | 0?*) ;;
    *) [ "$value" -lt "$2" ] || return 0 ;;
  esac
  printf '%s: %s=%q: expected a whole number, %s or more\n' "$(basename "$0")" "$1" "$value" "$2" >&2
  exit 2
}
require_number LAB_PROCESSES 1
require_number LAB_MAX_RESTARTS 0
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
# Threads that spin while they wait fall to a tenth of their speed when anything else runs on the machine.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

# As a batch job (Slurm runs a copy of this name): when warned of the time limit, the run puts its job back.
if [ "$(basename "$0")" = slurm_script ]; then
  export LAB_REQUEUE=1
  trap '' USR1 # until Python listens; the default would be to end
  # Older versions of Slurm do not say when the job must end; a run that is ended then knows that it was the time.
  task=${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:-}}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID} # not its number: see slurm.py
  if [ -z "${SLURM_JOB_END_TIME:-}" ] && end=$(squeue -h -j "$task" -o %e 2>/dev/null) &&
    end=$(date -d "$end" +%s 2>/dev/null); then
    export SLURM_JOB_END_TIME=$end
  fi
fi

# The interpreter: LAB_PYTHON, the environment `make` creates, the one that was active at submission, else python3.
# None needs `activate`, which a batch shell does not have.
find_python() {
  local candidate
  python=${LAB_PYTHON:-}
  for candidate in "$root/.venv" "${VIRTUAL_ENV:-/none}" "${CONDA_PREFIX:-/none}"; do
    [ -n "$python" ] || ! [ -x "$candidate/bin/python" ] || python=$candidate/bin/python
  done
  python=${python:-python3}
  if ! "$python" -c 'import rich, typer, yaml' 2>/dev/null; then
    echo "$(basename "$0"): $python lacks the lab's packages: run 'make install' or set LAB_PYTHON" >&2
    exit 2
  fi
}

launch_python() {
  find_python
  exec "$python" "$@"
}

# `exec` keeps this process: what a cluster signals (USR1 before the time limit) reaches Python itself, and no shell
# has to wait for it.
lab() {
  launch_python -m lab_lib "$@"
}

# Where one process does it: says so, and ends, when several were asked for.
require_alone() {
  local asked=""
  [ "${LAB_PROCESSES:-1}" = 1 ] || asked="LAB_PROCESSES=$LAB_PROCESSES"
  [ -z "${LAB_ACCELERATE:-}" ] || asked="LAB_ACCELERATE=$LAB_ACCELERATE"
  [ -n "$asked" ] || return 0
  echo "$1: one process does this, and $asked asks for several; unset it (train, decode and run take several)" >&2
  exit 2
}

lab_alone() {
  require_alone "$1"
  lab "$@"
}

# The first machine of the job. `sed` reads to the end: `head` would close the pipe while scontrol still writes, and the
# broken pipe would end the script without a word.
first_machine() {
  scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p
}

# `lab` by one process for each GPU of the job, or as many a machine as LAB_PROCESSES says, on all machines of the job.
# LAB_WORLD_SIZE is how many there must be in the end: with fewer, training refuses to start.
lab_together() {
  require_number SLURM_NNODES 1
  require_number SLURM_GPUS_ON_NODE 1
  require_number SLURM_JOB_ID 0
  local machines=${SLURM_NNODES:-1} processes=${LAB_PROCESSES:-${SLURM_GPUS_ON_NODE:-1}} first
  export LAB_WORLD_SIZE=$((machines * processes))
  # torchrun and accelerate read this as --signals-to-handle and hand these on to their processes: without it USR1 stays
  # as ignored as it was above, or ends them. Then the processes have the time that Slurm leaves, not 30 seconds.
  export PET_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1
  export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-3600}
  # What comes after `||` does not come back: it is exec.
  [ "$1" != train ] || [ -z "${LAB_ACCELERATE:-}" ] || lab_accelerated "$machines" "$processes" "$@"
  [ "$LAB_WORLD_SIZE" -gt 1 ] || lab "$@"
  [ "$1" != run ] || require_one_run "${@:2}"
  [ "$machines" -gt 1 ] || launch_python -m torch.distributed.run --standalone --nproc-per-node "$processes" -m lab_lib "$@"
  find_python
  first=$(first_machine)
  exec srun --ntasks="$machines" --ntasks-per-node=1 "$python" -m torch.distributed.run --nnodes "$machines" \
    --nproc-per-node "$processes" --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" \
    --rdzv-endpoint "$first:$((20000 + SLURM_JOB_ID % 20000))" -m lab_lib "$@"
}

# `lab run` by several processes: not a sweep.
require_one_run() {
  find_python
  "$python" -m lab_lib.cli.one_run "$@" || exit
}

# The same by accelerate, with the configuration that LAB_ACCELERATE names: first the machines of the job and the
# processes of each.
lab_accelerated() {
  local file first launch
  find_python
  file=$("$python" -m lab_lib.cluster.launching "$root/scripts/accelerate" "$LAB_ACCELERATE" "$LAB_WORLD_SIZE") || exit
  launch=(--config_file "$file" --num_processes "$LAB_WORLD_SIZE" --num_machines "$1")
  if [ "$1" -eq 1 ]; then
    exec "$python" -m accelerate.commands.launch "${launch[@]}" --machine_rank 0 --main_process_port 0 -m lab_lib "${@:3}"
  fi
  first=$(first_machine)
  launch+=(--main_process_ip "$first" --main_process_port "$((20000 + SLURM_JOB_ID % 20000))")
  # Only srun's task knows which machine it is on.
  # shellcheck disable=SC2016
  exec srun --ntasks="$1" --ntasks-per-node=1 \
    bash -c 'exec "$0" -m accelerate.commands.launch --machine_rank "$SLURM_NODEID" "$@"' \
    "$python" "${launch[@]}" -m lab_lib "${@:3}"
}

# In an array each task takes one of the run folders among its arguments: sets `picked` to the arguments without the
# others.
pick_run() {
  local argument number=0
  require_number SLURM_ARRAY_TASK_ID 0
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
