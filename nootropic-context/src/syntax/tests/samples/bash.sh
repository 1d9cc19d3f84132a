#!/usr/bin/env bash
# Keeps sessions.
set -euo pipefail
source ./lib.sh

readonly LIMIT=16
export NAME="sessions"
count=0

# Opens one.
open_session() {
  local id="$1"
  fetch_session "$id" | normalize
}

function close_session {
  release "$1"
}

open_session "$LIMIT"
