{{/*
The serving certificate as {crt, key, ca, renewAt}: the one in the cluster while it is in the first two thirds of its
life, else a new one. It is kept in .Values for the rest of this rendering, as every call of genCA gives another.
*/}}
{{- define "eai-hub.tls" -}}
{{- if .Values.tls.certManager.enabled -}}
{}
{{- else -}}
{{- if not (hasKey .Values "tlsMade") -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace "eai-hub-tls" | default dict -}}
{{- $data := $found.data | default dict -}}
{{- $renewAt := dig "metadata" "annotations" "eai.network/renew-at" "0" $found | int64 -}}
{{- $made := dict -}}
{{- if and (gt $renewAt $now) (index $data "tls.crt") (index $data "tls.key") (index $data "ca.crt") -}}
{{- $made = dict "crt" (index $data "tls.crt") "key" (index $data "tls.key") "ca" (index $data "ca.crt") "renewAt" ($renewAt | toString) -}}
{{- else -}}
{{- $days := .Values.tls.generated.days | int -}}
{{- $host := printf "eai-hub.%s.svc" .Release.Namespace -}}
{{- $ca := genCA "eai-hub-artifacts-ca" $days -}}
{{- $cert := genSignedCert $host nil (list $host (printf "%s.cluster.local" $host)) $days $ca -}}
{{- $life := mul $days 86400 -}}
{{- $renewAt = add $now (div (mul $life 2) 3) -}}
{{- $made = dict "crt" ($cert.Cert | b64enc) "key" ($cert.Key | b64enc) "ca" ($ca.Cert | b64enc) "renewAt" ($renewAt | toString) -}}
{{- end -}}
{{- $_ := set .Values "tlsMade" $made -}}
{{- end -}}
{{ toYaml .Values.tlsMade }}
{{- end -}}
{{- end }}
