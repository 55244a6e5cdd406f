#!/bin/sh
# Runs a program in the lab's control group and network namespace.
# usage: enter.sh CGROUP_DIR NETNS PROGRAM [ARGUMENT...]
set -eu
echo $$ >"$1/cgroup.procs"
netns=$2
shift 2
exec nsenter "--net=/run/netns/$netns" "$@"
