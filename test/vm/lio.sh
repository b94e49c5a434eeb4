# The kernel's own target (LIO), to compare with: iSER over software iWARP, on memory. For scripts that run in a lab guest.
# shellcheck shell=bash

lio=/sys/kernel/config/target

# lio_start NAME ADDRESS:PORT MIB: serves that much memory there, to everybody
lio_start() {
  local disk=$lio/core/rd_mcp_0/${1##*:} group=$lio/iscsi/$1/tpgt_1
  modprobe configfs
  mountpoint -q /sys/kernel/config 2>/dev/null || mount -t configfs configfs /sys/kernel/config
  modprobe -a target_core_mod iscsi_target_mod ib_isert
  mkdir -p "$disk"
  echo "rd_pages=$(($3 * 256))" >"$disk/control"
  echo 1 >"$disk/enable"
  mkdir -p "$group/lun/lun_0"
  ln -s "$disk" "$group/lun/lun_0/disk"
  echo 0 >"$group/attrib/authentication"
  echo 1 >"$group/attrib/generate_node_acls"
  echo 0 >"$group/attrib/demo_mode_write_protect"
  echo 1 >"$group/enable"
  # It listens by TCP before it is told of iSER, and then for iSER beside it; with iWARP both are the same port.
  # So the first is sent to a network of its own, where nobody is.
  ip netns add parked
  nsenter --net=/run/netns/parked mkdir "$group/np/$2"
  echo 1 >"$group/np/$2/iser"
}
