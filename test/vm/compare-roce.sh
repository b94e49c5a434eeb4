# What compare.sh compares: iSER and SRP over RoCE, with the kernel's rxe for the initiators and its own target (LIO). Linux's initiator and target have both
# ends of v0 = v1 in one network namespace, since rxe works in the first one alone; lunette has w1 of w0 = w1 in another one. MTU says how long frames may be.
# With LOSS, as in "loss 1% duplicate 1%", it is SRP alone, with a network that is like that both ways; no memory is registered, since rxe (of Linux 6.1) gives
# connections up that have to send again what is before a registration.
# shellcheck shell=bash disable=SC2034,SC2154 # they are compare.sh's

names=("lunette iSER" "LIO iSER" "lunette SRP" "LIO SRP" "lunette TCP")
pairs=("0 1" "2 3" "0 4")
adapter=rxe iser=3261
mtu=${MTU:-1500} loss=${LOSS:-}
[ -z "$loss" ] || names=("lunette SRP" "LIO SRP") pairs=("0 1")

# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
socket=/run/lunette.sock

setup() {
  address=10.98.0.2 inside=(ip netns exec target)
  wires
  modprobe -a rdma_rxe ib_iser ib_isert ib_srpt
  # shellcheck disable=SC2046 # several
  modprobe ib_srp $([ -z "$loss" ] || echo register_always=N never_register=Y)
  rdma link add rxe0 type rxe netdev w0
  rdma link add rxe1 type rxe netdev v0
  rdma link add rxe2 type rxe netdev v1
  open_iscsi
  lio_side
  lunette_side
  disks=("$(srp_disk "$(srp_host lunette)")" "$(srp_disk "$lio_host")")
  if [ -z "$loss" ]; then
    disks=("$(disk lunette iser)" "$(disk lio iser)" "${disks[@]}" "$(disk lunette default)")
  else
    impair v0 && impair v1 && impair w0 && "${inside[@]}" bash -c "$(declare -p loss); $(declare -f impair); impair w1"
  fi
}
# shellcheck disable=SC2086 # several
impair() { tc qdisc add dev "$1" root netem limit 10000 $loss; }

# wires: frames between v0 (10.97.0.1) and v1 (10.97.0.2) cross the pair, although both addresses are this host's
wires() {
  local i
  ip netns add target
  ip link add v0 address 02:00:00:00:00:0a mtu "$mtu" type veth peer name v1 address 02:00:00:00:00:0b mtu "$mtu"
  ip link add w0 address 02:00:00:00:01:0a mtu "$mtu" type veth peer name w1 address 02:00:00:00:01:0b mtu "$mtu" netns target
  for i in all default; do
    echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter
    echo 1 >/proc/sys/net/ipv4/conf/$i/arp_ignore
  done
  for i in v0 v1; do
    echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter
    echo 1 >/proc/sys/net/ipv4/conf/$i/accept_local
    ip link set $i up
  done
  ip addr add 10.97.0.1/32 dev v0
  ip addr add 10.97.0.2/32 dev v1
  ip route add 10.97.0.2/32 dev v0 src 10.97.0.1 table 100
  ip route add 10.97.0.1/32 dev v1 src 10.97.0.2 table 101
  # What comes from the pair is for this host; what this host sends takes the pair; only then are both addresses its own.
  ip rule add pref 10 iif v0 lookup local
  ip rule add pref 10 iif v1 lookup local
  for i in oif iif; do
    ip rule add pref 20 $i "$([ $i = oif ] && echo v0 || echo lo)" to 10.97.0.2 lookup 100
    ip rule add pref 20 $i "$([ $i = oif ] && echo v1 || echo lo)" to 10.97.0.1 lookup 101
  done
  ip rule add pref 200 lookup local
  ip rule del pref 0
  ip addr add 10.98.0.1/24 dev w0
  ip link set w0 up
  "${inside[@]}" ip addr add "$address/24" dev w1
  "${inside[@]}" ip link set w1 up
}

lio_side() {
  local service; modprobe -a ib_srpt
  lio_iser "$iqn:lio" 10.97.0.2:3262
  address=10.97.0.2 attach lio 3262 iser
  lio_srp rxe2 10.97.0.2 5556
  service=$(cat /sys/module/ib_srpt/parameters/srpt_service_guid)
  service=${service#0x}
  echo "id_ext=$service,ioc_guid=$service,dest=10.97.0.2:5556,queue_size=128" >/sys/class/infiniband_srp/srp-rxe1-1/add_target
  lio_host=$(for i in /sys/class/srp_remote_ports/port-*; do i=${i##*port-}; echo "host${i%:*}"; done)
}

lunette_side() {
  serve "$address:3260" "iser+roce://$address:$iser" "srp+roce://$address:5555"
  attach lunette 3260 default
  attach lunette "$iser" iser
  srp_login lunette queue_size=128
}

# srp_disk HOST: the path of the one that there is behind it
srp_disk() {
  local block i
  for i in {1..100}; do
    for block in "/sys/class/scsi_host/$1"/device/target*/*:*:*:0/block/*; do
      if [ -b "/dev/${block##*/}" ]; then echo "/dev/${block##*/}" && return; fi
    done
    sleep 0.1
  done
  echo "no disk behind $1 after $i tries" >&2
  return 1
}

teardown() {
  local i
  iscsiadm -m node -u >/dev/null
  for i in /sys/class/srp_remote_ports/*/delete; do echo 1 >"$i"; done
}
