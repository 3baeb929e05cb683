#!/usr/bin/env bash
# Runs fuzz targets: test/fuzz.sh [HOW LONG [PATTERN]], each 10000x by default, or for a while, such as 1m; PATTERN chooses
# among lines of "folder target", such as pkg/forward or FuzzFrames; behind a "!" it leaves out. Two run side by side
# (FUZZ_JOBS), a core each. A finding fails the run, is shown, and lies in its package's testdata/fuzz, where every later
# go test tries it again, as it does the seeds that are committed there; one that does not come again, by the machine's
# doing or by chance, is shown and fails nothing. What else was found to be of interest stays in Go's cache for the next
# time; FUZZ_KEEP=20 copies up to twenty of these for each target, small ones, to the seeds, for a commit.
set -euo pipefail
cd "$(dirname "$0")/.."
export FUZZTIME=${1:-10000x} FUZZCACHE FUZZBIN
FUZZCACHE=$(go env GOCACHE)/fuzz/$(go list -m) # where go test keeps it too
FUZZBIN=$(mktemp -d)
trap 'rm -rf "$FUZZBIN"' EXIT

pattern=${2:-.}
pick=(-E)
[[ $pattern != !* ]] || pick=(-vE)
targets=$(git ls-files -co --exclude-standard '*_test.go' | xargs grep -o '^func Fuzz[A-Za-z0-9_]*' |
    sed 's|/[^/]*:func | |' | sort | grep "${pick[@]}" -- "${pattern#!}")

# Each package is built once, with counters in this module's code only: go test -fuzz puts them into that of others too,
# which takes minutes for the AWS SDK alone and leads the search into what is not ours.
for folder in $(cut -d' ' -f1 <<<"$targets" | uniq); do
    go test -c -gcflags "$(go list -m)/...=-d=libfuzzer" -o "$FUZZBIN/${folder//\//-}" "./$folder"
done

keep() { # folder target
    local file seeds=$1/testdata/fuzz/$2
    [ "${FUZZ_KEEP:-0}" -gt 0 ] && [ -d "$FUZZCACHE/$1/$2" ] || return 0
    mkdir -p "$seeds"
    find "$FUZZCACHE/$1/$2" -type f -size -2 -print | sort | head -n "$FUZZ_KEEP" | while read -r file; do cp "$file" "$seeds/"; done
    rmdir --ignore-fail-on-non-empty "$seeds"
}

# What is of interest is made smaller by 200 attempts. With a time instead, all of it is used up for nearly each, so that
# little is left of a minute.
one() {
    local folder=$1 target=$2 log=$FUZZBIN/$2-${1//\//-}.log
    if (cd "$folder" && "$FUZZBIN/${folder//\//-}" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$FUZZTIME" \
        -test.fuzzminimizetime 200x -test.fuzzcachedir "$FUZZCACHE/$folder" -test.parallel 1 >"$log" 2>&1); then
        keep "$folder" "$target"
        echo "ok    $folder $target, $(grep -o 'execs: [0-9]*' "$log" | tail -n 1)"
        return
    fi
    # Go may cut off what runs when the time is up and call that a failure. One that has an input is none of these.
    if ! grep -q 'Failing input written to\|failure while testing seed corpus\|panic:\|hung or terminated' "$log" &&
        grep -q '^ *context deadline exceeded$' "$log"; then
        echo "ok    $folder $target, cut off at the end, $(grep -o 'execs: [0-9]*' "$log" | tail -n 1)"
        return
    fi
    local input inputs once=
    inputs=$(sed -n 's/^ *Failing input written to \(.*\)$/\1/p' "$log")
    [ -z "$inputs" ] || ! passes "$folder" "$target" $inputs || once=yes
    if [ -n "$once" ]; then echo "ONCE  $folder $target, and not again"; else echo "FOUND $folder $target"; fi
    cat "$log"
    for input in $inputs; do
        echo "$folder/$input:"
        cat "$folder/$input"
        [ -z "$once" ] || { rm "$folder/$input" && rmdir --ignore-fail-on-non-empty "$folder/${input%/*}"; }
    done
    [ -n "$once" ]
}

# passes reports whether inputs that failed pass alone, again and again. One for which the ten seconds were not enough that
# an input has, and which takes long at all, does not pass: what is left are those in whose time the machine stood still.
passes() { # folder target input...
    local folder=$1 target=$2 input run
    shift 2
    for input; do
        for run in "1 -test.timeout 3s" "20 -test.timeout 60s"; do
            (cd "$folder" && "$FUZZBIN/${folder//\//-}" -test.run "^$target\$/^${input##*/}\$" -test.count $run) || return
        done
    done >"$FUZZBIN/$target-${folder//\//-}.again" 2>&1
}
export -f one passes keep
# What runs the targets (xargs) gets 123 where one fails, and lets the others go on.
xargs -P "${FUZZ_JOBS:-2}" -L 1 bash -c 'one "$1" "$2"' _ <<<"$targets"
