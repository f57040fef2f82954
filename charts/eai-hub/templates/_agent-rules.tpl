{{/*
What a member's agent may do in its namespace. The hub writes these rules into the Role `agent` of each cn-NAME. Three
places must agree and are made from this one list: the hub itself holds them (Kubernetes lets nobody grant what they
don't have, so it needs neither `escalate` nor `bind`), and a policy refuses any other rule in a Role it writes.
*/}}
{{- define "eai-hub.agentRules" -}}
- apiGroups: [eai.network]
  resources: [assignments]
  verbs: [get, list, watch]
- apiGroups: [eai.network]
  resources: [assignments/status]
  verbs: [get, patch, update]
- apiGroups: [eai.network]
  resources: [memberreports]
  verbs: [get, create, patch, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [agent]
  verbs: [get, patch, update]
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: [agent]
  verbs: [create]
- apiGroups: [artifacts.eai.network]
  resources: [assignments/log, assignments/outputs]
  verbs: [create, update]
- apiGroups: [artifacts.eai.network]
  resources: [assignments/checkpoint]
  verbs: [create, get, update]
- apiGroups: [artifacts.eai.network]
  resources: [sessions/attach]
  verbs: [get]
{{- end }}

{{/* The same as a CEL list of maps. */}}
{{- define "eai-hub.agentRulesCel" -}}
[
{{- range $i, $rule := include "eai-hub.agentRules" . | fromYamlArray }}
{{- if $i }},{{ end }}
  {'groups': {{ include "eai-hub.celList" $rule.apiGroups }}, 'resources': {{ include "eai-hub.celList" $rule.resources }}, 'verbs': {{ include "eai-hub.celList" $rule.verbs }}
  {{- with $rule.resourceNames }}, 'names': {{ include "eai-hub.celList" . }}{{ end }}}
{{- end }}
]
{{- end }}
