#!/bin/sh
# Builds a real OpenTelemetry Collector for tests, once, as bin/otelcol beside this file: a receiver of OTLP, and an
# exporter that waits for what it sends to, so that it answers what that answers.
set -eu
cd "$(dirname "$0")"
version=$(cat go.mod main.go | cksum)
[ "$(cat bin/version 2>/dev/null)" = "$version" ] && exit 0
mkdir -p bin
go build -ldflags '-s -w' -o bin/otelcol .
echo "$version" >bin/version
