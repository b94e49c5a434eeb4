#!/bin/bash
# fio-libiscsi: fio with the engine libiscsi, which Debian's binary lacks, from Debian's own source package.
#
#   fio-libiscsi.sh            build it unless it is there, and print the path of the program
#
# The lists of packages of this machine are left as they are. It is kept in ${XDG_CACHE_HOME:-~/.cache}/lunette/fio;
# $cache/fio is always the newest. Installing what the build needs takes root, or sudo.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lunette/fio
work=''

say() { echo "fio-libiscsi: $*" >&2; }
die() { say "$*"; exit 1; }

# usable PROGRAM: it runs, and has the engine
usable() { [ -x "$1" ] && "$1" --enghelp 2>/dev/null | grep -qw libiscsi; }

# sources: where this machine gets Debian from, as places of source packages
sources() {
  local f
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ -s "$f" ] || continue
    case $f in
      *.sources) grep -v '^ *#' "$f" | sed 's/^Types:.*/Types: deb-src/' >"$work/list/$(basename "$f")" ;;
      *) grep '^ *deb ' "$f" | sed 's/^ *deb /deb-src /' >"$work/list/debian.list" || true ;;
    esac
  done
}

# apt_get ARG...: with lists of its own
apt_get() {
  apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/list" \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}

build() {
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'cd / && rm -rf "$work"' EXIT
  mkdir -p "$work"/{list,lists/partial,cache/archives/partial,src}
  say "building fio with the engine libiscsi (once)"
  "$here/debian.sh" fio
  sources
  cd "$work/src"
  { apt_get update && apt_get source fio; } >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; die "no source package of fio"; }
  cd fio-*/
  local version=${PWD##*/}
  { ./configure --enable-libiscsi --disable-native && make -j"$(nproc)" fio; } >"$work/log" 2>&1 ||
    { tail -20 "$work/log" >&2; die "fio does not build"; }
  usable ./fio || die "what was built has no engine libiscsi: $(grep -i iscsi "$work/log" | head -3)"
  mkdir -p "$cache/$version"
  mv fio "$cache/$version/fio"
  ln -sfn "$version/fio" "$cache/fio"
  say "built $cache/$version/fio"
}

(($# == 0)) || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock"
usable "$cache/fio" || (build)
echo "$cache/fio"
