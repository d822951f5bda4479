#!/usr/bin/env bash
# Renew requirements/lock.txt from setup.py (needs uv). Review the diff, run the tests, commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --extra dev --extra notebook setup.py -o requirements/lock.txt "$@"
