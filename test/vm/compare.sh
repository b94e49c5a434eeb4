#!/bin/bash
# Runs in a lab guest, and prints a table of throughput and processor time for the same load, from Linux's own initiators, on
# memory of lunette, of the kernel's target (LIO) by the same transport, and of lunette by TCP: all in one guest, in rounds of which
# each has all of them. KIND says which transport, iser, roce or fcoe, and is compare-KIND.sh.
#
#   make compare [COMPARE="KIND [ROUNDS [SECONDS]]"], or lab -t 1800 -m 2048 DIR "bash compare.sh KIND [ROUNDS [SECONDS]]"
#
# The figures say how they stand to each other in an emulated guest, and no more.
# shellcheck disable=SC2154 # address, inside, names and disks are those of compare-KIND.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kind=$1 rounds=${2:-3} seconds=${3:-4}
iqn=iqn.2026-11.io.lunette.compare size=16
cases=("read 4k 32" "read 64k 16" "read 1m 4" "write 4k 32" "write 64k 16" "write 1m 4")

# shellcheck source-path=SCRIPTDIR source=lio.sh
. "$here/lio.sh"
# A kind is names, of what is compared; pairs, of their numbers, which says what with what (without it the first with each other); and the functions setup, which serves and attaches them, has their disks in disks, in
# the order of names, and sets address, where lunette is by TCP, and inside, behind which it runs; and teardown.
# shellcheck source=/dev/null
. "$here/compare-$kind.sh"
if [ -z "${pairs+set}" ]; then for ((i = 1; i < ${#names[@]}; i++)); do pairs+=("0 $i"); done; fi

# serve PORTAL...: lunette, on memory; returns when it can be attached
serve() {
  "${inside[@]}" "$here/lunette" serve --memory "${size}M" --target "$iqn:lunette" "${@/#/--portal=}" --socket /run/lunette.sock >/run/lunette.log 2>&1 & server=$!
  until grep -q '^to attach' /run/lunette.log; do
    if ! kill -0 "$server"; then cat /run/lunette.log; return 1; fi
    sleep 0.2
  done
}

open_iscsi() {
  modprobe -a iscsi_tcp sd_mod sg
  echo "InitiatorName=iqn.2026-11.io.lunette.test:guest" >/etc/iscsi/initiatorname.iscsi
  iscsid -p /run/iscsid.pid
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
for d in "${disks[@]}"; do dd if=/dev/urandom of="$d" bs=1M count="$size" oflag=direct status=none; done
for ((round = 1; round <= rounds; round++)); do
  for c in "${cases[@]}"; do
    read -r op bs depth <<<"$c"
    for i in "${!names[@]}"; do measure "${names[i]}" "${disks[i]}" "$op" "$bs" "$depth"; done
  done
done | tee /run/figures | sed 's/^/# /'

# Medians; and how the first stands to the others: the median of the rounds' ratios, and the least and the greatest.
awk -F'|' -v names="$(IFS=,; echo "${names[*]}")" -v pairs="$(IFS=,; echo "${pairs[*]}")" '
  function sort(list, a, n, i, j, t) {
    n = split(list, a, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return n
  }
  function median(list, n, a) { n = sort(list, a); return a[int((n + 1) / 2)] }
  function ratio(over, under, n, a, b, c, i, list) {
    n = split(over, a, " ")
    split(under, b, " ")
    for (i = 1; i <= n; i++) list = list " " a[i] / b[i]
    sort(list, c)
    return sprintf("x %.2f (%.2f to %.2f)", c[int((n + 1) / 2)], c[1], c[n])
  }
  { if (!($1 in seen)) { seen[$1]; order[++cases] = $1 }
    rate[$1, $2] = rate[$1, $2] " " $3; busy[$1, $2] = busy[$1, $2] " " $4; own[$1, $2] = own[$1, $2] " " $5 }
  END {
    printf "%-14s %-13s %10s %14s %14s\n", "load", "target", "MiB/s", "guest ms/MiB", "lunette ms/MiB"
    targets = split(names, name, ",")
    compared = split(pairs, pair, ",")
    for (c = 1; c <= cases; c++) {
      k = order[c]
      for (i = 1; i <= targets; i++) {
        n = name[i]
        printf "%-14s %-13s %10.1f %14.1f %14.1f\n", k, n, median(rate[k, n]) / 1024, median(busy[k, n]), median(own[k, n])
      }
      for (i = 1; i <= compared; i++) {
        split(pair[i], p, " ")
        one = name[p[1] + 1]
        n = name[p[2] + 1]
        printf "%-14s %-13s to %-13s throughput %s, guest processor time %s\n", k, one, n, ratio(rate[k, one], rate[k, n]), ratio(busy[k, one], busy[k, n])
      }
    }
  }' /run/figures
teardown
kill "$server" && wait "$server"
