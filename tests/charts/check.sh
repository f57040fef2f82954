#!/usr/bin/env bash
# check.sh [KUBECONFIG]: what the charts render. With a kubeconfig also: a real API server accepts every object of every
# rendering (a server-side dry run; nothing is written).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
kube_version=1.36.0

# render CHART VALUES [helm arguments]: to standard output.
render() {
  local chart=$1 values=$2 namespace=eai-system; shift 2
  [ "$chart" = eai-agent ] && namespace=eai-agent
  local args=(template "$chart" "$root/charts/$chart" -n "$namespace" --kube-version "$kube_version")
  [ -z "$values" ] || args+=(-f "$root/charts/$chart/ci/$values.yaml")
  "$HELM" "${args[@]}" "$@"
}

# has WHAT CHART VALUES PATTERN [helm arguments], hasnt likewise: whether a rendering has a line that matches.
has() {
  local what=$1 chart=$2 values=$3 pattern=$4 out; shift 4
  out=$(render "$chart" "$values" "$@" 2>&1) && grep -qE -- "$pattern" <<<"$out" && pass || fail "$what" "no line matches: $pattern"
}
hasnt() {
  local what=$1 chart=$2 values=$3 pattern=$4 out; shift 4
  out=$(render "$chart" "$values" "$@" 2>&1) && ! grep -qE -- "$pattern" <<<"$out" && pass || fail "$what" "$(grep -E -- "$pattern" <<<"${out:-}")"
}
# refuses PATTERN CHART VALUES [helm arguments]: rendering fails with a message that matches.
refuses() {
  local pattern=$1 chart=$2 values=$3 out; shift 3
  if out=$(render "$chart" "$values" "$@" 2>&1 >/dev/null); then fail "$chart accepts $*"
  elif grep -qE -- "$pattern" <<<"$out"; then pass
  else fail "$chart refuses $*, but not with: $pattern" "$out"; fi
}

