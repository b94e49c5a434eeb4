#!/bin/bash
# Runs in a lab guest: what Linux's st and ch, and programs above them, do with a tape library of lunette in network namespace "target",
# over a veth pair, by iscsi_tcp, ib_srp and ib_iser; and what of it fails with tgt's library, which shows that it can. In steps (lib.sh).
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
store=/var/tmp/vtl
tcp=3260 iser=3261 srp=5555 peer=3270 # ports

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
# shellcheck source-path=SCRIPTDIR source=tape/library.sh
. "$here/tape/library.sh"
# shellcheck source-path=SCRIPTDIR source=tape/tgt.sh
. "$here/tape/tgt.sh"

# What a step finds is of no use to the next one: each is a shell of its own.
of_tcp() { units "$(session_host vtl "$tcp")"; }
of_iser() { units "$(session_host vtl "$iser")"; }
of_srp() { units "$(srp_host vtl)"; }
of_peer() { units "$(session_host peer "$peer")"; }

# How many checks there are; a script that says less has left something out.
blank=9 filled=8 demands=49
# loaded SLOT COMMAND...: with that cartridge in the first drive
loaded() {
  local slot=$1 status=0; shift
  mtx -f "$changer" load "$slot" 0 >/dev/null
  "$@" || status=$?
  mtx -f "$changer" unload "$slot" 0 >/dev/null || return
  return "$status"
}
blank() { loaded 5 timeout 240 "$here/tape/eot.py" "${drives[0]}"; }
filled() { loaded 6 timeout 240 "$here/tape/eot.py" "${drives[0]}" fill; }
demands() { loaded 5 timeout 240 "$here/tape/demands.py" "${generic[0]}" "$changer"; }

# --- what is tested -------------------------------------------------------------------------------------------------

setup() {
  network
  modprobe -a iscsi_tcp siw ib_iser st ch sg
  load_srp
  rdma link add siw0 type siw netdev v0
  open_iscsi
}
start() {
  library_create 32
  serve
}

tcp_attach() { attach tcp vtl "$tcp"; }
# Names that stay, as guides have them: of drives, rewinding and not, and of the robot.
tcp_names() {
  local d
  of_tcp
  udevadm settle
  ls -l /dev/tape/by-id
  for d in "${drives[@]}" "${drives[@]/nst/st}" "$changer"; do
    [ -n "$(command find /dev/tape/by-id -lname "../../${d#/dev/}")" ] || { echo "$d has none"; return 1; }
  done
  grep -qx "$(sg_vpd -p sn "${generic[0]}" | sed -n 's/.*serial number: *//p')" <<<"$(ls /dev/tape/by-id | sed -n 's/^scsi-\(.*\)-nst$/\1/p')"
}
tcp_tools() { of_tcp && checked "$tools" tools; }
tcp_blank() { of_tcp && checked "$blank" blank; }
tcp_filled() { of_tcp && checked "$filled" filled; }
tcp_demands() { of_tcp && checked "$demands" demands; }
tcp_detach() { detach tcp vtl "$tcp"; }
srp_attach() { attach srp vtl; }
srp_tools() { of_srp && checked "$tools" tools; }
srp_detach() { detach srp vtl; }
iser_attach() { attach iser vtl "$iser"; }
iser_tools() { of_iser && checked "$tools" tools; }
iser_detach() { detach iser vtl "$iser"; }
finish() {
  no admin -m session
  end main TERM
  awk '/level=(WARN|ERROR)|panic|leak/ {print; trouble = 1} END {exit trouble}' /run/main.log
}

# The same fails with tgt where it is known to fail: at the end of data, and where it has not what is asked for.
peer_attach() {
  tgt_library peer "$peer" /var/tmp/peer 2 8 32 2
  attach tcp peer "$peer"
}
peer_tools() { of_peer && failing "$tools" "$here/tape/tgt.tools" tools; }
peer_blank() { of_peer && failing "$blank" "$here/tape/tgt.blank" blank; }
peer_filled() { of_peer && failing "$filled" "$here/tape/tgt.filled" filled; }
peer_demands() { of_peer && failing "$demands" "$here/tape/tgt.demands" demands; }
peer_detach() { detach tcp peer "$peer" && end peer KILL || true; }

steps=(setup start tcp_attach tcp_names tcp_tools tcp_blank tcp_filled tcp_demands tcp_detach srp_attach srp_tools srp_detach
  iser_attach iser_tools iser_detach finish)
# And of make test-vtl: setup peer_attach peer_tools peer_blank peer_filled peer_demands peer_detach
run_steps "$@"
