# What compare.sh compares: FCP over FCoE, among neighbours (VN2VN), over veth pairs. Linux's initiator and the kernel's own target (tcm_fc), which is
# libfc too, have both ends of v0 = v1 in one network namespace, since they look for interfaces there alone; lunette has w1 of w0 = w1 in
# another one, and is attached by TCP over the same pair.
# shellcheck shell=bash disable=SC2034,SC2154 # they are compare.sh's

names=("lunette FCP" "tcm_fc" "lunette TCP")

# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"

setup() {
  address=10.98.0.2 inside=(ip netns exec target)
  ip netns add target
  ip link add v0 address 02:00:00:00:00:0a mtu 2500 type veth peer name v1 address 02:00:00:00:00:0b mtu 2500
  ip link add w0 address 02:00:00:00:01:0a mtu 2500 type veth peer name w1 address 02:00:00:00:01:0b mtu 2500 netns target
  ip link set v0 up
  ip link set v1 up
  ip addr add 10.98.0.1/24 dev w0
  ip link set w0 up
  "${inside[@]}" ip addr add "$address/24" dev w1
  "${inside[@]}" ip link set w1 up
  modprobe -a fcoe tcm_fc
  serve "$address:3260" 'fcp+fcoe://w1?mode=vn2vn'
  lio_fc 20:00:02:00:00:00:00:0b 20:00:02:00:00:00:00:0a
  for i in v1 v0 w0; do create "$i" vn2vn; done
  open_iscsi
  attach lunette 3260 default
  disks=("$(fc_disk w0)" "$(fc_disk v0)" "$(disk lunette default)")
}

# fc_disk INTERFACE: the path of the one that there is behind it
fc_disk() {
  local block i
  for i in {1..300}; do
    for block in "$(ctlr "$1")"/host*/rport-*/target*/*:*:*:0/block/*; do
      if [ -b "/dev/${block##*/}" ]; then echo "/dev/${block##*/}" && return; fi
    done
    sleep 0.1
  done
  echo "no disk behind $1 after $i tries" >&2
  return 1
}

teardown() {
  iscsiadm -m node -u >/dev/null
  for i in v0 w0 v1; do echo "$i" >/sys/bus/fcoe/ctlr_destroy; done
}
