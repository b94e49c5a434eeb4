#!/bin/bash
# Runs "go test -v" with the given arguments and prints what matters: a line for each package, the
# totals of libiscsi's suite, and each test that was skipped with its reason; everything, if something failed.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${GO:-go}" test -v "$@" >"$log" 2>&1
status=$?
if ((status != 0)); then
  cat "$log"
  exit "$status"
fi
grep -E '^ok' "$log"
grep -oE 'iscsi-test-cu: [0-9]+ passed.*' "$log"
# A subtest's reason is said when it runs, long before the line that says it was skipped.
awk '
  /^=== (RUN|CONT|NAME) / { test = $3 }
  /^ +[^ ]+\.go:[0-9]+: / { sub(/^ */, ""); why[test] = $0 }
  /^ *--- SKIP: / { print "skipped " $3 ": " why[$3]; n++ }
  END { print n + 0 " tests skipped" }' "$log"
