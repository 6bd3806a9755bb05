#!/bin/sh
# instructions.sh BENCH_VERIFIER: instructions per call, from callgrind. The difference of two
# counts of calls takes the preparation out.
set -eu
bench=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
count() {
	valgrind --tool=callgrind --callgrind-out-file="$tmp/out" "$bench" "$1" "$2" 2>"$tmp/log"
	sed -n 's/^summary: *\([0-9]*\).*/\1/p; s/^totals: *\([0-9]*\).*/\1/p' "$tmp/out" | head -n 1
}
for what in parse warm cold; do
	few=$(count "--$what" 2)
	more=$(count "--$what" 12)
	echo "$what: $(((more - few) / 10)) instructions"
done
