# The devices of the guest that are bridged, and the same as the bridge serves them. Sourced by scripts in a lab guest, with lib.sh, attach.sh
# and tape/library.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # address, iqn and ports are the script's, which uses what is found here

# at HOST CHANNEL:TARGET:LUN: its file in /dev/bsg
at() { echo "/dev/bsg/${1#host}:$2"; }

# driver_host NAME: the kernel's host with that driver
driver_host() {
  local h
  for h in /sys/class/scsi_host/host*; do
    [ "$(cat "$h/proc_name")" != "$1" ] || { echo "${h##*/}"; return; }
  done
  return 1
}

# device KIND: the file in /dev/bsg of a device itself
device() {
  local d
  case $1 in
    disk) d=$(at "$(driver_host scsi_debug)" 0:0:0) ;;
    cd) d=$(at "$(driver_host virtio_scsi)" 0:0:0) ;;
    hd) d=$(at "$(driver_host virtio_scsi)" 0:1:0) ;;
    changer) d=$(at "$(session_host vtl "$library")" 0:0:0) ;;
    tape) d=$(at "$(session_host vtl "$library")" 0:0:1) ;;
    other) d=$(at "$(session_host vtl "$library")" 0:0:2) ;;
  esac
  [ -c "$d" ] && echo "$d"
}

# ids: how the document calls them, in $id: by their names, if these are unique in the world, since what the bridge serves to this host is called
# the same. It is found out once.
ids() {
  [ -e /run/ids ] || {
    id=([disk]="$(address_of "$(device disk)")"
      [cd]="$(address_of "$(device cd)")" [hd]=wwn-0x5000c500a1b2c3d4
      [changer]="$(address_of "$(device changer)")" [tape]="$(serial_of "$(device tape)")" [other]="$(device other)")
    declare -p id | sed 's/^declare -A //' >/run/ids
  }
  # shellcheck source=/dev/null
  . /run/ids
}
address_of() { echo "${1##*/}"; }
serial_of() { sg_inq -p sn "$1" | sed -n 's/.*serial number: *//p'; }

# scsi BSG: the device's folder in sysfs
scsi() { echo "/sys/bus/scsi/devices/${1##*/}"; }
generic_of() { echo "/dev/$(basename "$(scsi "$1")"/scsi_generic/sg*)"; }
block_of() { echo "/dev/$(basename "$(scsi "$1")"/block/*)"; }
tape_of() { echo "/dev/$(basename "$(scsi "$1")"/scsi_tape/nst?)"; }

# of_tcp KIND, of_second KIND, of_srp KIND: the file in /dev/bsg of what the bridge serves
of_tcp() { through "$(initiator_host default)" "$1"; }
of_second() { through "$(initiator_host second)" "$1"; }
of_srp() { through "$(srp_host main)" "$1"; }
through() {
  local d; d=$(at "$1" "0:0:${lun[$2]}")
  [ -c "$d" ] && echo "$d"
}
# initiator_host INTERFACE: the kernel's host of the session with the bridge
initiator_host() {
  local s
  for s in /sys/class/iscsi_session/session*; do
    if [ "$(cat "$s/targetname")" != "$iqn:main" ] || [ "$(cat "$s/ifacename")" != "$1" ]; then continue; fi
    s=$(readlink -f "$s/device"); s=${s%/session*}
    echo "${s##*/}" && return
  done
  return 1
}

# bridge_attach tcp|second|srp: all that the bridge serves is there
bridge_attach() {
  local kind face=default
  case $1 in
    srp) srp_login main cmd_sg_entries=255,sg_tablesize=255 ;;
    *)
      [ "$1" = tcp ] || face=second
      admin -m node -T "$iqn:main" -p "$address:$tcp,1" -I "$face" -o new
      set_node main "$tcp" 'node.conn[0].timeo.noop_out_interval' 0 'node.conn[0].timeo.noop_out_timeout' 0 node.session.err_timeo.abort_timeout 30
      login main "$tcp" "$face"
      ;;
  esac
  for kind in "${!lun[@]}"; do within 20 "of_$1" "$kind"; done
  udevadm settle
  lsscsi -g
}
