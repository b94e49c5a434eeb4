# How Linux's initiators for iSER, SRP and FCoE are attached to a lunette. Sourced by scripts in a lab guest, with lib.sh.
# shellcheck shell=bash disable=SC2154 # here, address, iqn and iser are the script's

: "${adapter:=siw}"    # for RDMA
socket=/run/main.sock # of the server that is asked
ask() { timeout 10 "$here/lunette" "$@" --socket "$socket"; }

# iser_log_in NAME [PORT]: Linux's libiscsi gives the response of a login to iscsid (iscsi_recv_pdu) before it frees the one task that logins
# have (iscsi_complete_task, the next call). If the processor that does so is held up in between, iscsid sends the
# next request from another one, libiscsi refuses it ("Login/Text in progress"), the target sees nothing of it, and iscsid waits
# for an answer until the login times out. Probes at these functions have shown that, 2 ms apart, once in 26 logins with two busy
# loops beside them. Then, and only then, it is tried again.
iser_log_in() {
  local try port=${2:-$iser}
  for try in 1 2 3; do
    dmesg -C
    ! login "$1" "$port" iser || return 0
    dmesg_has 'Login/Text in progress' || return 1
    echo "login $try of $1 has met itself"
  done
  return 1
}

# add_target NAME: what the daemon says that attaches it by SRP
add_target() { ask targets | sed -n "/^to attach $iqn:$1 by SRP/{n; s/^ *//p}"; }
srp_login() { # NAME [OPTIONS]
  local line; line=$(add_target "$1")
  echo "$line"
  echo "$line${2:+,$2}" >"/sys/class/infiniband_srp/srp-${adapter}0-1/add_target"
}
# load_srp [PARAMETERS]: it tries again after two seconds, and keeps what is under way for long enough.
load_srp() { modprobe ib_srp reconnect_delay=2 fast_io_fail_tmo=240 dev_loss_tmo=480 "$@"; }
# srp_host NAME: the kernel's host of it
srp_host() {
  local h id; id=$(add_target "$1" | sed 's/^id_ext=\([0-9a-f]*\),.*/0x\1/')
  for h in /sys/class/scsi_host/host*; do
    if [ -e "$h/id_ext" ] && [ "$(cat "$h/id_ext")" = "$id" ]; then echo "${h##*/}" && return; fi
  done
  return 1
}
srp_logout() {
  local host; host=$(srp_host "$1")
  echo 1 >"/sys/class/srp_remote_ports/port-${host#host}:1/delete"
  within 10 no srp_host "$1"
}

# iser_discover: as iser_log_in, since discovery logs in too
iser_discover() {
  dmesg -C
  admin -m discovery -t sendtargets -p "$address:$iser" -I iser && return
  dmesg_has 'Login/Text in progress' >&2 && admin -m discovery -t sendtargets -p "$address:$iser" -I iser
}

# ctlr INTERFACE: the kernel's directory of what it is by FCoE
ctlr() {
  local c
  for c in /sys/class/net/"$1"/ctlr_*; do [ -d "$c" ] && echo "$c" && return; done
  return 1
}
# create INTERFACE MODE: FCoE on it, as vn2vn or in a fabric
create() {
  local c
  echo "$1" >/sys/bus/fcoe/ctlr_create
  c=$(ctlr "$1")
  [ "$2" = fabric ] || echo "$2" >"$c/mode"
  echo 1 >"$c/enabled"
}
# fc_host INTERFACE: the kernel's host there
fc_host() {
  local h; for h in "$(ctlr "$1")"/host*; do [ -d "$h" ] && echo "/sys/class/fc_host/${h##*/}" && return; done
  return 1
}
