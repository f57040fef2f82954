# A member's cluster. Sourced by rights.sh.
# shellcheck shell=bash disable=SC2154

install eai-agent eai-agent -f "$root/charts/eai-agent/ci/pull-values.yaml"
types
if ! k get runtimeclass gvisor >/dev/null; then
  must create -f "$(file <<<"{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gvisor}, handler: runsc}")"
  undo+=("k delete runtimeclass gvisor")
fi
policy=$(k get validatingadmissionpolicy eai-work -o yaml | tr -s ' \n' ' ')
own=$(grep -oE "i == '[^']+'" <<<"$policy" | head -n1 | cut -d"'" -f2)
registry=$(grep -oE "\['[^]]+'\]\.exists\(p" <<<"$policy" | head -n1 | cut -d"'" -f2)
digest=sha256:0000000000000000000000000000000000000000000000000000000000000003
image=${registry%/}/trainer@$digest
agent=--as=system:serviceaccount:eai-agent:eai-agent
masters=--as-group=system:masters

secure='allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 65532, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}'
limits='resources: {limits: {cpu: 10m, memory: 16Mi}}'
pod() { # SPEC-EXTRA CONTAINER [IMAGE]
  file <<END
apiVersion: v1
kind: Pod
metadata: {name: rights, namespace: eai-work}
spec: {restartPolicy: Never${1:+, $1}, containers: [{name: work, image: "${3:-$image}", ${2:-$limits, securityContext: {$secure\}}}]}
END
}
base='automountServiceAccountToken: false, runtimeClassName: gvisor'

# An account whose token isn't mounted by default: the pod has to say so itself all the same.
must create -f "$(file <<<"{apiVersion: v1, kind: ServiceAccount, metadata: {name: rights, namespace: eai-work}, automountServiceAccountToken: false}")"
undo+=("k -n eai-work delete serviceaccount rights")

echo "what may run here, whoever makes it"
may anyone "run work as the agent builds it" create $dry -f "$(pod "$base")"
may agent "run its own image, to probe" "$agent" create $dry -f "$(pod "$base" '' "$own")"
mayNot agent "run an image from elsewhere" "under a registry that this cluster's owner allows" "$agent" create $dry -f "$(pod "$base" '' "evil.example.com/miner@$digest")"
mayNot agent "or from a registry of a like name" "under a registry that this cluster's owner allows" "$agent" create $dry -f "$(pod "$base" '' "${registry%/}s/miner@$digest")"
mayNot agent "run an image by tag" "by digest" "$agent" create $dry -f "$(pod "$base" '' "${registry%/}/trainer:latest")"
mayNot agent "run a second container from elsewhere" "under a registry" "$agent" create $dry -f "$(pod "$base, initContainers: [{name: x, image: evil.example.com/x@$digest, $limits, securityContext: {$secure}}]")"
mayNot agent "give work a token of this cluster" "automountServiceAccountToken: must be false|projected token" "$agent" create $dry -f "$(pod 'runtimeClassName: gvisor')"
mayNot agent "leave that to the cluster's default" "automountServiceAccountToken: must be false" "$agent" create $dry -f "$(pod 'runtimeClassName: gvisor, serviceAccountName: rights')"
mayNot agent "project one" "spec.volumes" "$agent" create $dry -f "$(pod "$base, volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: t}}]}}]")"
mayNot agent "leave the sandbox" "spec.runtimeClassName: work runs only in the sandbox" "$agent" create $dry -f "$(pod 'automountServiceAccountToken: false')"
mayNot agent "mount the node's files" "hostPath" "$agent" create $dry -f "$(pod "$base, volumes: [{name: x, hostPath: {path: /}}]")"
mayNot agent "mount a claim" "spec.volumes" "$agent" create $dry -f "$(pod "$base, volumes: [{name: x, persistentVolumeClaim: {claimName: x}}]")"
mayNot agent "use the node's network" "host namespaces|hostNetwork" "$agent" create $dry -f "$(pod "$base, hostNetwork: true")"
mayNot agent "choose its node" "nodeName" "$agent" create $dry -f "$(pod "$base, nodeName: x")"
mayNot agent "go before the system" "spec.priorityClassName" "$agent" create $dry -f "$(pod "$base, priorityClassName: system-cluster-critical")"
mayNot agent "be privileged" "privileged" "$agent" create $dry -f "$(pod "$base" "$limits, securityContext: {privileged: true}")"
mayNot agent "run as root" "runAsUser=0|not user 0|runAsNonRoot" "$agent" create $dry -f "$(pod "$base" "$limits, securityContext: {${secure/65532/0}}")"
mayNot agent "keep capabilities" "restricted|capabilit" "$agent" create $dry -f "$(pod "$base" "$limits, securityContext: {${secure/drop: \[ALL\]/drop: []}}")"
mayNot admin "run such things either, by Pod Security and policy" "under a registry|privileged" create $dry -f "$(pod "$base" "$limits, securityContext: {privileged: true}" "evil.example.com/miner@$digest")"

