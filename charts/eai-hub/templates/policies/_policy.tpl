{{/* The binding that puts a policy in force everywhere: what it speaks of is in the policy's own match. */}}
{{- define "eai-hub.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "eai-hub.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}

{{/* What a request is about, as GROUP/RESOURCE or GROUP/RESOURCE/SUBRESOURCE; the core group is empty. */}}
{{- define "eai-hub.requestVariables" -}}
- name: what
  expression: >-
    request.resource.group + '/' + request.resource.resource
    + (has(request.subResource) && request.subResource != '' ? '/' + request.subResource : '')
- name: ns
  expression: "has(request.namespace) ? request.namespace : ''"
# A create may leave the name to the server; the object has it by now, except for a TokenRequest's.
- name: name
  expression: >-
    has(request.name) && request.name != '' ? request.name
    : (object != null && has(object.metadata.name) ? object.metadata.name : '')
{{- end }}
