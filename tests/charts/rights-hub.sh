# The hub's cluster. Sourced by rights.sh.
# shellcheck shell=bash disable=SC2154

digest=sha256:0000000000000000000000000000000000000000000000000000000000000002
system=${EAI_SYSTEM_NAMESPACE:-eai-system}
k get crd aijobs.eai.network >/dev/null || install eai-crds "$system"
if ! "$HELM" status eai-hub -n "$system" >/dev/null 2>&1; then
  install eai-hub "$system" -f "$root/charts/eai-hub/ci/demo-values.yaml" --set replicas=0 \
    --set "agent.image=registry.example.com/eai/eai-agent@$digest" --set 'aijobs.registries={registry.example.com/team}'
  # Nobody serves it, and while that is so no namespace goes away.
  k delete apiservice v1alpha1.artifacts.eai.network >/dev/null
  sleep 2
fi
types

hub=--as=system:serviceaccount:$system:eai-operator
invite=--as=system:serviceaccount:$system:invite-rights-a
agent=--as=system:serviceaccount:cn-rights-a:agent
masters=--as-group=system:masters
agent_image=$(k get validatingadmissionpolicy eai-hub-workloads -o yaml | grep -oE "c.image == '[^']+'" | cut -d"'" -f2)
registry=$(k get validatingadmissionpolicy eai-aijobs -o yaml | grep -oE "only from [^;,]+" | cut -d' ' -f3)
registry=${registry:-registry.example.com/team}

undo+=("k delete namespace cn-rights-a cn-rights-b rights-v --ignore-not-found --timeout=60s")
undo+=("k delete clusterrole,clusterrolebinding -l eai-rights-test=true")
undo+=("k delete computenode rights-a rights-c --ignore-not-found --wait=false")
undo+=("k -n rights-v patch aijob job --type=merge -p '{\"metadata\":{\"finalizers\":null}}'")

sealing_key=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=
node() { # NAME EXTRA-SPEC EXTRA-METADATA
  file <<END
apiVersion: eai.network/v1alpha1
kind: ComputeNode
metadata: {name: $1${3:+, $3}}
spec: {owner: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", sealingKey: "$sealing_key"${2:+, $2}}
END
}
job() { # NAMESPACE NAME EXTRA-SPEC EXTRA-METADATA
  file <<END
apiVersion: eai.network/v1alpha1
kind: AIJob
metadata: {name: $2, namespace: $1${4:+, $4}}
spec:
  {image: "$registry/trainer@$digest", maxPrice: "1", payment: {account: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"}${3:+, $3}}
END
}
assignment() { # NAMESPACE
  file <<END
apiVersion: eai.network/v1alpha1
kind: Assignment
metadata: {name: rights-g1-a1, namespace: $1}
spec:
  job: {namespace: rights-v, name: job, uid: rights}
  epoch: {generation: 1, attempt: 1}
  class: cpu
  rate: "1"
  leaseId: "0x0000000000000000000000000000000000000000000000000000000000000001"
  workload: {image: "$registry/trainer@$digest", cpuMillis: 100, memoryBytes: 1000000, completions: 1, parallelism: 1, maxDurationSeconds: 60}
END
}
report() { # NAMESPACE NAME EXTRA-METADATA
  file <<<"{apiVersion: eai.network/v1alpha1, kind: MemberReport, metadata: {namespace: $1, name: $2${3:+, $3}}, spec: {}}"
}
role() { # NAMESPACE NAME RULES
  file <<<"{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {namespace: $1, name: $2}, rules: [$3]}"
}
binding() { # NAMESPACE NAME KIND ROLE SUBJECT-NAMESPACE SUBJECT
  file <<<"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {namespace: $1, name: $2}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: $3, name: $4}, subjects: [{kind: ServiceAccount, namespace: $5, name: $6}]}"
}
namespace() { # NAME MEMBER
  file <<<"{apiVersion: v1, kind: Namespace, metadata: {name: $1${2:+, labels: {eai.network/member: $2\}}}}"
}
secret() { # NAMESPACE NAME TYPE EXTRA
  file <<<"{apiVersion: v1, kind: Secret, metadata: {namespace: $1, name: $2${4:+, $4}}, type: $3}"
}
deployment() { # NAMESPACE NAME IMAGE POD-EXTRA CONTAINER-SECURITY-EXTRA
  file <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $2, namespace: $1}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      serviceAccountName: agent
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: agent, image: "$3", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}${5:+, $5}}}]
      ${4:-}
END
}
agent_rules='{apiGroups: [eai.network], resources: [assignments], verbs: [get, list, watch]}, {apiGroups: [eai.network], resources: [assignments/status], verbs: [get, patch, update]}, {apiGroups: [eai.network], resources: [memberreports], verbs: [get, create, update, patch]}, {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [agent], verbs: [get, update, patch]}, {apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [agent], verbs: [create]}, {apiGroups: [artifacts.eai.network], resources: [assignments/log, assignments/outputs], verbs: [create, update]}, {apiGroups: [artifacts.eai.network], resources: [sessions/attach], verbs: [get]}'

