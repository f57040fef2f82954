{{/* The names are fixed, not the release's: agents, the CLI and the policies know them, and a cluster has one hub. */}}
{{- define "eai-hub.operator" -}}eai-operator{{- end }}
{{- define "eai-hub.cleanup" -}}eai-operator-cleanup{{- end }}

{{- define "eai-hub.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "eai-hub.selector" -}}
app.kubernetes.io/name: eai-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eai-hub.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: eai
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "eai-hub.keySecret" -}}
{{ .Values.hub.key.existingSecret | default "eai-hub-key" }}
{{- end }}

{{/* Users as the API server names them. */}}
{{- define "eai-hub.operatorUser" -}}system:serviceaccount:{{ .Release.Namespace }}:{{ include "eai-hub.operator" . }}{{- end }}
{{- define "eai-hub.cleanupUser" -}}system:serviceaccount:{{ .Release.Namespace }}:{{ include "eai-hub.cleanup" . }}{{- end }}
{{- define "eai-hub.inviteUser" -}}system:serviceaccount:{{ .Release.Namespace }}:invite-{{- end }}

{{/* A list as CEL writes it. */}}
{{- define "eai-hub.celList" -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}'{{ $item }}'{{ end }}]
{{- end }}

{{/* Settings that `eai-operator` and `eai-operator cleanup` share. */}}
{{- define "eai-hub.env" -}}
- name: EAI_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: EAI_RPC_URL
  {{- if .Values.chain.rpcUrlSecret.name }}
  valueFrom: {secretKeyRef: {name: {{ .Values.chain.rpcUrlSecret.name }}, key: {{ .Values.chain.rpcUrlSecret.key }}}}
- name: EAI_PUBLIC_RPC_URL
  value: {{ .Values.chain.publicRpcUrl | quote }}
  {{- else }}
  value: {{ .Values.chain.rpcUrl | quote }}
- name: EAI_PUBLIC_RPC_URL
  value: {{ .Values.chain.publicRpcUrl | default .Values.chain.rpcUrl | quote }}
  {{- end }}
- name: EAI_CHAIN_ID
  value: {{ .Values.chain.id | int64 | quote }}
- name: EAI_ESCROW
  value: {{ .Values.chain.escrow | quote }}
- name: EAI_TOKEN
  value: {{ .Values.chain.token | quote }}
{{- with .Values.chain.hubRegistry }}
- name: EAI_HUB_REGISTRY
  value: {{ . | quote }}
{{- end }}
- name: EAI_FIRST_BLOCK
  value: {{ .Values.chain.firstBlock | int64 | quote }}
{{- with .Values.chain.nodeRegistry }}
- name: EAI_NODE_REGISTRY
  value: {{ . | quote }}
{{- end }}
- name: EAI_HUB_KEY_FILE
  value: /etc/eai/hub-key/key
- name: EAI_HUB_ID
  value: {{ .Values.hub.id | quote }}
- name: EAI_GENERATION
  value: {{ .Values.hub.generation | int64 | quote }}
- name: EAI_LOG_FORMAT
  value: {{ .Values.operator.logFormat }}
- name: RUST_LOG
  value: {{ .Values.operator.logLevel | quote }}
{{- end }}

{{- define "eai-hub.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "eai-hub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The ports given, and the chain's. */}}
{{- define "eai-hub.egressPorts" -}}
{{- $ports := .Values.networkPolicy.egressPorts }}
{{- if .Values.chain.rpcUrl }}
{{- $url := urlParse .Values.chain.rpcUrl }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) }}
{{- $ports = append $ports ($port | default (eq $url.scheme "http" | ternary "80" "443") | int) }}
{{- end }}
{{- $ports | uniq | toYaml }}
{{- end }}
