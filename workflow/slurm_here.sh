#!/bin/sh
# A SLURM of one controller and one node on this machine, to try the workflow on.
#
#   sh workflow/slurm_here.sh start FOLDER    start it; its files and logs lie in FOLDER
#   sh workflow/slurm_here.sh stop FOLDER     stop it
#
# Needs slurmctld, slurmd and munged (Debian: apt-get install slurm-wlm munge). No control groups, no
# accounting, no service: the three run as root, who starts them, and only for root.
set -eu

usage="usage: sh workflow/slurm_here.sh start|stop FOLDER"
action=${1:?$usage}
mkdir -p "${2:?$usage}"
folder=$(cd "$2" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF="$folder/slurm.conf"
# Inside of a job Snakemake's srun has lost SLURM_CONF and looks here.
usual=/etc/slurm/slurm.conf

write_configuration() {
    cat > "$SLURM_CONF" <<CONFIGURATION
ClusterName=here
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=2
ReturnToService=2
MinJobAge=3600
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=2 RealMemory=6000 State=UNKNOWN
PartitionName=here Nodes=ALL Default=YES MaxTime=60 State=UP
CONFIGURATION
    echo "CgroupPlugin=cgroup/v1" > "$folder/cgroup.conf"
}

start() {
    for program in munged slurmctld slurmd; do
        command -v "$program" > /dev/null \
            || { echo "there is no $program; install it: apt-get install slurm-wlm munge" >&2; exit 1; }
    done
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    (umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key")
    write_configuration
    if [ -e "$usual" ]; then
        echo "$usual exists: this machine has a SLURM of its own" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$usual")"
    ln -sf "$SLURM_CONF" "$usual"
    munged --force --socket "$folder/munge.socket" --key-file "$folder/munge.key" \
        --pid-file "$folder/munged.pid" --log-file "$folder/munged.log" \
        --seed-file "$folder/munged.seed"
    slurmctld
    slurmd
    for _ in $(seq 30); do
        if sinfo --noheader --format %t | grep -qx idle; then
            echo "SLURM runs: export SLURM_CONF=$SLURM_CONF"
            return
        fi
        sleep 1
    done
    echo "the node is not idle after half a minute; the logs lie in $folder" >&2
    stop
    exit 1
}

stop() {
    for program in slurmd slurmctld munged; do
        if [ -f "$folder/$program.pid" ]; then
            kill "$(cat "$folder/$program.pid")" 2> /dev/null || true
        fi
    done
    if [ "$(readlink "$usual")" = "$SLURM_CONF" ]; then
        rm "$usual"
    fi
    echo "SLURM is stopped"
}

case $action in
    start | stop) "$action" ;;
    *) echo "$usage" >&2; exit 2 ;;
esac
