{{- define "aggregator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: names made of it get endings, and pods of a StatefulSet an ordinal and a hash. A release's name
     may have dots, a Service's none. */}}
{{- define "aggregator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Not empty where the queue is on NATS JetStream: pods hold nothing then that others need. */}}
{{- define "aggregator.shared" -}}
{{- if eq (default "bbolt" (.Values.config.buffer).type) "jetstream" }}shared{{ end -}}
{{- end -}}

{{- define "aggregator.kind" -}}
{{- if include "aggregator.shared" . }}Deployment{{ else }}StatefulSet{{ end -}}
{{- end -}}

{{- define "aggregator.instance" -}}
app.kubernetes.io/name: {{ include "aggregator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the pods that agents send to; those of a drain Job are another component. */}}
{{- define "aggregator.selector" -}}
{{ include "aggregator.instance" . }}
app.kubernetes.io/component: aggregator
{{- end -}}

{{- define "aggregator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "aggregator.instance" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aggregator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "aggregator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "aggregator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "aggregator.tlsSecret" -}}
{{- if and .Values.tls.existingSecret .Values.tls.certManager.enabled -}}
{{- fail "tls.existingSecret and tls.certManager.enabled are both set: choose one" -}}
{{- else if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "aggregator.fullname" . }}-tls
{{- else -}}
{{- fail "tls.enabled needs a certificate: set tls.existingSecret, or tls.certManager.enabled" -}}
{{- end -}}
{{- end -}}

{{/* A Kubernetes quantity, by the name of its value, in bytes. */}}
{{- define "aggregator.bytes" -}}
{{- $q := .quantity -}}
{{- if kindIs "float64" $q -}}{{- $q = int64 $q -}}{{- end -}}
{{- $q = toString $q -}}
{{- $unit := regexFind "[A-Za-z]*$" $q -}}
{{- $factors := dict "bytes" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "P" 1000000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 -}}
{{- $factor := get $factors (default "bytes" $unit) -}}
{{- if not $factor -}}{{- fail (printf "%s: %s is no size such as 1Gi" .name $q) -}}{{- end -}}
{{- mulf (float64 (trimSuffix $unit $q)) $factor | int64 -}}
{{- end -}}

{{/*
The configuration: what the values say, and what follows from the rest of the chart. Secrets stay references, which the
program resolves in the pod.
*/}}
{{- define "aggregator.config" -}}
{{- $root := . -}}
{{- $config := deepCopy .Values.config -}}
{{- $proxy := .Values.service.proxyProtocol -}}
{{- if and (ne $proxy "off") (not .Values.service.trustedProxies) -}}
{{- fail "service.proxyProtocol needs service.trustedProxies: the load balancer's networks, whose headers are believed" -}}
{{- end -}}
{{- $listeners := list -}}
{{- range $name, $l := .Values.listeners -}}
{{- if $l -}}
{{- $listener := deepCopy (default dict $l.settings) -}}
{{- $_ := set $listener "name" $name -}}
{{- $_ := set $listener "address" (printf ":%d" (int $l.port)) -}}
{{- $proved := false -}}
{{- if and $root.Values.tls.enabled (ne (toString $l.tls) "false") -}}
{{- $tls := dict "cert_file" "/etc/aggregator/tls/tls.crt" "key_file" "/etc/aggregator/tls/tls.key" "min_version" $root.Values.tls.minVersion -}}
{{- if and $root.Values.tls.clientCA.existingSecret (ne (toString $l.clientCA) "false") -}}
{{- $_ := set $tls "client_ca_file" (printf "/etc/aggregator/client-ca/%s" $root.Values.tls.clientCA.key) -}}
{{- $_ := set $tls "client_auth" $root.Values.tls.clientCA.auth -}}
{{- $proved = eq $root.Values.tls.clientCA.auth "require" -}}
{{- end -}}
{{- $_ := set $listener "tls" $tls -}}
{{- end -}}
{{- if and (ne $proxy "off") $l.expose -}}
{{- $_ := set $listener "proxy_protocol" $proxy -}}
{{- $_ := set $listener "trusted_proxies" $root.Values.service.trustedProxies -}}
{{- end -}}
{{- if not (or $root.Values.config.clusters $proved (hasKey $listener "allow_anonymous")) -}}
{{- if and $l.expose (ne $root.Values.service.type "ClusterIP") -}}
{{- fail (printf "anybody could send to listener %s from outside this cluster: list config.clusters with their keys, or set tls.clientCA, or say listeners.%s.settings.allow_anonymous: true" $name $name) -}}
{{- end -}}
{{- $_ := set $listener "allow_anonymous" true -}}
{{- end -}}
{{- $listeners = append $listeners $listener -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "hostname" "${env:POD_NAME}" -}}
{{- $_ := set $config "listeners" $listeners -}}
{{- $buffer := merge (dict "path" "/var/lib/aggregator/queue") (default dict $config.buffer) -}}
{{- $size := include "aggregator.bytes" (dict "name" "persistence.size" "quantity" .Values.persistence.size) | int64 -}}
{{- $eighth := printf "%dB" (div $size 8) -}}
{{- if include "aggregator.shared" . -}}
{{- /* The directory is for what outputs note for themselves; the queue has no disk here. */ -}}
{{- else if not .Values.persistence.enabled -}}
{{- /* The program sees what is free on the node; past persistence.size the pod is evicted, and its queue gone. */ -}}
{{- $buffer = merge $buffer (dict "max_size" (printf "%dB" (div $size 2)) "dead_letters" (dict "max_size" $eighth)) -}}
{{- else if lt $size 4294967296 -}}
{{- /* The default of 1 GiB for each would leave a small volume little or nothing for the queue. */ -}}
{{- $buffer = merge $buffer (dict "min_free_disk" $eighth "dead_letters" (dict "max_size" $eighth)) -}}
{{- end -}}
{{- $_ := set $config "buffer" $buffer -}}
{{- $status := merge (dict "address" (printf ":%d" (int .Values.status.port))) (default dict $config.status) -}}
{{- if .Values.status.tokenSecret.name -}}
{{- $_ := set $status "token" (printf "${file:/etc/aggregator/status/%s}" .Values.status.tokenSecret.key) -}}
{{- end -}}
{{- $_ := set $config "status" $status -}}
{{- /* preStop is the delay. */ -}}
{{- $_ := set $config "shutdown_timeout" (printf "%ds" (int .Values.shutdown.timeoutSeconds)) -}}
{{- $text := toYaml $config -}}
{{- include "aggregator.checkFiles" (dict "root" . "text" $text) -}}
{{- $text -}}
{{- end -}}

{{/* Fails for what would not do what it says: a certificate that no listener uses, a probe that is turned away. */}}
{{- define "aggregator.checkValues" -}}
{{- $t := .Values.tls -}}
{{- if and (or $t.existingSecret $t.certManager.enabled $t.clientCA.existingSecret) (not $t.enabled) -}}
{{- fail "tls has a certificate or a clientCA, and listeners without TLS: set tls.enabled too" -}}
{{- end -}}
{{- $statusTLS := default dict (.Values.config.status).tls -}}
{{- if and $statusTLS.client_ca_file (ne (default "require" $statusTLS.client_auth) "request") -}}
{{- fail "config.status.tls: the probes show no certificate, so set client_auth: request, or leave client_ca_file out" -}}
{{- end -}}
{{- $exposed := false -}}
{{- $ports := dict (toString (int .Values.status.port)) "status.port" -}}
{{- range $name, $l := .Values.listeners -}}
{{- if $l -}}
{{- $port := toString (int $l.port) -}}
{{- if hasKey $ports $port -}}
{{- fail (printf "listeners.%s.port: %s is %s already" $name $port (get $ports $port)) -}}
{{- end -}}
{{- $_ := set $ports $port (printf "listeners.%s.port" $name) -}}
{{- if $l.expose }}{{- $exposed = true -}}{{- end -}}
{{- if and $l.nodePort (not (and $l.expose (ne $.Values.service.type "ClusterIP"))) -}}
{{- fail (printf "listeners.%s.nodePort: nodes have it where expose is true and service.type is NodePort or LoadBalancer" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $exposed -}}
{{- fail "listeners: agents have nowhere to send to, say expose: true for one of them" -}}
{{- end -}}
{{- if and .Values.drain.enabled .Values.drain.ordinals (include "aggregator.shared" .) -}}
{{- fail "drain.ordinals: with a queue on JetStream pods have no volumes; list the claims of earlier ones in drain.claims, and hand them over with drain.to" -}}
{{- end -}}
{{- if and .Values.drain.enabled (not (or .Values.drain.ordinals .Values.drain.claims)) -}}
{{- fail "drain.enabled: which volumes? List drain.ordinals, such as {2,3} after going from 4 replicas to 2, or drain.claims" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- end -}}

{{/* Fails for a file that the configuration names where the chart mounts such files, and that is on no mount. */}}
{{- define "aggregator.checkFiles" -}}
{{- $mounts := list -}}
{{- range .root.Values.extraVolumeMounts }}{{- $mounts = append $mounts .mountPath -}}{{- end -}}
{{- range .root.Values.secrets }}{{- $mounts = append $mounts (print "/etc/aggregator/secrets/" .) -}}{{- end -}}
{{- range $name, $_ := .root.Values.files }}{{- $mounts = append $mounts (print "/etc/aggregator/files/" $name) -}}{{- end -}}
{{- if .root.Values.tls.enabled }}{{- $mounts = append $mounts "/etc/aggregator/tls" -}}{{- end -}}
{{- range regexFindAll "/etc/aggregator/((secrets|files)/[^/\"'} \n]+|tls/)" .text -1 -}}
{{- $path := trimSuffix "/" . -}}
{{- $mounted := false -}}
{{- range $mount := $mounts -}}
{{- /* A mount may also be a file or directory below. */ -}}
{{- if or (hasPrefix (print $mount "/") (print $path "/")) (hasPrefix (print $path "/") $mount) }}{{- $mounted = true -}}{{- end -}}
{{- end -}}
{{- if not $mounted -}}
{{- $kind := index (splitList "/" $path) 3 -}}
{{- if eq $kind "tls" -}}
{{- fail "config names a file in /etc/aggregator/tls, which is there with tls.enabled only" -}}
{{- end -}}
{{- fail (printf "config names %s, and %s doesn't list %s" $path $kind (base $path)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The configuration of a drain Job: as it is, but that the queue is the volume's. */}}
{{- define "aggregator.drainConfig" -}}
{{- $config := include "aggregator.config" . | fromYaml -}}
{{- $keep := dict "path" $config.buffer.path -}}
{{- with $config.buffer.dead_letters }}{{ $_ := set $keep "dead_letters" . }}{{ end -}}
{{- $_ := set $config "buffer" $keep -}}
{{- toYaml $config -}}
{{- end -}}

{{/* What the pods of the StatefulSet or Deployment and of a drain Job have in common: environment and files. */}}
{{- define "aggregator.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- $own := list }}
{{- range .Values.env }}{{- $own = append $own .name }}{{- end }}
{{- with (.Values.resources.limits).memory }}
{{- if and $.Values.goMemLimitPercent (not (has "GOMEMLIMIT" $own)) }}
- name: GOMEMLIMIT
  value: {{ div (mul (include "aggregator.bytes" (dict "name" "resources.limits.memory" "quantity" .)) $.Values.goMemLimitPercent) 100 | quote }}
{{- end }}
{{- end }}
{{- if and (.Values.resources.limits).cpu (not (has "GOMAXPROCS" $own)) }}
- name: GOMAXPROCS
  valueFrom: {resourceFieldRef: {containerName: aggregator, resource: limits.cpu, divisor: "1"}}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aggregator.mounts" -}}
- name: data
  mountPath: /var/lib/aggregator
- name: config
  mountPath: /etc/aggregator/config
  readOnly: true
{{- if .Values.files }}
- name: files
  mountPath: /etc/aggregator/files
  readOnly: true
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  mountPath: /etc/aggregator/tls
  readOnly: true
{{- if .Values.tls.clientCA.existingSecret }}
- name: client-ca
  mountPath: /etc/aggregator/client-ca
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.status.tokenSecret.name }}
- name: status-token
  mountPath: /etc/aggregator/status
  readOnly: true
{{- end }}
{{- range $i, $name := .Values.secrets }}
- name: secret-{{ $i }}
  mountPath: /etc/aggregator/secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Without the volume for data. Files are the group's to read, and nobody else's. */}}
{{- define "aggregator.volumes" -}}
- name: config
  configMap: {name: {{ include "aggregator.fullname" . }}}
{{- if .Values.files }}
- name: files
  configMap: {name: {{ include "aggregator.fullname" . }}-files}
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ include "aggregator.tlsSecret" . | quote }}, defaultMode: 0440}
{{- if .Values.tls.clientCA.existingSecret }}
- name: client-ca
  secret: {secretName: {{ .Values.tls.clientCA.existingSecret | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- if .Values.status.tokenSecret.name }}
- name: status-token
  secret: {secretName: {{ .Values.status.tokenSecret.name | quote }}, defaultMode: 0440}
{{- end }}
{{- range $i, $name := .Values.secrets }}
- name: secret-{{ $i }}
  secret: {secretName: {{ $name | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aggregator.podSettings" -}}
serviceAccountName: {{ include "aggregator.serviceAccount" . | quote }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
{{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}
