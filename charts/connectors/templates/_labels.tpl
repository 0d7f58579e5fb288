{{- define "connectors.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* name, namespace, labels and annotations of one of the objects. Takes root, name and object. */ -}}
{{- define "connectors.metadata" -}}
name: {{ .name }}
namespace: {{ .object.namespace | default .root.Release.Namespace }}
labels:
  {{- include "connectors.labels" .root | nindent 2 }}
  {{- with merge (dict) (.object.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .object.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
