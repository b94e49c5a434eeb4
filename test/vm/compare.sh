#!/bin/bash
# Runs in a lab guest, and prints a table of throughput and processor time for the same load, from Linux's own initiators, on
# memory of lunette by iSER, of the kernel's target (LIO) by iSER, and of lunette by TCP: all through the loopback interface
# of one guest, iSER over software iWARP, in rounds of which each has all of them.
#
#   make compare, or lab -t 1800 -m 2048 DIR "bash compare.sh [ROUNDS [SECONDS]]"
#
# The figures say how they stand to each other in an emulated guest, and no more.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${1:-3} seconds=${2:-4}
address=10.98.0.1 iqn=iqn.2026-11.io.lunette.compare size=64
cases=("read 4k 32" "read 64k 16" "read 1m 4" "write 4k 32" "write 64k 16" "write 1m 4")

# shellcheck source-path=SCRIPTDIR source=lio.sh
. "$here/lio.sh"

setup() {
  ip link add v0 type veth peer name v1
  ip link set v0 up
  ip link set v1 up
  ip addr add "$address/24" dev v0
  modprobe -a iscsi_tcp siw ib_iser sd_mod sg
  rdma link add siw0 type siw netdev v0
  echo "InitiatorName=iqn.2026-11.io.lunette.test:guest" >/etc/iscsi/initiatorname.iscsi
  iscsid -p /run/iscsid.pid
  "$here/lunette" serve --memory "${size}M" --target "$iqn:lunette" --portal "$address:3260" --portal "iser+iwarp://$address:3261" \
    --socket /run/lunette.sock >/run/lunette.log 2>&1 & server=$!
  lio_start "$iqn:lio" "$address:3262" "$size"
  until grep -q '^to attach' /run/lunette.log; do sleep 0.2; done
  attach lunette 3260 default
  attach lunette 3261 iser
  attach lio 3262 iser
}

attach() { # NAME PORT IFACE
  iscsiadm -m node -T "$iqn:$1" -p "$address:$2,1" -I "$3" -o new >/dev/null
  iscsiadm -m node -T "$iqn:$1" -p "$address:$2" -I "$3" --login >/dev/null
}

# disk NAME IFACE: its path
disk() {
  local s block i
  for i in {1..100}; do
    for s in /sys/class/iscsi_session/session*; do
      [ "$(cat "$s/targetname") $(cat "$s/ifacename")" = "$iqn:$1 $2" ] || continue
      for block in "$s"/device/target*/*:*:*:0/block/*; do
        if [ -b "/dev/${block##*/}" ]; then echo "/dev/${block##*/}" && return; fi
      done
    done
    sleep 0.1
  done
  echo "no disk of $1 by $2 after $i tries" >&2
  return 1
}

busy() { awk '/^cpu / {print $2 + $3 + $4 + $7 + $8}' /proc/stat; } # hundredths of seconds, of all processors
own() { awk '{print $14 + $15}' "/proc/$server/stat"; }             # of lunette

# measure NAME DEVICE OPERATION BLOCK DEPTH: a line of KiB/s, busy and own time in ms a MiB
measure() {
  local out b0 b1 o0 o1
  b0=$(busy) o0=$(own)
  out=$(timeout $((seconds * 5 + 30)) fio --name=m --filename="$2" --rw="rand$3" --bs="$4" --iodepth="$5" --direct=1 --ioengine=libaio \
    --time_based --runtime="$seconds" --size="${size}m" --randrepeat=1 --terse-version=3 --minimal)
  b1=$(busy) o1=$(own)
  echo "$out" | awk -F';' -v op="$3" -v name="$1" -v load="$3 $4 $5" -v busy=$((b1 - b0)) -v own=$((o1 - o0)) '{
    total = op == "read" ? $6 : $47; rate = op == "read" ? $7 : $48
    printf "%s|%s|%d|%.2f|%.2f\n", load, name, rate, busy * 10240 / total, own * 10240 / total }'
}

setup
iser=$(disk lunette iser) tcp=$(disk lunette default) lio_disk=$(disk lio iser)
for d in "$iser" "$tcp" "$lio_disk"; do dd if=/dev/urandom of="$d" bs=1M count="$size" oflag=direct status=none; done
for ((round = 1; round <= rounds; round++)); do
  for c in "${cases[@]}"; do
    read -r op bs depth <<<"$c"
    measure "lunette iSER" "$iser" "$op" "$bs" "$depth"
    measure "LIO iSER" "$lio_disk" "$op" "$bs" "$depth"
    measure "lunette TCP" "$tcp" "$op" "$bs" "$depth"
  done
done | tee /run/figures | sed 's/^/# /'

# Medians, and how lunette's iSER stands to the others.
awk -F'|' '
  function median(list, n, a, i, j, t) {
    n = split(list, a, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return a[int((n + 1) / 2)]
  }
  { if (!($1 in seen)) { seen[$1]; order[++cases] = $1 }
    rate[$1, $2] = rate[$1, $2] " " $3; busy[$1, $2] = busy[$1, $2] " " $4; own[$1, $2] = own[$1, $2] " " $5 }
  END {
    printf "%-14s %-13s %10s %14s %14s\n", "load", "target", "MiB/s", "guest ms/MiB", "lunette ms/MiB"
    split("lunette iSER,LIO iSER,lunette TCP", names, ",")
    for (c = 1; c <= cases; c++) {
      k = order[c]
      for (i = 1; i <= 3; i++) {
        n = names[i]
        printf "%-14s %-13s %10.1f %14.1f %14.1f\n", k, n, median(rate[k, n]) / 1024, median(busy[k, n]), median(own[k, n])
      }
      a = "lunette iSER"
      for (i = 2; i <= 3; i++) printf "%-14s %-13s throughput x %.2f, guest processor time x %.2f\n", k, "to " names[i],
        median(rate[k, a]) / median(rate[k, names[i]]), median(busy[k, a]) / median(busy[k, names[i]])
    }
  }' /run/figures
iscsiadm -m node -u >/dev/null
kill "$server" && wait "$server"
