{{- /* What the schema cannot see, since it is about two values at once. */ -}}
{{- define "operator.check" -}}
{{- $several := gt (int .Values.replicaCount) 1 }}
{{- if and $several (not .Values.leaderElection.enabled) }}
{{- fail "replicaCount: without leaderElection.enabled there must be only one, or each connector is read several times" }}
{{- end }}
{{- if and .Values.watchLabelSelector .Values.leaderElection.enabled (not .Values.leaderElection.leaseName) }}
{{- fail "leaderElection.leaseName: with watchLabelSelector each operator needs a Lease of its own" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics: serviceMonitor and podMonitor would both scrape the same; enable one" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor: it scrapes the Service, so metrics.service.enabled must be true; or use metrics.podMonitor" }}
{{- end }}
{{- end }}
