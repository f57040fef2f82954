#!/usr/bin/env bash
# uninstall.sh HUB_KUBECONFIG MEMBER_KUBECONFIG...: uninstalls everything while there is something to hold it up, and looks
# at what is left: no namespace that doesn't go, no finalizer, nothing of EAI's. A member may be in the hub's own cluster.
#
# On every member a Job runs with the metering finalizer on its pod, as the agent makes them; on the hub an AIJob has the
# settlement finalizer.
set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[ $# -ge 2 ] || { echo "usage: $0 HUB_KUBECONFIG MEMBER_KUBECONFIG..." >&2; exit 2; }
hub=$1; shift
k() { "$KUBECTL" "--kubeconfig=$1" "${@:2}" 2>&1 | grep -v 'client (.*) and server ('; return "${PIPESTATUS[0]}"; }
step() { printf '%s\n' "$*"; }

# uninstall KUBECONFIG CHART NAMESPACE
uninstall() {
  local out began=$SECONDS
  out=$("$HELM" "--kubeconfig=$1" uninstall "$2" -n "$3" --wait --timeout 5m 2>&1) && pass || fail "helm uninstall $2" "$out
$(k "$1" -n "$3" logs "job/${2/hub/operator}-cleanup")"
  step "  $2: $((SECONDS - began)) s"
}
# gone KUBECONFIG WHAT ARGUMENTS...: `kubectl get` with them soon prints nothing.
gone() {
  local out what=$2 file=$1; shift 2
  for _ in $(seq 60); do out=$(k "$file" get --ignore-not-found --no-headers "$@"); [ -z "$out" ] && { pass; return; }; sleep 1; done
  fail "$what is left" "$out"
}

step "something to hold the members up"
for member in "$@"; do
  image=$(k "$member" get validatingadmissionpolicy eai-work -o yaml | tr -s ' \n' ' ' | grep -oE "i == '[^']+'" | head -n1 | cut -d"'" -f2)
  k "$member" create -f - <<END >/dev/null || fail "a Job can be made in eai-work"
apiVersion: batch/v1
kind: Job
metadata: {name: uninstall-test, namespace: eai-work, labels: {eai.network/assignment: uninstall-test}}
spec:
  backoffLimit: 0
  completionMode: Indexed
  completions: 1
  podReplacementPolicy: Failed
  template:
    metadata: {labels: {eai.network/assignment: uninstall-test}, finalizers: [eai.network/metering]}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      runtimeClassName: gvisor
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: work
          image: $image
          args: [outputs]
          resources: {limits: {cpu: 50m, memory: 64Mi}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: control, mountPath: /eai/control}]
      volumes: [{name: control, emptyDir: {}}]
END
  k "$member" -n eai-work wait pod -l eai.network/assignment=uninstall-test --for=condition=Ready --timeout=90s >/dev/null \
    && pass || fail "the Job's pod runs" "$(k "$member" -n eai-work describe pod -l eai.network/assignment=uninstall-test | tail -n 12)"
done
k "$hub" create namespace eai-uninstall-test >/dev/null
k "$hub" create -f - <<END >/dev/null || fail "an AIJob can be made"
apiVersion: eai.network/v1alpha1
kind: AIJob
metadata: {name: held, namespace: eai-uninstall-test, finalizers: [eai.network/settlement]}
spec:
  image: registry.example.com/x/y@sha256:0000000000000000000000000000000000000000000000000000000000000001
  maxPrice: "1"
  suspend: true
  payment: {account: "0x0000000000000000000000000000000000000001"}
END

step "the hub goes"
uninstall "$hub" eai-hub eai-system
gone "$hub" "a ComputeNode" computenodes
gone "$hub" "an Assignment" assignments -A
[ -z "$(k "$hub" get aijobs -A -o jsonpath='{.items[*].metadata.finalizers}' | grep eai.network)" ] && pass || fail "an AIJob holds a finalizer"

step "the members go"
for member in "$@"; do
  uninstall "$member" eai-agent eai-agent
  gone "$member" "the namespace for work" namespace eai-work
done

step "the kinds go"
uninstall "$hub" eai-crds "$("$HELM" "--kubeconfig=$hub" list -A -o yaml | awk '/name: eai-crds/{f=1} f&&/namespace:/{print $NF; exit}')"
k "$hub" delete namespace eai-uninstall-test --timeout=60s >/dev/null && pass || fail "a vendor's namespace doesn't go"
gone "$hub" "a kind" crd aijobs.eai.network assignments.eai.network computenodes.eai.network memberreports.eai.network

step "what is left"
for cluster in "$hub" "$@"; do
  for kind in clusterroles clusterrolebindings validatingadmissionpolicies validatingadmissionpolicybindings flowschemas \
    prioritylevelconfigurations apiservices; do
    gone "$cluster" "of $kind something" "$kind" -l app.kubernetes.io/part-of=eai
  done
  for kind in roles rolebindings services deployments networkpolicies jobs pods; do
    gone "$cluster" "of $kind something" "$kind" -A -l app.kubernetes.io/part-of=eai
  done
  gone "$cluster" "a namespace that doesn't go" namespaces --field-selector=status.phase=Terminating
  [ -z "$(k "$cluster" get namespaces -o name | grep -E '/cn-')" ] && pass || fail "a member's namespace is left"
done
finish
