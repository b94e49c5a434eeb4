# The kernel's own target (LIO), to compare with, on memory. For scripts that run in a lab guest.
# shellcheck shell=bash disable=SC2154 # size is the script's

lio=/sys/kernel/config/target

# lio_memory NAME: $size MiB of memory, and where it is
lio_memory() {
  local disk=$lio/core/rd_mcp_0/$1
  modprobe configfs
  mountpoint -q /sys/kernel/config 2>/dev/null || mount -t configfs configfs /sys/kernel/config
  modprobe target_core_mod
  mkdir -p "$disk"
  echo "rd_pages=$((size * 256))" >"$disk/control"
  echo 1 >"$disk/enable"
  echo "$disk"
}

# lio_iser NAME ADDRESS:PORT: serves memory there by iSER over software iWARP, to everybody
lio_iser() {
  local disk group=$lio/iscsi/$1/tpgt_1
  disk=$(lio_memory iser)
  modprobe iscsi_target_mod
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

# lio_fc PORT INITIATOR: serves memory by FCP at the kernel's port of that name, which is 20:00: and the interface's MAC address, to that initiator
lio_fc() {
  local disk group=$lio/fc/$1/tpgt_1
  disk=$(lio_memory fc)
  modprobe tcm_fc
  mkdir -p "$group/lun/lun_0"
  ln -s "$disk" "$group/lun/lun_0/disk"
  mkdir "$group/acls/$2"
  mkdir "$group/acls/$2/lun_0"
  ln -s "$group/lun/lun_0" "$group/acls/$2/lun_0/disk"
}

# lio_srp ADAPTER ADDRESS PORT: serves memory there by SRP at an adapter with that address, to everybody who comes by it
lio_srp() {
  local disk gid group
  disk=$(lio_memory srp)
  modprobe ib_srpt
  gid=$(cat "/sys/class/infiniband/$1/ports/1/gids/0")
  group=$lio/srpt/${gid:20}/${gid:20} # the adapter's GUID
  mkdir -p "$group/lun/lun_0"
  ln -s "$disk" "$group/lun/lun_0/disk"
  # It looks initiators up by the address that they have come to (Linux 6.1).
  mkdir "$group/acls/$2"
  mkdir "$group/acls/$2/lun_0"
  ln -s "$group/lun/lun_0" "$group/acls/$2/lun_0/disk"
  echo 1 >"$group/enable"
  echo "$3" >"$lio/srpt/discovery_auth/rdma_cm_port"
}
