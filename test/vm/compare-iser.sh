# What compare.sh compares: iSER over software iWARP, through the loopback interface of the guest.
# shellcheck shell=bash disable=SC2034,SC2154 # they are compare.sh's

names=("lunette iSER" "LIO iSER" "lunette TCP")

setup() {
  address=10.98.0.1 inside=()
  ip link add v0 type veth peer name v1
  ip link set v0 up
  ip link set v1 up
  ip addr add "$address/24" dev v0
  modprobe -a siw ib_iser ib_isert
  rdma link add siw0 type siw netdev v0
  serve "$address:3260" "iser+iwarp://$address:3261"
  lio_iser "$iqn:lio" "$address:3262"
  open_iscsi
  attach lunette 3260 default
  attach lunette 3261 iser
  attach lio 3262 iser
  disks=("$(disk lunette iser)" "$(disk lio iser)" "$(disk lunette default)")
}

teardown() { iscsiadm -m node -u >/dev/null; }
