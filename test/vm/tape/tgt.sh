# The library that lunette is compared with: tgt's, over iSCSI. Sourced by scripts in a lab guest, with lib.sh.
# shellcheck shell=bash disable=SC2154 # address and iqn are the script's

# tgt_library NAME PORT STORE DRIVES SLOTS MIB MAIL: LUNs 1 to DRIVES are drives, the next one is the changer
tgt_library() {
  local name=$1 port=$2 store=$3 drives=$4 slots=$5 mib=$6 mail=$7 i barcode changer=$(($4 + 1))
  mkdir -p "$store"
  [ -e "$store/smc" ] || head -c 1024 /dev/zero >"$store/smc"
  daemon "$name" "$port" tgtd -f --iscsi "portal=$address:$port"
  tgt() { inside tgtadm --lld iscsi "$@"; }
  unit() { tgt --mode logicalunit --op "$1" --tid 1 --lun "$2" "${@:3}"; }
  elements() { unit update "$changer" --params "element_type=$1,$2"; }
  within 10 tgt --op show --mode sys
  tgt --op new --mode target --tid 1 -T "$iqn:$name"
  for ((i = 1; i <= slots; i++)); do
    barcode=$(printf LUN%03dL5 "$i")
    [ -e "$store/$barcode" ] || tgtimg --op new --device-type tape --barcode "$barcode" --size "$mib" --type data --file "$store/$barcode" >/dev/null
  done
  for ((i = 1; i <= drives; i++)); do
    unit new "$i" -b "$store/$(printf LUN%03dL5 "$i")" --device-type tape
    unit update "$i" --params "vendor_id=IBM,product_id=ULT3580-TD5,product_rev=0107,scsi_sn=LUNDRV000$i,scsi_id=LUNDRV000$i,removable=1,online=0"
  done
  unit new "$changer" -b "$store/smc" --device-type changer
  unit update "$changer" --params "vendor_id=STK,product_id=L700,product_rev=0107,scsi_sn=LUNLIB0001,removable=1,media_home=$store"
  elements 4 "start_address=1,quantity=$drives"
  for ((i = 1; i <= drives; i++)); do elements 4 "address=$i,tid=1,lun=$i"; done
  elements 1 "start_address=$changer,quantity=1"
  elements 2 "start_address=1000,quantity=$slots"
  elements 3 "start_address=2000,quantity=$mail"
  for ((i = 1; i <= slots; i++)); do elements 2 "address=$((999 + i)),barcode=$(printf LUN%03dL5 "$i"),sides=1"; done
  tgt --op bind --mode target --tid 1 -I ALL
}