echo "the hub makes what a member needs"
for m in rights-a rights-b; do
  n=cn-$m
  may hub "make namespace $n" "$hub" create -f "$(namespace "$n" "$m")"
  may hub "make its ResourceQuota" "$hub" -n "$n" create quota eai --hard=count/memberreports.eai.network=1
  may hub "make its ServiceAccount agent" "$hub" -n "$n" create serviceaccount agent
  may hub "make its Secret agent-token" "$hub" create -f "$(secret "$n" agent-token Opaque)"
  may hub "make its Lease agent" "$hub" create -f "$(file <<<"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {namespace: $n, name: agent, labels: {eai.network/member: $m}}, spec: {}}")"
  may hub "make its Role agent" "$hub" create -f "$(role "$n" agent "$agent_rules")"
  may hub "bind it" "$hub" create -f "$(binding "$n" agent Role agent "$n" agent)"
  may hub "make an Assignment there" "$hub" create -f "$(assignment "$n")"
done
a=cn-rights-a
# Of a kind that is new, the quota controller knows nothing for up to half a minute.
for _ in $(seq 120); do [ -n "$(k -n $a get resourcequota eai -o jsonpath='{.status.hard}')" ] && break; sleep 0.5; done
may hub "apply the Role again" "$hub" apply --server-side --force-conflicts -f "$(role $a agent "$agent_rules")"
may hub "change an Assignment" "$hub" -n $a patch assignment rights-g1-a1 $dry --type=merge -p '{"spec":{"acknowledged":{"usageMs":1}}}'
may hub "mint the agent's first token" "$hub" -n $a create token agent --duration=1h --bound-object-kind=Secret --bound-object-name=agent-token --bound-object-uid="$(k -n $a get secret agent-token -o jsonpath='{.metadata.uid}')"
may hub "revoke it" "$hub" -n $a delete secret agent-token $dry
may hub "remove a member's namespace" "$hub" delete namespace cn-rights-b $dry
must create -f "$(namespace rights-v)"
must -n rights-v create serviceaccount agent
must -n rights-v create secret generic token --from-literal=key=value
must -n rights-v create secret generic other --from-literal=key=value
must create -f "$(node rights-c)"
must create -f "$(job rights-v job)"
must create -f "$(file <<<"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: eai-invite-rights-a, labels: {eai-rights-test: 'true'}}, rules: [{apiGroups: [eai.network], resources: [computenodes], verbs: [create]}, {apiGroups: [eai.network], resources: [computenodes], resourceNames: [rights-a], verbs: [get]}]}")"
must create -f "$(file <<<"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: eai-invite-rights-a, labels: {eai-rights-test: 'true'}}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: eai-invite-rights-a}, subjects: [{kind: ServiceAccount, namespace: $system, name: invite-rights-a}]}")"

echo; echo "an invite is good for one ComputeNode"
may invite "create the ComputeNode of its name" "$invite" create -f "$(node rights-a)"
may invite "read it" "$invite" get computenode rights-a
mayNot invite "read another" "$rbac" "$invite" get computenode rights-c
mayNot invite "list them" "$rbac" "$invite" get computenodes
mayNot invite "create another's" "this invite is for the member rights-a: set member.name" "$invite" create $dry -f "$(node rights-b)"
k delete computenode rights-a >/dev/null
mayNot invite "accept itself" "spec.accepted and spec.cordon are the hub admin|only who may .approve." "$invite" create $dry -f "$(node rights-a 'accepted: true')"
mayNot invite "cordon itself" "spec.accepted and spec.cordon" "$invite" create $dry -f "$(node rights-a 'cordon: true')"
mayNot invite "drain itself" "and so is spec.drain" "$invite" create $dry -f "$(node rights-a 'drain: {by: "2026-03-01T19:00:00Z"}')"
mayNot invite "join in mode Push" "spec.connection: an invited member joins in mode Pull" "$invite" create $dry -f "$(node rights-a 'connection: Push')"
mayNot invite "hold its own deletion up" "aren't an invite's to set" "$invite" create $dry -f "$(node rights-a '' 'finalizers: [example.com/x]')"
must create -f "$(node rights-a)"
for group in "" $masters; do
  mayNot invite "change it ${group:+(policy)}" "$rbac|can only create the ComputeNode rights-a" "$invite" $group patch computenode rights-a $dry --type=merge -p '{"spec":{"cordon":true}}'
  mayNot invite "delete it ${group:+(policy)}" "$rbac|can only create the ComputeNode rights-a" "$invite" $group delete computenode rights-a $dry
  mayNot invite "make anything else ${group:+(policy)}" "$rbac|can only create the ComputeNode rights-a" "$invite" $group -n "$system" create configmap x $dry
  mayNot invite "mint a token ${group:+(policy)}" "$rbac|can only create the ComputeNode rights-a" "$invite" $group -n "$system" create token eai-operator
done

# An operator that runs here takes the Assignment for an orphan and ends it.
again() { k "$hub" create -f "$(assignment $a)" >/dev/null || true; }

