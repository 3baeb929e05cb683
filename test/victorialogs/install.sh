#!/bin/sh
# Builds a real VictoriaLogs for tests from its published module, once, as bin/victoria-logs beside this file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=v1.52.2
[ "$(cat "$here/bin/version" 2>/dev/null)" = "$version" ] && exit 0
mkdir -p "$here/bin"
GOBIN="$here/bin" go install "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@$version"
echo "$version" >"$here/bin/version"
