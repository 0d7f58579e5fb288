{{- /* `off` is false in YAML 1.1, which Helm reads. */ -}}
{{- define "operator.secretWatch" -}}
{{- ternary "off" "all" (has .Values.secretWatch (list "off" false)) }}
{{- end }}

{{- /* Can each replica write the same snapshots, whatever node it is on? */ -}}
{{- define "operator.snapshotsAreShared" -}}
{{- $pvc := .Values.snapshots.persistentVolumeClaim }}
{{- if include "operator.bucket" . }}true
{{- else if and (eq .Values.snapshots.storage "persistentVolumeClaim") (has "ReadWriteMany" $pvc.accessModes) }}true{{ end }}
{{- end }}

{{- /* The address of the bucket; nothing where snapshots are in a folder. */ -}}
{{- define "operator.bucket" -}}
{{- $scheme := get (dict "s3" "s3" "gcs" "gs" "azure" "az") .Values.snapshots.storage }}
{{- with .Values.snapshots.bucket }}
{{- if $scheme }}{{ $scheme }}://{{ .name }}{{ with .prefix }}/{{ . }}{{ end }}{{ end }}
{{- end }}
{{- end }}

{{- /* What a cloud's own tools take for where its buckets are, and who asks there. */ -}}
{{- define "operator.bucketEnvironment" -}}
{{- $secret := .Values.snapshots.bucket.existingSecret }}
{{- $plain := hasPrefix "http://" .Values.snapshots.bucket.endpoint }}
{{- $storage := .Values.snapshots.storage }}
{{- $names := get (dict
  "s3" (dict "region" "AWS_REGION" "endpoint" "AWS_ENDPOINT_URL" "plain" "AWS_ALLOW_HTTP")
  "gcs" dict
  "azure" (dict "account" "AZURE_STORAGE_ACCOUNT_NAME" "endpoint" "AZURE_ENDPOINT" "plain" "AZURE_ALLOW_HTTP")) $storage }}
{{- $keys := get (dict
  "s3" (dict "access-key-id" "AWS_ACCESS_KEY_ID" "secret-access-key" "AWS_SECRET_ACCESS_KEY")
  "gcs" (dict "service-account.json" "GOOGLE_SERVICE_ACCOUNT_KEY")
  "azure" (dict "account-key" "AZURE_STORAGE_ACCOUNT_KEY")) $storage }}
{{- range $value, $name := omit $names "plain" }}
{{- with index $.Values.snapshots.bucket $value }}
- name: {{ $name }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if $plain }}
- name: {{ $names.plain }}
  value: "true"
{{- end }}
{{- if $secret }}
{{- range $key, $name := $keys }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "operator.strategy" -}}
{{- if .Values.strategy }}
{{- toYaml .Values.strategy }}
{{- else if and (eq .Values.snapshots.storage "persistentVolumeClaim") (not (include "operator.snapshotsAreShared" .)) }}
# A new pod on another node would wait for the volume that the old one holds.
type: Recreate
{{- else if not .Values.leaderElection.enabled }}
# Nobody else may run beside it.
type: Recreate
{{- else }}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: 0
  maxSurge: 1
{{- end }}
{{- end }}

{{- /* What these values mean as arguments. */ -}}
{{- define "operator.arguments" -}}
- run
- --log-level={{ .Values.log.level }}
- --log-format={{ .Values.log.format }}
- --listen=0.0.0.0:{{ .Values.metrics.port }}
{{- if include "operator.bucket" . }}
- --snapshot-bucket={{ include "operator.bucket" . }}
{{- else }}
- --snapshot-dir=/var/lib/connector-operator/snapshots
{{- end }}
- --snapshot-keep={{ int .Values.snapshots.keep }}
- --snapshot-retention={{ .Values.snapshots.retention }}
- --scratch-dir=/scratch
{{- range .Values.watchNamespaces }}
- --watch-namespace={{ . }}
{{- end }}
{{- with .Values.watchLabelSelector }}
- {{ printf "--watch-label-selector=%s" . | quote }}
{{- end }}
- --secret-watch={{ include "operator.secretWatch" . }}
- --leader-election={{ .Values.leaderElection.enabled }}
{{- if .Values.leaderElection.enabled }}
- --lease-name={{ include "operator.lease" . }}
{{- end }}
- --default-interval={{ .Values.defaultInterval }}
- --min-interval={{ .Values.minInterval }}
- --default-timeout={{ .Values.defaultTimeout }}
- --concurrency={{ int .Values.concurrency }}
{{- if not (kindIs "invalid" .Values.requestsPerMinute) }}
- --requests-per-minute={{ int .Values.requestsPerMinute }}
{{- end }}
- --max-removal-percent={{ int .Values.removalGuard.maxPercent }}
- --max-removal-count={{ int .Values.removalGuard.maxCount }}
{{- range .Values.allowedHosts.upstream }}
- {{ printf "--allow-upstream-host=%s" . | quote }}
{{- end }}
{{- range .Values.allowedHosts.c1 }}
- {{ printf "--allow-c1-host=%s" . | quote }}
{{- end }}
{{- with .Values.c1.apiHost }}
- --c1-api-host={{ . }}
{{- end }}
{{- if .Values.namesInEvents }}
- --names-in-events
{{- end }}
{{- if not .Values.metrics.perConnector }}
- --object-metrics=false
{{- end }}
{{- with .Values.otlp.endpoint }}
- --otlp-endpoint={{ . }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "operator.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if .Values.caBundle.name }}
- name: SSL_CERT_FILE
  value: /etc/connector-operator/ca/{{ .Values.caBundle.key }}
{{- end }}
{{- if include "operator.bucket" . }}
{{- include "operator.bucketEnvironment" . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Does the cluster have the kinds of the Prometheus operator, or is it not to be asked? */ -}}
{{- define "operator.rendersMonitoring" -}}
{{- $known := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}
{{- if or $known (eq .Values.metrics.renderMode "alwaysRender") }}true
{{- else if eq .Values.metrics.renderMode "failIfMissing" }}
{{- fail "the cluster has no monitoring.coreos.com/v1: install the Prometheus operator, or set metrics.renderMode" }}
{{- end }}
{{- end }}