echo; echo "an agent keeps to its namespace"
again
may agent "list its Assignments" "$agent" -n $a get assignments
may agent "write an Assignment's status" "$agent" -n $a patch assignment rights-g1-a1 --subresource=status $dry --type=merge -p '{"status":{"phase":"Running"}}'
mayNot agent "write an Assignment's spec" "$rbac" "$agent" -n $a patch assignment rights-g1-a1 $dry --type=merge -p '{"spec":{"desired":"Stop"}}'
mayNot agent "write an Assignment's spec (policy)" "everything else is the hub's" "$agent" $masters -n $a patch assignment rights-g1-a1 $dry --type=merge -p '{"spec":{"desired":"Stop"}}'
k "$agent" -n $a patch assignment rights-g1-a1 --subresource=status --type=merge -p '{"metadata":{"finalizers":["example.com/x"]},"spec":{"rate":"9"},"status":{"phase":"Running"}}' >/dev/null
[ "$(k -n $a get assignment rights-g1-a1 -o jsonpath='{.metadata.finalizers}{.spec.rate}{.status.phase}')" = 1Running ] && pass || fail "a status write changes metadata or spec, or nothing"
mayNot agent "create an Assignment" "$rbac" "$agent" create $dry -f "$(assignment $a)"
mayNot agent "delete an Assignment" "$rbac" "$agent" -n $a delete assignment rights-g1-a1 $dry
mayNot agent "delete an Assignment (policy)" "everything else is the hub's" "$agent" $masters -n $a delete assignment rights-g1-a1 $dry
mayNot agent "read another member's Assignments" "$rbac" "$agent" -n cn-rights-b get assignments
mayNot agent "write another member's status (policy)" "writes in its own namespace, cn-rights-a" "$agent" $masters -n cn-rights-b patch assignment rights-g1-a1 --subresource=status $dry --type=merge -p '{"status":{"phase":"Running"}}'
mayNot agent "read an AIJob" "$rbac" "$agent" -n rights-v get aijob job
mayNot agent "list AIJobs" "$rbac" "$agent" get aijobs -A
mayNot agent "read a Secret" "$rbac" "$agent" -n $a get secret agent-token
mayNot agent "list Secrets" "$rbac" "$agent" -n $a get secrets
mayNot agent "read a ComputeNode" "$rbac" "$agent" get computenode rights-a
mayNot agent "write a ComputeNode" "$rbac" "$agent" patch computenode rights-a $dry --type=merge -p '{"spec":{"accepted":true}}'
mayNot agent "write a ComputeNode (policy)" "writes in its own namespace" "$agent" $masters patch computenode rights-a $dry --type=merge -p '{"spec":{"cordon":true}}'
must "$agent" create -f "$(report $a rights-a)"
may agent "write its MemberReport" "$agent" -n $a patch memberreport rights-a $dry --type=merge -p '{"spec":{"counted":[]}}'
mayNot agent "write its MemberReport twice" "AlreadyExists|already exists|exceeded quota" "$agent" create $dry -f "$(report $a rights-a)"
mayNot agent "write a MemberReport of another name" "MemberReport bears its member's name" "$agent" create $dry -f "$(report $a rights-b)"
mayNot agent "write another member's MemberReport" "$rbac" "$agent" create $dry -f "$(report cn-rights-b rights-b)"
mayNot agent "hold its namespace up with a finalizer" "an agent leaves them as they are" "$agent" create $dry -f "$(report $a rights-a 'finalizers: [example.com/x]')"
mayNot agent "offer itself a release" "$rbac" "$agent" -n $a patch memberreport rights-a --subresource=status $dry --type=merge -p '{"status":{"update":null}}'
mayNot agent "offer itself a release (policy)" "everything else is the hub's" "$agent" $masters -n $a patch memberreport rights-a --subresource=status $dry --type=merge -p '{"status":{"update":null}}'
mayNot agent "see releases" "$rbac" "$agent" get agentreleases
may agent "send a heartbeat" "$agent" -n $a patch lease agent --type=merge -p '{"spec":{"holderIdentity":"x"}}'
mayNot agent "put a finalizer on its Lease" "an agent leaves them as they are" "$agent" -n $a patch lease agent $dry --type=merge -p '{"metadata":{"finalizers":["example.com/x"]}}'
mayNot agent "send another member's heartbeat" "$rbac" "$agent" -n cn-rights-b patch lease agent $dry --type=merge -p '{"spec":{"holderIdentity":"x"}}'
mayNot agent "run a pod (policy)" "everything else is the hub's" "$agent" $masters -n $a run x --image=x $dry
mayNot agent "bind itself to admin (policy)" "everything else is the hub's" "$agent" $masters -n $a create rolebinding x --clusterrole=admin --user=x $dry
uid=$(k -n $a get secret agent-token -o jsonpath='{.metadata.uid}')
bound=(--bound-object-kind=Secret --bound-object-name=agent-token "--bound-object-uid=$uid")
may agent "renew its token" "$agent" -n $a create token agent --duration=1h "${bound[@]}"
may agent "ask for one for the hub's endpoints" "$agent" -n $a create token agent --duration=1h --audience=eai-hub "${bound[@]}"
mayNot agent "have one for longer than an hour" "at most 3600 seconds" "$agent" -n $a create token agent --duration=2h "${bound[@]}"
mayNot agent "have one that can't be revoked" "bind the token to the v1 Secret agent-token" "$agent" -n $a create token agent --duration=1h
mayNot agent "have one for another audience" "spec.audiences: vault: name none, or eai-hub" "$agent" -n $a create token agent --duration=1h --audience=vault "${bound[@]}"
mayNot agent "have another account's" "$rbac" "$agent" -n $a create token default --duration=1h "${bound[@]}"
mayNot agent "have another account's (policy)" "ServiceAccount are named agent" "$agent" $masters -n $a create token default --duration=1h "${bound[@]}"
mayNot agent "have another member's" "$rbac" "$agent" -n cn-rights-b create token agent --duration=1h

