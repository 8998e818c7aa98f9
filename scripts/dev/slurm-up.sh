#!/usr/bin/env bash
# Start a real Slurm on this one machine, in a folder of its own: slurm-up.sh FOLDER [--no-gpus | --down]
#
# For tests. Needs Debian's slurm-wlm and munge, and root; the machine's own Slurm, if there is one, is not touched. The
# node has two GPUs that are none (character devices; with --no-gpus it has not even these), the partitions `gpu` and
# `urgent` (whose jobs preempt those of `gpu`), no accounting and no cgroups. Prints the path of slurm.conf, alone, on
# stdout: export it as SLURM_CONF, and sbatch, squeue and scontrol talk to this cluster. --down ends its daemons.
set -euo pipefail

case ${1:---help} in
  -h | --help)
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
esac
mkdir -p "$1"
folder=$(cd "$1" && pwd)
export SLURM_CONF=$folder/slurm.conf
PATH=$PATH:/usr/sbin

# End a daemon by the number it wrote itself, and wait until it is gone. After a crash the number may be another's.
down() {
  local file=$folder/run/$1.pid number
  [ -f "$file" ] || return 0
  number=$(cat "$file")
  if [ "$(cat "/proc/$number/comm" 2>/dev/null)" = "$1" ]; then
    kill "$number" 2>/dev/null || true
    for _ in $(seq 100); do
      kill -0 "$number" 2>/dev/null || break
      sleep 0.1
    done
  fi
  rm -f "$file"
}
if [ "${2:-}" = --down ]; then
  # First the jobs: without slurmd nobody would end them.
  [ ! -f "$SLURM_CONF" ] || scancel --user=root 2>/dev/null || true
  for _ in $(seq 100); do
    [ -f "$SLURM_CONF" ] && [ -n "$(squeue --noheader 2>/dev/null)" ] || break
    sleep 0.2
  done
  for daemon in slurmd slurmctld munged; do down "$daemon"; done
  exit 0
fi

for program in munged slurmctld slurmd sbatch; do
  command -v "$program" >/dev/null || {
    echo "slurm-up.sh: $program not found: apt-get install slurm-wlm munge" >&2
    exit 2
  }
done
mkdir -p "$folder"/{run,log,state,spool}
chmod 755 "$folder" "$folder/run" # munged insists
node=$(hostname -s)
port=$((20000 + $$ % 20000)) # two clusters on one machine do not meet
# A GPU must be a character device; these are /dev/null under another name.
for number in 0 1; do
  [ -e "$folder/fake$number" ] || mknod "$folder/fake$number" c 1 3
done

gpus="Gres=gpu:h200:2" types="GresTypes=gpu"
[ "${2:-}" != --no-gpus ] || gpus="" types=""
cat >"$folder/slurm.conf" <<CONF
ClusterName=lab
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
EnforcePartLimits=ALL
JobRequeue=1
MinJobAge=3600
ReturnToService=2
KillWait=5
OverTimeLimit=0
SlurmdParameters=config_overrides
$types
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 CoresPerSocket=4 RealMemory=20000 $gpus State=UNKNOWN
PartitionName=gpu Nodes=$node Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=5 DefMemPerCPU=1000
PartitionName=urgent Nodes=$node PriorityTier=10 PreemptMode=OFF DefMemPerCPU=1000
CONF
echo AutoDetect=off >"$folder/gres.conf"
[ -z "$gpus" ] || echo "NodeName=$node Name=gpu Type=h200 File=$folder/fake[0-1]" >>"$folder/gres.conf"
[ -f "$folder/munge.key" ] || head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"

for daemon in slurmd slurmctld munged; do down "$daemon"; done # those of an earlier call
{
  munged --force --key-file="$folder/munge.key" --socket="$folder/run/munge.socket" --seed-file="$folder/run/munge.seed" \
    --pid-file="$folder/run/munged.pid" --log-file="$folder/log/munged.log"
  slurmctld -f "$folder/slurm.conf" -i
  slurmd -f "$folder/slurm.conf" -N "$node"
} >>"$folder/log/start.log" 2>&1

for _ in $(seq 300); do
  if [ "$(sinfo -h -p gpu -o %T 2>/dev/null)" = idle ]; then
    echo "$folder/slurm.conf"
    exit 0
  fi
  sleep 0.2
done
echo "slurm-up.sh: the node is not idle after a minute; see $folder/log" >&2
exit 1
