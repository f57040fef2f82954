{{/* To place jobs, to run them through Assignments, and to write how they went. */}}
{{- define "eai-hub.rules.jobs" -}}
- apiGroups: [eai.network]
  resources: [aijobs]
  verbs: [get, list, watch, update, patch]
- apiGroups: [eai.network]
  resources: [aijobs/status]
  verbs: [get, update, patch]
- apiGroups: [eai.network]
  resources: [aijobs/finalizers]
  verbs: [update]
- apiGroups: [eai.network]
  resources: [assignments]
  verbs: [get, list, watch, create, update, patch, delete]
{{- end }}

{{/* To give each accepted member its namespace and its agent's account, to hear its heartbeat, and to remove both. */}}
{{- define "eai-hub.rules.members" -}}
- apiGroups: [eai.network]
  resources: [computenodes]
  verbs: [get, list, watch, update, patch]
- apiGroups: [eai.network]
  resources: [computenodes/status]
  verbs: [get, update, patch]
- apiGroups: [eai.network]
  resources: [computenodes/finalizers]
  verbs: [update]
- apiGroups: [eai.network]
  resources: [memberreports]
  verbs: [get, list, watch]
# To offer agents' releases, wave by wave.
- apiGroups: [eai.network]
  resources: [memberreports/status]
  verbs: [get, patch]
- apiGroups: [eai.network]
  resources: [agentreleases]
  verbs: [get, list, watch]
- apiGroups: [eai.network]
  resources: [agentreleases/status]
  verbs: [get, update, patch]
# Also vendors' namespaces, for their UIDs: a payer's authorisation names one.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [create]
- apiGroups: [""]
  resources: [resourcequotas]
  resourceNames: [eai]
  verbs: [get, update, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [create]
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [agent]
  verbs: [get, update, patch, delete]
# Of Secrets only the empty one that agents' tokens are bound to. A job's Secret is read by a right that its vendor
# gives for that one.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [agent-token]
  verbs: [get, update, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [create]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  resourceNames: [agent]
  verbs: [get, update, patch, delete]
# Heartbeats, of all members at once.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [list, watch, create]
# A used invite is deleted: its account and binding are owned by its ClusterRole and go with it.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  verbs: [get, list, watch, delete]
{{- end }}

{{/* To run the agents of members in push mode, after a look at the kubeconfig they are given. */}}
{{- define "eai-hub.rules.push" -}}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create]
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [eai-agent]
  verbs: [get, update, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [member-kubeconfig]
  verbs: [get]
{{- end }}

{{/* To tell what happens, and to ask whether a caller may read a job's logs and outputs. */}}
{{- define "eai-hub.rules.process" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
