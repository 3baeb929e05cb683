#!/usr/bin/env bash
# Installs what the tests of the status page drive a real Chromium with, beside this file, and Chromium where there is none.
set -euo pipefail
cd "$(dirname "$0")"
npm install --no-audit --no-fund --no-package-lock --silent
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
    apt-get update -q && apt-get install -yq --no-install-recommends chromium fonts-dejavu-core
fi