echo; echo "nobody starves another"
# queued WHO SCHEMA ARGUMENTS...: the API server counts such a request under that FlowSchema.
queued() {
  local who=$1 schema=$2 uid seen; shift 2
  uid=$(k get flowschema "$schema" -o jsonpath='{.metadata.uid}')
  seen=$("$KUBECTL" -v=8 "$@" 2>&1 | grep -i 'X-Kubernetes-Pf-Flowschema-Uid' | tail -n1)
  if grep -q "$uid" <<<"$seen"; then pass; printf 'yes  %-12s is counted under %s\n' "$who" "$schema"; else fail "$who isn't counted under $schema" "$seen"; fi
}
if k get flowschema eai-agents >/dev/null; then
  queued agent eai-agents "$agent" -n $a get assignments
  queued agent service-accounts "$agent" -n $a get lease agent
  queued hub eai-operator "$hub" get aijobs -A
  queued admin exempt get aijobs -A
  [ "$(k get flowschema eai-agents -o jsonpath='{.spec.distinguisherMethod.type}')" = ByUser ] && pass || fail "agents share a queue"
fi

echo; echo "a real token of the agent's, until it is revoked"
k config view --raw --minify -o jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 -d >"$work/ca.crt"
bare=(--kubeconfig=/dev/null "--server=$(k config view --minify -o jsonpath='{.clusters[0].cluster.server}')" "--certificate-authority=$work/ca.crt")
token=$(k "$agent" -n $a create token agent --duration=1h "${bound[@]}")
may token "list Assignments" "${bare[@]}" "--token=$token" -n $a get assignments
mayNot token "read a Secret" "$rbac" "${bare[@]}" "--token=$token" -n $a get secret agent-token
forged=${token%.*}.$(tr 'A-Za-z' 'N-ZA-Mn-za-m' <<<"${token##*.}")
mayNot forged "list Assignments" "Unauthorized|must be logged in|provide credentials" "${bare[@]}" "--token=$forged" -n $a get assignments
elsewhere=$(k "$agent" -n $a create token agent --duration=1h --audience=eai-hub "${bound[@]}")
mayNot audience "use a token for eai-hub at the API server" "Unauthorized|must be logged in|provide credentials" "${bare[@]}" "--token=$elsewhere" -n $a get assignments
must "$hub" -n $a delete secret agent-token
for i in $(seq 30); do k "${bare[@]}" "--token=$token" -n $a get assignments >/dev/null || break; sleep 0.5; done
echo "     refused after about $((i / 2)) s"
mayNot revoked "list Assignments" "Unauthorized|must be logged in|provide credentials" "${bare[@]}" "--token=$token" -n $a get assignments
must "$hub" create -f "$(secret $a agent-token Opaque)"