echo "lint"
for chart in eai-crds eai-hub eai-agent; do
  for values in "$root/charts/$chart"/ci/*.yaml; do
    args=(); [ -f "$values" ] && args=(-f "$values")
    out=$("$HELM" lint --strict --kube-version "$kube_version" "${args[@]}" "$root/charts/$chart" 2>&1) && pass || fail "lint $chart $values" "$out"
  done
done

echo "values that are refused, each with its path"
refuses "/image/repository" eai-hub ""
refuses "/chain/id'?: minimum" eai-hub ""
refuses "/chain/escrow" eai-hub demo-values --set chain.escrow=0x12
refuses "/chain/hubRegistry" eai-hub demo-values --set chain.hubRegistry=0x12
refuses "/chain/firstBlock" eai-hub demo-values --set chain.firstBlock=-1
refuses "/chain/nodeRegistry" eai-hub demo-values --set chain.nodeRegistry=0x12
refuses "/hub/id" eai-hub demo-values --set hub.id=abc
refuses "/hub/generation" eai-hub demo-values --set hub.generation=0
refuses "/hub/key/value" eai-hub demo-values --set hub.key.value=secret
refuses "hub.key.existingSecret or hub.key.value" eai-hub demo-values --set hub.key.value=
refuses "chain.rpcUrl or chain.rpcUrlSecret" eai-hub demo-values --set chain.rpcUrl=
refuses "/agent/image" eai-hub demo-values --set agent.image=registry.example.com/eai-agent:latest
refuses "/replicas" eai-hub demo-values --set replicas=-1
refuses "accessMode ReadWriteMany" eai-hub demo-values --set replicas=2
refuses "additional properties 'repilcas' not allowed" eai-hub demo-values --set repilcas=2
refuses "/operator.*additional properties 'level' not allowed" eai-hub demo-values --set operator.level=debug
refuses "/aijobs/queueWeights" eai-hub demo-values --set aijobs.queueWeights.team-a=0
refuses "propertyName 'Team_A'" eai-hub demo-values --set aijobs.queueWeights.Team_A=2
refuses "/vendors/marketReaders/0.*namespace" eai-hub demo-values --set 'vendors.marketReaders[0].kind=ServiceAccount,vendors.marketReaders[0].name=x'
refuses "/apiServer/audiences/0" eai-hub demo-values --set "apiServer.audiences={it's}"
refuses "additional properties" eai-crds "" --set a=b
refuses "/member/name" eai-agent ""
refuses "/image/digest" eai-agent pull-values --set image.digest=sha256:12
refuses "/member/name" eai-agent pull-values --set member.name=Home_1
refuses "/mode" eai-agent pull-values --set mode=Both
refuses "/hub/url" eai-agent pull-values --set hub.url=http://hub.example.com
refuses "/hub/ca" eai-agent pull-values --set hub.ca=/etc/ca.crt
refuses "/prices" eai-agent pull-values --set-json 'prices=[]'
refuses "/prices/0/rate" eai-agent pull-values --set-string 'prices[0].class=cpu,prices[0].rate=-1'
refuses "/prices/0/rate" eai-agent pull-values --set 'prices[0].class=cpu,prices[0].rate=1'
refuses "prices\[0\].class: xilinx.com/fpga isn't among" eai-agent pull-values --set-string 'prices[0].class=xilinx.com/fpga,prices[0].rate=1'
refuses "/limits/registries" eai-agent pull-values --set-json 'limits.registries=[]'
refuses "/limits/maxMemory" eai-agent pull-values --set limits.maxMemory=-1
refuses "/limits/accelerators" eai-agent pull-values --set limits.accelerators.gpu=1
refuses "/chain/escrow" eai-agent pull-values --set chain.escrow=
refuses "/work/priorityClass" eai-agent pull-values --set work.priorityClass=system-node-critical
refuses "ownerKey.existingSecret or ownerKey.value" eai-agent pull-values --set ownerKey.value=
refuses "work.namespace: must not be" eai-agent pull-values --set work.namespace=eai-agent
refuses "update.releaseKey is needed" eai-agent pull-values --set update.enabled=true
refuses "/update/releaseKey" eai-agent pull-values --set update.enabled=true,update.releaseKey=key
refuses "/update/progressDeadlineSeconds" eai-agent pull-values --set update.progressDeadlineSeconds=1
refuses "only an agent that runs here" eai-agent push-values --set update.enabled=true
refuses "additional properties 'prcies' not allowed" eai-agent pull-values --set prcies=1

echo "what is rendered"
for chart in eai-hub eai-agent; do
  for values in "$root/charts/$chart"/ci/*.yaml; do
    values=$(basename "$values" .yaml)
    hasnt "$chart $values binds no cluster-admin" "$chart" "$values" 'name: cluster-admin'
    hasnt "$chart $values has no wildcard verbs in a role" "$chart" "$values" '^ {4}verbs: \["?\*'
    hasnt "$chart $values may not escalate, bind or impersonate" "$chart" "$values" '^ {4}verbs:.*\b(escalate|bind|impersonate)\b'
    hasnt "$chart $values fails closed" "$chart" "$values" 'failurePolicy: Ignore'
    policies=$(render "$chart" "$values" | grep -c '^kind: ValidatingAdmissionPolicy$')
    bindings=$(render "$chart" "$values" | grep -c 'validationActions: \[Deny\]')
    [ "$policies" -gt 0 ] && [ "$policies" -eq "$bindings" ] && pass || fail "$chart $values: $policies policies, $bindings bindings that deny"
    containers=$(render "$chart" "$values" | grep -cE '^ +image: ' || true)
    for line in 'readOnlyRootFilesystem: true' 'allowPrivilegeEscalation: false' 'capabilities: \{drop: \[ALL\]\}' \
      'runAsNonRoot: true' 'seccompProfile: \{type: RuntimeDefault\}'; do
      [ "$(render "$chart" "$values" | grep -cE "^ +$line$")" -eq "$containers" ] && pass || fail "$chart $values: not each of $containers containers has $line"
    done
  done
done
has "the API's key is from hub.key.existingSecret" eai-hub full-values 'secretName: my-hub-key'
hasnt "no key is rendered beside it" eai-hub full-values 'name: eai-hub-key$'
has "a RPC URL can come from a Secret" eai-hub full-values 'secretKeyRef: \{name: rpc, key: url\}'
has "the hub's generation stands on chain on demand" eai-hub full-values 'value: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"'
has "the first block is a whole number" eai-hub full-values 'value: "12345678"'
hasnt "and is asked of nobody otherwise" eai-hub demo-values 'EAI_HUB_REGISTRY'
has "one replica has no disruption budget" eai-hub demo-values 'replicas: 1'
hasnt "one replica has no disruption budget" eai-hub demo-values 'kind: PodDisruptionBudget'
has "two replicas have one" eai-hub full-values 'kind: PodDisruptionBudget'
hasnt "no ServiceMonitor by default" eai-hub demo-values 'kind: ServiceMonitor'
has "a ServiceMonitor on demand" eai-hub full-values 'kind: ServiceMonitor'
has "cert-manager writes the APIService's CA" eai-hub full-values 'cert-manager.io/inject-ca-from: eai-system/eai-hub-tls'
hasnt "and no key is generated then" eai-hub full-values '^  tls.key:'
has "the chain's port is open" eai-hub demo-values '\{port: 8545, protocol: TCP\}'
has "a volume without a class" eai-hub demo-values 'storageClassName: ""' --set artifacts.persistence.enabled=true,artifacts.persistence.storageClass=-
has "a claim outlives the chart" eai-hub full-values 'helm.sh/resource-policy: keep'
has "push mode off is said" eai-hub demo-values 'push mode is off'
has "stakes are read where a registry is named" eai-hub full-values 'name: EAI_NODE_REGISTRY'
hasnt "and nowhere else" eai-hub demo-values 'EAI_NODE_REGISTRY'
hasnt "push rights only with an agent's image" eai-hub demo-values 'name: eai-operator-push'
has "push rights with an agent's image" eai-hub full-values 'name: eai-operator-push'
has "the work namespace enforces restricted" eai-agent pull-values 'pod-security.kubernetes.io/enforce: restricted'
has "the agent's configuration has its member" eai-agent pull-values '^    member: home-1$'
has "how long grants hold reaches the operator" eai-hub demo-values '^ +- --grant-seconds=90$' --set fencing.validForSeconds=90
has "a queue's weight reaches the operator" eai-hub demo-values '^ +- --queue-weights=team-a=3$' --set aijobs.queueWeights.team-a=3
has "large amounts aren't in scientific notation" eai-agent pull-values 'maxMemory: "17179869184"' --set limits.maxMemory=17179869184
has "the invite's token is mounted" eai-agent pull-values 'inviteTokenFile: /etc/eai/invite/token'
hasnt "and isn't without one" eai-agent pull-values 'invite' --set hub.inviteToken=
hasnt "push mode has no agent here" eai-agent push-values 'kind: Deployment'
has "push mode writes down what the owner allows" eai-agent push-values '^    mode: Push$'
hasnt "without the hub, its chain or keys" eai-agent push-values '^    (hub|chain|ownerKeyFile):'
has "push mode has a credential" eai-agent push-values 'service-account-token'
has "agents aren't updated by default" eai-agent pull-values 'strategy: \{type: Recreate\}'
hasnt "and may not touch their Deployment" eai-agent pull-values '^  name: eai-agent-update|releaseKey|verbs: \[get, patch\]$'
has "one that is stays until the new one is ready" eai-agent full-values 'maxSurge: 1, maxUnavailable: 0'
has "and may patch its own Deployment" eai-agent full-values 'resourceNames: \[eai-agent\]'
has "and change its image alone" eai-agent full-values 'name: eai-agent-update'
has "to what the owner's key signed" eai-agent full-values 'releaseKey: "-----BEGIN PUBLIC KEY-----'
hasnt "no way to the internet by default" eai-agent pull-values 'eai-work-internet'
has "a way to the internet on demand" eai-agent full-values 'eai-work-internet'
hasnt "no ServiceMonitor by default" eai-agent pull-values 'kind: ServiceMonitor'

# One certificate in all places of one rendering.
out=$(render eai-hub demo-values)
ca=$(sed -n 's/^  caBundle: //p' <<<"$out"); kept=$(sed -n 's/^  ca.crt: //p' <<<"$out")
[ -n "$ca" ] && [ "$ca" = "$kept" ] && pass || fail "the APIService's CA is the Secret's"
base64 -d <<<"$ca" >"$work/ca.crt"; sed -n 's/^  tls.crt: //p' <<<"$out" | base64 -d >"$work/tls.crt"
openssl verify -CAfile "$work/ca.crt" -verify_hostname eai-hub.eai-system.svc "$work/tls.crt" >/dev/null 2>&1 && pass || fail "the certificate is good for the Service's name"

for folder in charts/eai-crds/templates; do
  for file in "$root/$folder"/*.yaml; do grep -q '{{' "$file" && fail "$file would be read as a template"; done
done
pass

if [ $# -gt 0 ]; then
  echo "a real API server takes it"
  export KUBECONFIG=$1
  "$KUBECTL" version >/dev/null 2>&1 || { fail "no API server answers at $1"; finish; exit; }
  # The namespaces that a dry run can't make.
  for namespace in eai-system eai-agent eai-work eai-jobs; do
    "$KUBECTL" get namespace "$namespace" >/dev/null 2>&1 || { "$KUBECTL" create namespace "$namespace" >/dev/null; made+=" $namespace"; }
  done
  # shellcheck disable=SC2064,SC2086
  trap "rm -rf '$work'; $KUBECTL delete namespace --timeout=60s ${made:-none-was-made} --ignore-not-found >/dev/null" EXIT
  for chart in eai-crds eai-hub eai-agent; do
    for values in "$root/charts/$chart"/ci/*.yaml; do
      name=; [ -f "$values" ] && name=$(basename "$values" .yaml)
      # Kinds of others' that aren't in every cluster.
      render "$chart" "$name" | awk -v RS='---\n' '/(^|\n)apiVersion: / && !/(^|\n)apiVersion: (monitoring.coreos.com|cert-manager.io)/ {print "---\n" $0}' >"$work/objects.yaml"
      # What is installed already is checked as if it weren't: the server looks at the object before it looks for another.
      "$KUBECTL" create --dry-run=server --validate=strict -f "$work/objects.yaml" >"$work/made" 2>"$work/said" || true
      out=$(grep -v 'AlreadyExists\|client (.*) and server (' "$work/said" || true)
      [ -z "$out" ] && [ -s "$work/made" -o -s "$work/said" ] && pass || fail "$chart $name on a real API server" "$out"
    done
  done
fi
finish
