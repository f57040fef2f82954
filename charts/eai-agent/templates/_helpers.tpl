{{- define "eai-agent.name" -}}eai-agent{{- end }}
{{- define "eai-agent.cleanup" -}}eai-agent-cleanup{{- end }}

{{- define "eai-agent.image" -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- end }}

{{- define "eai-agent.selector" -}}
app.kubernetes.io/name: eai-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eai-agent.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: eai
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "eai-agent.ownerKeySecret" -}}
{{ .Values.ownerKey.existingSecret | default "eai-agent-owner-key" }}
{{- end }}

{{/* The Secret that holds the invite's token; empty if there is none. */}}
{{- define "eai-agent.inviteSecret" -}}
{{- if .Values.hub.existingInviteSecret -}}
{{ .Values.hub.existingInviteSecret }}
{{- else if .Values.hub.inviteToken -}}
eai-agent-invite
{{- end -}}
{{- end }}

{{/* A list as CEL writes it. */}}
{{- define "eai-agent.celList" -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}'{{ $item }}'{{ end }}]
{{- end }}

{{/* A quantity, written as text or as a number; a large number must not come out in scientific notation. */}}
{{- define "eai-agent.quantity" -}}
{{- if kindIs "string" . }}{{ quote . }}{{ else }}{{ int64 . | toString | quote }}{{ end }}
{{- end }}

{{/*
The agent's configuration: unknown fields are errors there, so each is named here. In push mode this is what the owner
says; `kubectl eai join` adds what the hub knows.
*/}}
{{- define "eai-agent.config" -}}
member: {{ .Values.member.name }}
mode: {{ .Values.mode }}
{{- if eq .Values.mode "Pull" }}
hub:
  url: {{ .Values.hub.url | quote }}
  {{- if .Values.hub.ca }}
  caFile: /etc/eai/hub-ca/ca.crt
  {{- end }}
  {{- if include "eai-agent.inviteSecret" . }}
  inviteTokenFile: /etc/eai/invite/token
  {{- end }}
ownerKeyFile: /etc/eai/owner-key/key
chain:
  id: {{ .Values.chain.id | int64 }}
  escrow: {{ .Values.chain.escrow | quote }}
{{- end }}
agentNamespace: {{ .Release.Namespace }}
form: {{ .Values.member.form }}
site: {{ .Values.member.site }}
region: {{ .Values.member.region | quote }}
prices:
  {{- range .Values.prices }}
  - {class: {{ .class | quote }}, rate: {{ .rate | quote }}}
  {{- else }} []
  {{- end }}
startWithinSeconds: {{ .Values.startWithinSeconds | int64 }}
offerValidSeconds: {{ .Values.offerValidSeconds | int64 }}
offerNonce: {{ .Values.offerNonce | int64 }}
workNamespace: {{ .Values.work.namespace }}
limits:
  registries: {{ .Values.limits.registries | toJson }}
  maxCpu: {{ include "eai-agent.quantity" .Values.limits.maxCpu }}
  maxMemory: {{ include "eai-agent.quantity" .Values.limits.maxMemory }}
  maxDurationSeconds: {{ .Values.limits.maxDurationSeconds | int64 }}
  maxPods: {{ .Values.limits.maxPods | int64 }}
  maxOutput: {{ include "eai-agent.quantity" .Values.limits.maxOutput }}
  accelerators:
    {{- range $resource, $count := .Values.limits.accelerators }}
    {{ $resource | quote }}: {{ $count | int64 }}
    {{- else }} {}
    {{- end }}
  allowInternet: {{ .Values.limits.allowInternet }}
  allowContinue: {{ .Values.limits.allowContinue }}
  allowExec: {{ .Values.limits.allowExec }}
{{- with (.Values.drain).by }}
drainBy: {{ . | quote }}
{{- end }}
runtimeClass: {{ .Values.runtimeClass | quote }}
internetRuntimeClass: {{ .Values.internetRuntimeClass | quote }}
outputsImage: {{ include "eai-agent.image" . }}
nodeSelector: {{ .Values.work.nodeSelector | toJson }}
tolerations: {{ .Values.work.tolerations | toJson }}
interconnectLabel: {{ .Values.work.interconnectLabel | quote }}
priorityClass: {{ .Values.work.priorityClass | quote }}
dnsServers: {{ .Values.work.dnsServers | toJson }}
scratchDir: /tmp
listen: 0.0.0.0:8080
{{- if .Values.update.enabled }}
update:
  releaseKey: {{ .Values.update.releaseKey | quote }}
  registries: {{ .Values.update.registries | toJson }}
  deployment: {{ include "eai-agent.name" . }}
{{- end }}
{{- end }}

{{/* The ports given, and the hub's. */}}
{{- define "eai-agent.egressPorts" -}}
{{- $ports := .Values.networkPolicy.egressPorts }}
{{- if .Values.hub.url }}
{{- $url := urlParse .Values.hub.url }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) }}
{{- $ports = append $ports ($port | default "443" | int) }}
{{- end }}
{{- $ports | uniq | toYaml }}
{{- end }}

{{- define "eai-agent.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "eai-agent.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