echo; echo "the hub keeps to its members' namespaces"
reach="only in members' namespaces"
foreign="only namespaces named cn-NAME with the label"
must "$hub" -n cn-rights-b delete rolebinding agent
for group in "" $masters; do
  p=${group:+ (policy)}
  again
  mayNot hub "make a namespace of another name$p" "$foreign" "$hub" $group create $dry -f "$(namespace rights-x)"
  mayNot hub "make one without the label$p" "$foreign" "$hub" $group create $dry -f "$(namespace cn-rights-x)"
  mayNot hub "take a namespace over$p" "$foreign" "$hub" $group label namespace rights-v eai.network/member=rights-v $dry
  mayNot hub "delete a vendor's namespace$p" "$foreign" "$hub" $group delete namespace rights-v $dry
  mayNot hub "make a Secret in a vendor's namespace$p" "$reach" "$hub" $group create $dry -f "$(secret rights-v agent-token Opaque)"
  mayNot hub "make a Role in kube-system$p" "$reach" "$hub" $group create $dry -f "$(role kube-system agent "$agent_rules")"
  mayNot hub "bind in kube-system$p" "$reach|$rbac|not found" "$hub" $group create $dry -f "$(binding kube-system agent Role agent kube-system agent)"
  mayNot hub "mint a vendor's token$p" "$reach" "$hub" $group -n rights-v create token agent --duration=1h "${bound[@]}"
  mayNot hub "make an Assignment elsewhere$p" "$reach" "$hub" $group create $dry -f "$(assignment rights-v)"
  mayNot hub "make a Deployment elsewhere$p" "$reach|$rbac|push mode is off" "$hub" $group create $dry -f "$(deployment rights-v eai-agent "${agent_image:-x@$digest}")"
  mayNot hub "make an account elsewhere$p" "$reach" "$hub" $group -n "$system" create serviceaccount agent $dry
  mayNot hub "make another account$p" "only those named agent" "$hub" $group -n $a create serviceaccount other $dry
  mayNot hub "make a quota elsewhere$p" "$reach" "$hub" $group -n rights-v create quota eai --hard=pods=0 $dry
  mayNot hub "mint its own or any other token$p" "$rbac|$reach|named agent" "$hub" $group -n "$system" create token eai-operator --duration=1h "${bound[@]}"
  mayNot hub "mint a token of another account in cn-$p" "$rbac|ServiceAccounts named agent" "$hub" $group -n $a create token default --duration=1h "${bound[@]}"
  mayNot hub "mint a token that can't be revoked$p" "bind the token to the v1 Secret agent-token" "$hub" $group -n $a create token agent --duration=1h
  mayNot hub "make a token without an end$p" "of type Opaque and empty" "$hub" $group create $dry -f "$(secret cn-rights-b agent-token kubernetes.io/service-account-token 'annotations: {kubernetes.io/service-account.name: agent}')"
  mayNot hub "make another Secret$p" "only those named agent-token" "$hub" $group create $dry -f "$(secret $a other Opaque)"
  mayNot hub "bind a ClusterRole$p" "binds only the Role agent|attempting to grant" "$hub" $group create $dry -f "$(binding cn-rights-b agent ClusterRole admin cn-rights-b agent)"
  mayNot hub "make another binding$p" "$rbac|only those named agent|attempting to grant" "$hub" $group create $dry -f "$(binding $a other Role agent $a agent)"
  mayNot hub "bind somebody else$p" "binds only the Role agent" "$hub" $group apply --server-side --force-conflicts $dry -f "$(binding $a agent Role agent "$system" eai-operator)"
  mayNot hub "give another Role$p" "only those named agent" "$hub" $group create $dry -f "$(role $a other "$agent_rules")"
  mayNot hub "let an agent read Secrets$p" "attempting to grant|rules that eai-hub's chart lists" "$hub" $group replace $dry -f "$(role $a agent '{apiGroups: [""], resources: [secrets], verbs: [get]}')"
  mayNot hub "let an agent do anything$p" "attempting to grant|rules that eai-hub's chart lists" "$hub" $group replace $dry -f "$(role $a agent '{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}')"
  mayNot hub "let an agent mint any token$p" "attempting to grant|rules that eai-hub's chart lists" "$hub" $group replace $dry -f "$(role $a agent '{apiGroups: [""], resources: [serviceaccounts/token], verbs: [create]}')"
  mayNot hub "make a ClusterRoleBinding$p" "$rbac|not among what the hub does" "$hub" $group create clusterrolebinding rights-x --clusterrole=cluster-admin --user=x $dry
  mayNot hub "delete a ClusterRole$p" "but to delete a used invite" "$hub" $group delete clusterrole eai-vendor $dry
  mayNot hub "write another ConfigMap$p" "ConfigMaps $system/eai-hub-info and eai-restores, no other" "$hub" $group -n "$system" create configmap other $dry
  mayNot hub "write another's Lease$p" "no other|$rbac" "$hub" $group create $dry -f "$(file <<<"{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {namespace: kube-system, name: kube-scheduler}}")"
  mayNot hub "run a pod$p" "$rbac|not among what the hub does" "$hub" $group -n $a run x --image=x $dry
  mayNot hub "change an AIJob's spec$p" "spec: an AIJob's is the vendor's" "$hub" $group -n rights-v patch aijob job $dry --type=merge -p '{"spec":{"budget":"1000"}}'
  mayNot hub "accept a member$p" "spec: an AIJob's is the vendor's|approve" "$hub" $group patch computenode rights-a $dry --type=merge -p '{"spec":{"accepted":true}}'
  mayNot hub "write a MemberReport$p" "agent's to write, not the hub's" "$hub" $group create $dry -f "$(report $a rights-a)"
  again
  mayNot hub "write an Assignment's status$p" "agent's to write, not the hub's" "$hub" $group -n $a patch assignment rights-g1-a1 --subresource=status $dry --type=merge -p '{"status":{"usageMs":1}}'
  mayNot hub "create an AIJob$p" "$rbac|not among what the hub does|the hub writes metadata.finalizers and status" "$hub" $group create $dry -f "$(job rights-v other)"