echo; echo "the namespace for work"
for kind in Service PersistentVolumeClaim; do
  k -n eai-work get resourcequota eai-work -o jsonpath='{.spec.hard}' | grep -qi "count/${kind}s\":\"0\"" && pass || fail "the quota allows a $kind"
done
[ "$(k get namespace eai-work -o jsonpath='{.metadata.labels.pod-security\.kubernetes\.io/enforce}')" = restricted ] && pass || fail "eai-work enforces restricted"
k -n eai-work get networkpolicy eai-work-nothing -o jsonpath='{.spec}' | grep -q '"podSelector":{},"policyTypes":\["Ingress","Egress"\]' && pass || fail "eai-work denies all traffic by default"

echo; echo "what the agent may do here"
can() { k "$agent" auth can-i "$@" 2>/dev/null | grep -qx yes; }
yes() { if can "$@"; then pass; printf 'yes  agent        %s\n' "$*"; else fail "the agent may not: $*"; fi; }
no() { if can "$@"; then fail "the agent may: $*"; else pass; printf 'no   agent        %s\n' "$*"; fi; }
jobs=(-n eai-work) home=(-n eai-agent)
for verb in get list watch create patch delete; do yes $verb jobs.batch "${jobs[@]}"; yes $verb pods "${jobs[@]}"; done
yes get pods --subresource=log "${jobs[@]}"
yes create pods --subresource=exec "${jobs[@]}"
yes get pods --subresource=exec "${jobs[@]}"
yes create secrets "${jobs[@]}"
yes delete secrets "${jobs[@]}"
no get secrets "${jobs[@]}"
yes list nodes; yes list pods -A; yes get namespace/kube-system
yes create secrets "${home[@]}"; yes get secret/eai-agent-identity "${home[@]}"; yes patch secret/eai-agent-identity "${home[@]}"
no get secret/eai-agent-owner-key "${home[@]}"; no list secrets "${home[@]}"; no list secrets -A
no get secrets -n kube-system; no create pods -n default; no create pods "${home[@]}"; no delete pods -A
no create pods --subresource=exec -n default; no patch nodes; no delete nodes; no list configmaps -A
no get pods --subresource=log -n kube-system
no create rolebindings.rbac.authorization.k8s.io "${jobs[@]}"; no patch namespace/eai-work; no delete networkpolicies.networking.k8s.io "${jobs[@]}"
no patch resourcequotas "${jobs[@]}"; no patch validatingadmissionpolicies.admissionregistration.k8s.io
no create serviceaccounts --subresource=token "${jobs[@]}"; no create persistentvolumeclaims "${jobs[@]}"; no create services "${jobs[@]}"
# Its own Deployment: only where the owner takes updates, and then its image alone.
patch() { printf '{"spec":{"template":{"spec":%s}}}' "$1"; }
if k -n eai-agent get role eai-agent -o jsonpath='{.rules[*].resources}' | grep -q deployments; then
  may agent "update its own image" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch "{\"containers\":[{\"name\":\"agent\",\"image\":\"${own%@*}@$digest\"}]}")"
  mayNot agent "run another image" "from the agent's own repository" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch "{\"containers\":[{\"name\":\"agent\",\"image\":\"evil.example.com/x@$digest\"}]}")"
  mayNot agent "run an image by tag" "by digest" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch "{\"containers\":[{\"name\":\"agent\",\"image\":\"${own%@*}:latest\"}]}")"
  mayNot agent "run another command" "the image of its own container and nothing else" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch '{"containers":[{"name":"agent","command":["sh"]}]}')"
  mayNot agent "add a container" "by digest|nothing else" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch "{\"containers\":[{\"name\":\"x\",\"image\":\"${own%@*}@$digest\"}]}")"
  mayNot agent "mount the node's files" "nothing else" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch '{"volumes":[{"name":"x","hostPath":{"path":"/"}}]}')"
  mayNot agent "use another account" "nothing else" "$agent" -n eai-agent patch deployment eai-agent $dry -p "$(patch '{"serviceAccountName":"default"}')"
  mayNot agent "run twice" "nothing else" "$agent" -n eai-agent patch deployment eai-agent $dry --type=merge -p '{"spec":{"replicas":2}}'
  mayNot agent "make a Deployment (policy)" "its own Deployment and no other" "$agent" $masters -n eai-agent create deployment x --image=x $dry
else
  no get deployment/eai-agent "${home[@]}"; no patch deployment/eai-agent "${home[@]}"
fi
no list deployments "${home[@]}"; no create deployments "${home[@]}"; no delete deployment/eai-agent "${home[@]}"; no patch deployment/other "${home[@]}"
