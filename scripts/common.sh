# Shared lines of the launchers; sourced, not run. Gives `lab` and `launch_python`, and answers --help.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
# Threads that spin while they wait fall to a tenth of their speed when anything else runs on the machine.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

# The interpreter: LAB_PYTHON, else the environment `make` creates, else python3 (an active conda environment).
launch_python() {
  local python=${LAB_PYTHON:-$root/.venv/bin/python}
  [ -n "${LAB_PYTHON:-}" ] || [ -x "$python" ] || python=python3
  if ! "$python" -c 'import rich, typer, yaml' 2>/dev/null; then
    echo "$(basename "$0"): $python lacks the lab's packages: run 'make install' or set LAB_PYTHON" >&2
    exit 2
  fi
  exec "$python" "$@"
}

# `exec` keeps this process: signals of a cluster (USR1 before preemption) reach Python itself.
lab() {
  launch_python -m lab_lib "$@"
}

# --help anywhere: the comment at the top of the script.
for argument in "$@"; do
  case $argument in
    -h | --help)
      sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
  esac
done