done
mayNot hub "read a vendor's Secret" "$rbac" "$hub" -n rights-v get secret token
mayNot hub "list Secrets" "$rbac" "$hub" get secrets -A
mayNot hub "list a member's Secrets" "$rbac" "$hub" -n $a get secrets
must -n rights-v create role read-token --verb=get --resource=secrets --resource-name=token
must -n rights-v create rolebinding read-token --role=read-token --serviceaccount="$system:eai-operator"
may hub "read the one Secret that a vendor lets it" "$hub" -n rights-v get secret token
mayNot hub "read the vendor's other Secret" "$rbac" "$hub" -n rights-v get secret other
may hub "put its finalizer on an AIJob" "$hub" -n rights-v patch aijob job --type=merge -p '{"metadata":{"finalizers":["eai.network/settlement"]}}'
may hub "write an AIJob's status" "$hub" -n rights-v patch aijob job --subresource=status $dry --type=merge -p '{"status":{"conditions":[]}}'
may hub "put its finalizer on a ComputeNode" "$hub" patch computenode rights-a $dry --type=merge -p '{"metadata":{"finalizers":["eai.network/member"]}}'
may hub "delete a used invite" "$hub" delete clusterrole eai-invite-rights-a $dry
may hub "write eai-hub-info" "$hub" apply --server-side --force-conflicts $dry -f "$(file <<<"{apiVersion: v1, kind: ConfigMap, metadata: {namespace: $system, name: eai-hub-info}, data: {x: text}}")"
may hub "report what a restore lost" "$hub" apply --server-side --force-conflicts $dry -f "$(file <<<"{apiVersion: v1, kind: ConfigMap, metadata: {namespace: $system, name: eai-restores}, data: {x: text}}")"
release() { # NAME
  file <<<"{apiVersion: eai.network/v1alpha1, kind: AgentRelease, metadata: {name: $1}, spec: {version: 0.2.0, image: registry.example.com/eai-agent@$digest, signature: {payload: e30=, signature: MEUC}, paused: true}}"
}
may hub "offer a member a release" "$hub" -n $a patch memberreport rights-a --subresource=status $dry --type=merge -p '{"status":{"update":null}}'
must create -f "$(release rights-release)"
undo+=("k delete agentrelease rights-release")
may hub "say how a release goes" "$hub" patch agentrelease rights-release --subresource=status $dry --type=merge -p '{"status":{"phase":"Pending"}}'
mayNot hub "change a release" "$rbac" "$hub" patch agentrelease rights-release $dry --type=merge -p '{"spec":{"paused":false}}'
mayNot hub "change a release (policy)" "not among what the hub does" "$hub" $masters patch agentrelease rights-release $dry --type=merge -p '{"spec":{"paused":false}}'
mayNot hub "make a release" "$rbac" "$hub" create $dry -f "$(release other)"
mayNot vendor "make a release" "$rbac" --as=rights-vendor create $dry -f "$(release other)"
mayNot vendor "see releases" "$rbac" --as=rights-vendor get agentreleases
may hub "see reports and heartbeats" "$hub" get memberreports,leases -A
may hub "tell an event" "$hub" create $dry -f "$(file <<<"{apiVersion: events.k8s.io/v1, kind: Event, metadata: {namespace: rights-v, name: x.1}, eventTime: '2026-01-01T00:00:00.000000Z', type: Normal, reason: X, action: X, note: x, reportingController: eai, reportingInstance: eai, regarding: {kind: AIJob, namespace: rights-v, name: job}}")"
k "$hub" auth can-i create subjectaccessreviews.authorization.k8s.io 2>/dev/null | grep -q yes && pass || fail "the hub may ask for SubjectAccessReviews"

echo; echo "the cleanup of an uninstall"
cleaner=--as=system:serviceaccount:$system:eai-operator-cleanup
may cleanup "let members leave (policy)" "$cleaner" $masters delete computenode rights-a $dry
may cleanup "cancel jobs (policy)" "$cleaner" $masters -n rights-v patch aijob job $dry --type=merge -p '{"spec":{"cancel":true}}'
mayNot cleanup "raise a job's budget (policy)" "spec: an AIJob's is the vendor's" "$cleaner" $masters -n rights-v patch aijob job $dry --type=merge -p '{"spec":{"budget":"1000"}}'
may cleanup "take the hub's finalizers off (policy)" "$cleaner" $masters -n rights-v patch aijob job $dry --type=merge -p '{"metadata":{"finalizers":null}}'
may cleanup "delete a member's namespace (policy)" "$cleaner" $masters delete namespace cn-rights-b $dry
mayNot cleanup "delete another namespace (policy)" "$foreign" "$cleaner" $masters delete namespace rights-v $dry
may cleanup "stop the operator (policy)" "$cleaner" $masters -n "$system" delete deployment eai-operator $dry
mayNot cleanup "delete a ClusterRole (policy)" "but to delete a used invite" "$cleaner" $masters delete clusterrole eai-vendor $dry
mayNot cleanup "delete a vendor's job (policy)" "not among what the hub does" "$cleaner" $masters -n rights-v delete aijob job $dry
mayNot cleanup "do anything while nothing is uninstalled" "$rbac" "$cleaner" get computenodes
mayNot hub "delete itself (policy)" "$reach" "$hub" $masters -n "$system" delete deployment eai-operator $dry
mayNot hub "delete a ComputeNode" "$rbac" "$hub" delete computenode rights-a $dry

echo; echo "what the hub runs"
if [ -n "$agent_image" ]; then
  may hub "run a push member's agent" "$hub" create $dry -f "$(deployment $a eai-agent "$agent_image")"
  mayNot hub "run another image" "only the agent's image" "$hub" create $dry -f "$(deployment $a eai-agent registry.example.com/miner@$digest)"
  mayNot hub "run another Deployment" "only the Deployment eai-agent" "$hub" create $dry -f "$(deployment $a other "$agent_image")"
  mayNot hub "run under another account" "under the ServiceAccount agent" "$hub" create $dry -f "$(deployment $a eai-agent "$agent_image" '' | xargs sed 's/serviceAccountName: agent/serviceAccountName: default/' | file)"
  mayNot hub "mount the node's files" "takes nothing of its node" "$hub" create $dry -f "$(deployment $a eai-agent "$agent_image" 'volumes: [{name: x, hostPath: {path: /}}]')"
  mayNot hub "use the node's network" "takes nothing of its node" "$hub" create $dry -f "$(deployment $a eai-agent "$agent_image" 'hostNetwork: true')"
  mayNot hub "run privileged" "allowPrivilegeEscalation false|privileged" "$hub" create $dry -f "$(deployment $a eai-agent "$agent_image" '' 'privileged: true' | xargs sed 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' | file)"
  mayNot hub "run as root" "run as non-root" "$hub" create $dry -f "$(deployment $a eai-agent "$agent_image" '' 'runAsUser: 0')"
