#!/usr/bin/env bash
# Converts each configuration of fluentd and Fluent Bit below a folder, and has the program read what comes out: corpus.sh FOLDER.
# It prints a line for each, and fails where a result is refused, or converting ends otherwise than by its exit codes.
set -uo pipefail
folder=${1:?name a folder of configurations}
program=$(mktemp) && out=$(mktemp -d)
trap 'rm -rf "$program" "$out"' EXIT
(cd "$(dirname "$0")/../.." && go build -o "$program" ./cmd/aggregator) || exit 1
failed=0
while IFS= read -r -d '' file; do
    "$program" convert "$file" >"$out/aggregator.yaml" 2>"$out/notes"
    code=$?
    lost=$(sed -n '/^can.t be said:/,/^aggregator:/p' "$out/notes" | grep -c '^  ')
    case $code in
    0 | 1)
        # try makes up the secrets that are not here.
        if AWS_REGION=${AWS_REGION:-eu-west-1} "$program" try -c "$out/aggregator.yaml" </dev/null >/dev/null 2>"$out/refused"; then
            echo "ok    $lost lost  $file"
        else
            echo "BAD   $file" && sed 's/^/      /' "$out/refused"
            failed=1
        fi
        ;;
    2) echo "no    $file: $(sed -n '2p' "$out/notes")" ;;
    *) echo "ENDED with $code  $file" && failed=1 ;;
    esac
done < <(find "$folder" -type f \( -name '*.conf' -o -name '*.yaml' -o -name '*.yml' \) -print0 | sort -z)
exit "$failed"
