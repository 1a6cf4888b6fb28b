#!/usr/bin/env bash
# Makes the Secrets of a new installation: random tokens, and keys for an object store inside the cluster.
# What is there stays as it is, so a Secret of your own (the keys of a bucket elsewhere) is made first.
#   k8s/secrets.sh [NAMESPACE]
set -euo pipefail
namespace=${1:-rlhf}
umask 077

kube() { kubectl --namespace "$namespace" "$@"; }
random() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }
exists() { kube get secret "$1" >/dev/null 2>&1; }

# Values go through a file: what stands in an argument can be read in the list of processes.
make() { # NAME KEY=VALUE...
    local name=$1 folder arguments=()
    folder=$(mktemp -d)
    shift
    for pair in "$@"; do
        printf %s "${pair#*=}" >"$folder/${pair%%=*}"
        arguments+=("--from-file=$folder/${pair%%=*}")
    done
    kube create secret generic "$name" "${arguments[@]}" >/dev/null
    rm -r "$folder"
    echo "made $name"
}

kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace" >/dev/null
exists rlhf-object-store || make rlhf-object-store "AWS_ACCESS_KEY_ID=$(random 10)" "AWS_SECRET_ACCESS_KEY=$(random 20)"

# name:role, one Secret rlhf-token-NAME for whoever shows it; the services know hashes alone.
lines=""
for identity in operator:operator worker:trainer feedback:caller application:caller annotator:annotator; do
    name=${identity%%:*}
    exists "rlhf-token-$name" || make "rlhf-token-$name" "token=$(random 32)"
    hash=$(kube get secret "rlhf-token-$name" --output 'jsonpath={.data.token}' | base64 --decode | sha256sum | cut -d' ' -f1)
    lines+="${identity##*:} $name sha256:$hash"$'\n'
done
exists rlhf-session-key || make rlhf-session-key "key=$(random 32)"
exists rlhf-tokens || make rlhf-tokens "tokens=$lines"