else
  mayNot hub "run anything while push mode is off" "$rbac|push mode is off" "$hub" $masters create $dry -f "$(deployment $a eai-agent registry.example.com/eai/eai-agent@$digest)"
fi

echo; echo "vendors and their jobs"
must -n rights-v create rolebinding vendor --clusterrole=edit --user=rights-vendor
must -n rights-v create role jobs --verb=create,get --resource=aijobs.eai.network
must -n rights-v create rolebinding jobs --role=jobs --user=rights-poor
vendor=--as=rights-vendor poor=--as=rights-poor
may vendor "create an AIJob in its namespace" "$vendor" create $dry -f "$(job rights-v j2)"
mayNot vendor "create one elsewhere" "$rbac" "$vendor" create $dry -f "$(job default j2)"
mayNot vendor "create one in a member's namespace (policy)" "metadata.namespace: cn-rights-a is the platform's" "$vendor" $masters create $dry -f "$(job cn-rights-a j2)"
mayNot vendor "create one in the hub's namespace (policy)" "metadata.namespace: $system is the platform's" "$vendor" $masters create $dry -f "$(job "$system" j2)"
may vendor "send a Secret it can read" "$vendor" create $dry -f "$(job rights-v j2 'secrets: [{name: A, secretName: token, key: key}]')"
mayNot poor "send a Secret it can't read" "spec.secrets: you may not read token yourself" "$poor" create $dry -f "$(job rights-v j2 'secrets: [{name: A, secretName: token, key: key}]')"
must -n rights-v create rolebinding poor-token --role=read-token --user=rights-poor
may poor "send the one Secret it can read" "$poor" create $dry -f "$(job rights-v j2 'secrets: [{name: A, secretName: token, key: key}, {name: B, secretName: token, key: key}]')"
mayNot poor "send it with another" "you may not read token, other yourself" "$poor" create $dry -f "$(job rights-v j2 'secrets: [{name: A, secretName: token, key: key}, {name: B, secretName: other, key: key}]')"
mayNot vendor "name a variable twice" "spec.secrets.*not by both" "$vendor" create $dry -f "$(job rights-v j2 'env: [{name: A, value: x}], secrets: [{name: A, secretName: token, key: key}]')"
mayNot vendor "name an output twice" "spec.outputs.*Duplicate" "$vendor" create $dry -f "$(job rights-v j2 'outputs: [{name: a, path: x1}, {name: a, path: x2}]')"
mayNot vendor "set a deadline that is past" "spec.deadline: .* is past" "$vendor" create $dry -f "$(job rights-v j2 'deadline: "2001-01-01T00:00:00Z"')"
may vendor "set a deadline to come" "$vendor" create $dry -f "$(job rights-v j2 'deadline: "2101-01-01T00:00:00Z"')"
many=$(for i in $(seq 128); do printf '{name: A%d, value: x}, ' "$i"; done)
secrets=$(for i in $(seq 32); do printf '{name: S%d, secretName: token, key: key}, ' "$i"; done)
outputs=$(for i in $(seq 32); do printf '{name: o%d, path: x%d}, ' "$i" "$i"; done)
may vendor "use all the variables, Secrets and outputs there can be" "$vendor" create $dry -f "$(job rights-v j2 "env: [$many], secrets: [$secrets], outputs: [$outputs]")"
mayNot vendor "take an image without a digest" "spec.image" "$vendor" create $dry -f "$(job rights-v j2 | xargs sed "s/@$digest/:latest/" | file)"
mayNot vendor "pay a negative amount" "spec.maxPrice" "$vendor" create $dry -f "$(job rights-v j2 | xargs sed 's/maxPrice: "1"/maxPrice: "-1"/' | file)"
if k get validatingadmissionpolicy eai-aijobs -o yaml | grep -q 'only from'; then
  mayNot vendor "take an image from elsewhere" "spec.image: this hub runs images only from" "$vendor" create $dry -f "$(job rights-v j2 | xargs sed "s#$registry/trainer#evil.example.com/x#" | file)"
  mayNot vendor "or from a registry of a like name" "spec.image: this hub runs images only from" "$vendor" create $dry -f "$(job rights-v j2 | xargs sed "s#$registry/trainer#${registry}s/trainer#" | file)"
