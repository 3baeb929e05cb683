#!/usr/bin/env bash
# Makes the manual pages, completions and the schema of releases: extras.sh DIRECTORY, with the program that is compiled for it.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
mkdir -p "$out/man" "$out/completions"
program=$(mktemp)
trap 'rm -f "$program"' EXIT
env -u GOOS -u GOARCH CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$program" ./cmd/aggregator
"$program" man "$out/man"
chmod 0644 "$out"/man/*
"$program" schema >"$out/aggregator.schema.json"
for shell in bash zsh fish; do
    "$program" completion "$shell" >"$out/completions/aggregator.$shell"
done
