#!/bin/bash
# Runs in a lab guest: the ways of initiator/sg to the kernel, with devices of scsi_debug. The tests are those of the program ways, which the folder
# of that name makes; each is a step. LUNETTE_WAYS says which ways there are, best first.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

debug=/sys/bus/pseudo/drivers/scsi_debug

# devices: the addresses of all of them, in the order in which they came
devices() { local d; for d in /sys/bus/scsi/devices/[0-9]*; do echo "${d##*/}"; done | sort -t: -n -k1 -k4; }
devices_are() { [ "$(devices | wc -l)" = "$1" ]; }

# setup: four disks, which answer after a tenth of a millisecond, and tape drives where scsi_debug answers as such
setup() {
  grep -q tracing /proc/mounts || mount -t tracefs tracing /sys/kernel/tracing
  modprobe -a sd_mod sg st
  modprobe scsi_debug max_luns=4 dev_size_mb=16 statistics=1 ndelay=100000
  within 10 devices_are 4
  if $tape; then
    echo 1 >"$debug/ptype"
    echo 1 >"$debug/add_host"
    within 10 devices_are 8
  fi
  # udev reads every disk that was open a moment ago, and what the tests set it would wait for, or be told instead of them: it stands still from here on.
  udevadm settle
  kill -STOP "$(pgrep -xo systemd-udevd)"
  devices >/run/devices
  lsscsi -g
}

# tested NAME: a test of the program; each of its ways, and what it does for each, is a check
tested() {
  local status=0
  LUNETTE_WAYS_DEVICES=$(tr '\n' ' ' </run/devices) timeout 400 "$here/ways" -test.v -test.timeout 380s -test.run "^Test$1\$" >/run/out 2>&1 || status=$?
  sed -nE 's/^ +--- (PASS|FAIL): ([^ ]*) .*/\1 \2/p' /run/out | sed 's/^PASS/ok/; s/^FAIL/BAD/' >/run/checks
  grep -E '^ +[a-z_]*\.go:' /run/out >>/run/notes || true
  if ((status != 0)) || no grep -q '^--- PASS' /run/out; then cat /run/out; return 1; fi
}

auto() { tested Auto; }
suite() { tested Suite; }
tape() { tested Tape; }
answers() { tested Answers; }
nothing_else() { tested NothingElse; }
arena() { tested Arena; }
too_much() { tested TooMuch; }
signals() { tested Signals; }
sgio() { tested SGIO; }
timeout_() { tested Timeout; }
privilege() { tested Privilege; }
reset_() { tested Reset; }
unplugged() { tested Unplugged; }
finish() { no dmesg_has 'BUG|WARNING|Oops|general protection|blocked for more than'; }

newer() { [ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -1)" = "$1" ]; }

steps=(setup auto suite answers nothing_else arena too_much signals sgio timeout_ privilege reset_ unplugged finish)
export LUNETTE_WAYS="threads sg" tape=false
if newer 7.1; then
  LUNETTE_WAYS="uring $LUNETTE_WAYS" tape=true
  steps+=(tape)
fi
run_steps "$@"