fi
mayNot vendor "put the hub's finalizer on" "eai.network/settlement is the hub's" "$vendor" create $dry -f "$(job rights-v j2 '' 'finalizers: [eai.network/settlement]')"
mayNot vendor "take the hub's finalizer off" "eai.network/settlement is the hub's; it goes when the lease is closed" "$vendor" -n rights-v patch aijob job $dry --type=merge -p '{"metadata":{"finalizers":null}}'
may vendor "change the rest of its job" "$vendor" -n rights-v patch aijob job $dry --type=merge -p '{"spec":{"cancel":true},"metadata":{"finalizers":["eai.network/settlement","foregroundDeletion"]}}'
mayNot vendor "write its job's status" "$rbac" "$vendor" -n rights-v patch aijob job --subresource=status $dry --type=merge -p '{"status":{"cost":"0"}}'
may admin "take the finalizer off when the hub is gone" -n rights-v patch aijob job $dry --type=merge -p '{"metadata":{"finalizers":null}}'
# can USER GROUP RESOURCE[/SUBRESOURCE] NAMESPACE NAME [VERB]: asks the API server as the aggregated API does.
can() {
  local sub=; [[ $3 == */* ]] && sub=", subresource: ${3#*/}"
  k create -o jsonpath='{.status.allowed}' -f "$(file <<<"{apiVersion: authorization.k8s.io/v1, kind: SubjectAccessReview, spec: {user: '$1', groups: [system:authenticated], resourceAttributes: {verb: ${6:-get}, group: '$2', resource: ${3%%/*}$sub, namespace: '$4', name: '$5'}}}")" | grep -qx true
}
mayGet() { if can "${@:3}"; then pass; printf 'yes  %-12s %s\n' "$1" "$2"; else fail "$1 may not: $2"; fi; }
mayNotGet() { if can "${@:3}"; then fail "$1 may: $2"; else pass; printf 'no   %-12s %s\n' "$1" "$2"; fi; }
artifacts=artifacts.eai.network
mayGet vendor "read its job's log" rights-vendor $artifacts aijobs/log rights-v job
mayGet vendor "fetch its job's outputs" rights-vendor $artifacts aijobs/outputs rights-v job
mayGet vendor "read its job, which the aggregated API asks too" rights-vendor eai.network aijobs rights-v job
mayGet vendor "look at its job's events" rights-vendor $artifacts aijobs/events rights-v job
mayGet vendor "run a command in its job" rights-vendor $artifacts aijobs/exec rights-v job create
mayGet vendor "reach its job's ports" rights-vendor $artifacts aijobs/portforward rights-v job create
mayNotGet vendor "run a command in another namespace's job" rights-vendor $artifacts aijobs/exec default job create
mayNotGet vendor "take a member's stream" rights-vendor $artifacts sessions/attach $a standing
mayNotGet vendor "read another namespace's log" rights-vendor $artifacts aijobs/log default job
mayNotGet vendor "fetch another namespace's outputs" rights-vendor $artifacts aijobs/outputs default job
mayNotGet vendor "read another namespace's job" rights-vendor eai.network aijobs default job
mayNotGet vendor "read what a member uploaded" rights-vendor $artifacts assignments/log $a rights-g1-a1
mayNotGet vendor "read Assignments" rights-vendor eai.network assignments $a rights-g1-a1
mayNotGet poor "read a log without the right to" rights-poor $artifacts aijobs/log rights-v job
mayNotGet agent "read a job's log" system:serviceaccount:$a:agent $artifacts aijobs/log rights-v job
mayGet vendor "ask for a quote" rights-vendor $artifacts quotes rights-v "" create
mayNotGet vendor "ask for a quote elsewhere" rights-vendor $artifacts quotes default "" create
mayNotGet poor "ask for a quote without the right to" rights-poor $artifacts quotes rights-v "" create
mayNotGet agent "ask for a quote" system:serviceaccount:$a:agent $artifacts quotes rights-v "" create
mayGet anyone "read eai-hub-info" bob "" configmaps "$system" eai-hub-info
mayNotGet anyone "read other ConfigMaps of the hub" bob "" configmaps "$system" other
mayNotGet anyone "read the hub's key" bob "" secrets "$system" eai-hub-key
mayNotGet hub "read its own namespace's Secrets" "system:serviceaccount:$system:eai-operator" "" secrets "$system" eai-hub-key

echo; echo "members are accepted by those who may"
must create clusterrolebinding rights-approver --clusterrole=eai-approver --user=rights-approver
must label clusterrolebinding rights-approver eai-rights-test=true
must create -f "$(file <<<"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: rights-editor, labels: {eai-rights-test: 'true'}}, rules: [{apiGroups: [eai.network], resources: [computenodes], verbs: [get, create, update, patch]}]}")"
must create clusterrolebinding rights-editor --clusterrole=rights-editor --user=rights-editor
must label clusterrolebinding rights-editor eai-rights-test=true
accept='{"spec":{"accepted":true}}' key='{"spec":{"sealingKey":"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="}}'
may approver "accept a member" --as=rights-approver patch computenode rights-a $dry --type=merge -p "$accept"
mayNot editor "accept a member" "only who may .approve. computenodes" --as=rights-editor patch computenode rights-a $dry --type=merge -p "$accept"
mayNot editor "create an accepted one" "only who may .approve. computenodes" --as=rights-editor create $dry -f "$(node rights-d 'accepted: true')"
may editor "cordon a member" --as=rights-editor patch computenode rights-a $dry --type=merge -p '{"spec":{"cordon":true}}'
may editor "change the key of one not accepted" --as=rights-editor patch computenode rights-a $dry --type=merge -p "$key"
must patch computenode rights-c --type=merge -p "$accept"
mayNot editor "change an accepted member's key" "spec.sealingKey" --as=rights-editor patch computenode rights-c $dry --type=merge -p "$key"
mayNot editor "take acceptance back" "only who may .approve. computenodes" --as=rights-editor patch computenode rights-c $dry --type=merge -p '{"spec":{"accepted":false}}'
mayNot bob "make a namespace cn-..." "names that begin with cn- are for members' namespaces" --as=bob $masters create namespace cn-rights-x $dry
mayNot bob "mark a namespace as a member's" "the hub alone sets it" --as=bob $masters label namespace rights-v eai.network/member=rights-v $dry
