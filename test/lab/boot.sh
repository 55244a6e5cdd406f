#!/bin/sh
# Boots one host; becomes systemd-nspawn, so the caller's child is nspawn itself.
# usage: boot.sh CGROUP_DIR NETNS ROOT NAME BRIDGE [NSPAWN_OPTION...] (--boot | -- INIT)
# Runs in a mount namespace of its own (the caller starts it under `unshare -m`), in which /sys/fs/cgroup is one cgroup2 hierarchy
# whatever the machine has there: nspawn then gives the host a unified hierarchy, which systemd and podman want.
set -eu
cgroup=$1 netns=$2 root=$3 name=$4 bridge=$5
shift 5
echo $$ >"$cgroup/cgroup.procs"
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 none /sys/fs/cgroup
# nspawn's locks and propagation directories stay in this namespace and vanish with it.
mkdir -p /run/systemd
mount -t tmpfs -o mode=0755 none /run/systemd
exec nsenter "--net=/run/netns/$netns" systemd-nspawn --quiet "--directory=$root" "--machine=$name" "--hostname=$name" \
  --register=no --keep-unit "--network-bridge=$bridge" \
  --resolv-conf=off --timezone=off --link-journal=no --console=pipe "$@"
