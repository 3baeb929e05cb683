#!/usr/bin/env bash
# Installs moto, a made-up AWS that the end-to-end tests write to, beside this file.
set -euo pipefail
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
