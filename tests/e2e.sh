#!/usr/bin/env bash
# e2e.sh [TEST...]: the end-to-end tests on real clusters. Brings the testbed up, runs the demo on it, then the scenarios of
# tests/e2e/tests, tries everybody's rights, uninstalls, and takes everything down again whatever happened. With TEST: only
# the demo and the scenarios whose names hold it. What is needed to understand a failure is in target/e2e-logs.
#
# COMPAT=DIR: instead of all that, upgrades from the release that was built in the checkout DIR, and back, on clusters that are
# made anew; see docs/upgrades.md.
# CHAOS="--seed 1 --faults 220": the demo, and then only chaos, with these arguments; see docs/chaos.md.
#
# As root; needs `cargo build` and images/build.sh (the Makefile's `e2e` does both). KEEP=1 leaves the testbed up.
set -euo pipefail
cd "$(dirname "$0")/.."
testbed=target/debug/eai-testbed logs=target/e2e-logs

# collect: pods' logs, and the objects, of all three clusters.
collect() {
  local cluster; rm -rf "$logs"; mkdir -p "$logs"
  for cluster in hub cloud home; do
    on() { timeout 30 "$testbed" exec "$cluster" -- "$@"; }
    {
      on kubectl get nodes,namespaces,pods,jobs,deployments,events -A -o wide
      on kubectl get aijobs,computenodes,agentreleases,assignments,memberreports,leases -A -o wide
    } >"$logs/$cluster.txt" 2>&1
    on kubectl describe computenodes,agentreleases,assignments,aijobs,jobs,pods -A >"$logs/$cluster-describe.txt" 2>&1
    on kubectl get aijobs,computenodes,agentreleases,assignments,memberreports -A -o yaml >"$logs/$cluster-objects.yaml" 2>&1
    for pod in $(on kubectl get pods -A -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}' 2>/dev/null); do
      case $pod in eai-*/*|cn-*/*) ;; *) continue ;; esac
      on kubectl logs -n "${pod%/*}" "${pod#*/}" --all-containers --tail=20000 >"$logs/$cluster-${pod/\//-}.log" 2>&1
      on kubectl logs -n "${pod%/*}" "${pod#*/}" --all-containers --previous >"$logs/$cluster-${pod/\//-}.previous.log" 2>/dev/null
    done
  done
  find "$logs" -size 0 -delete
}

end() {
  local status=$?
  set +e
  trap - EXIT INT TERM
  if [ "$status" -ne 0 ]; then
    collect
    echo "e2e: failed; logs and objects of the clusters are in $logs" >&2
  fi
  if [ -z "${KEEP:-}" ]; then "$testbed" down || status=1; fi
  exit "$status"
}
# One run at a time on one machine: two demos on one testbed would install over each other.
exec 9>"${EAI_TESTBED:-/var/lib/eai-testbed}.lock"
flock -n 9 || { echo "e2e: another run has the testbed; waiting for its end" >&2; flock 9; }

trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -n "${COMPAT:-}" ]; then "$testbed" down 9>&-; fi
"$testbed" up 9>&-
if [ -n "${COMPAT:-}" ]; then
  target/debug/eai-demo compat --from "$COMPAT" 9>&-
  exit
fi
KEEP=1 target/debug/eai-demo run 9>&-
if [ -n "${CHAOS:-}" ]; then
  # shellcheck disable=SC2086 # several arguments
  target/debug/eai-demo chaos $CHAOS 9>&-
  exit
fi
cargo test -q -p eai-e2e --lib 9>&-
# What they start again outlives them, and must not keep the lock.
scenarios() { cargo test -p eai-e2e --test e2e -- "$@" 9>&-; }
if [ $# -gt 0 ]; then scenarios --test-threads=1 "$@"; exit; fi
# These mostly wait, each for a vendor of its own.
scenarios --test-threads=4 money::
scenarios --test-threads=1 --skip money:: --skip uninstalling::
target/debug/eai-demo chaos --minutes 12 9>&-
rights() { "$testbed" exec "$1" -- bash -c 'tests/charts/rights.sh '"$2"' "$KUBECONFIG"' | grep -vE '^(yes|no ) '; }
rights hub hub
rights home member
# Last: nothing is installed afterwards.
scenarios --test-threads=1 uninstalling::
