#!/usr/bin/env bash
# Generates the Python stubs of protos/ into the SDK; with --check, compares them and the contracts with what is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
out=clients/python/src
[ "${1:-}" = --check ] && out=$(mktemp -d)
"$PYTHON" -m grpc_tools.protoc -I protos --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" protos/rlhf/v1/*.proto
if [ "${1:-}" = --check ]; then
    diff -r -x '__init__.py' -x '__pycache__' "$out/rlhf/v1" clients/python/src/rlhf/v1 \
        || { echo "stubs differ from protos/: run 'make protos'"; exit 1; }
    # FILE-level breaking changes against the newest release tag, once there is one.
    base=$(git describe --tags --abbrev=0 2>/dev/null || true)
    if [ -n "$base" ]; then (cd protos && "../$BUF" breaking --against "../.git#tag=$base,subdir=protos"); fi
fi
