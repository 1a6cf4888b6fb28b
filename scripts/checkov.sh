#!/usr/bin/env bash
# Renders every overlay and variant into build/k8s and has checkov look at them and at the Dockerfile.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
tool=build/checkov

if ! cmp -s k8s/checkov.txt $tool/installed.txt; then
    "$bin/python" -m venv --clear $tool
    $tool/bin/pip install --quiet --disable-pip-version-check --requirement k8s/checkov.txt
    cp k8s/checkov.txt $tool/installed.txt
fi

rm -rf build/k8s && mkdir -p build/k8s
for folder in k8s/overlays/*/ k8s/variants/*/; do
    "$bin/kubectl" kustomize "$folder" >"build/k8s/$(basename "$folder").yaml"
done
cp Dockerfile build/k8s/
LOG_LEVEL=ERROR $tool/bin/checkov --config-file k8s/checkov.yaml --directory build/k8s
