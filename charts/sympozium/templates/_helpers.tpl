{{/* Arguments are dicts: root is the chart's context, component a word such as `controller`. */}}

{{- define "sympozium.selector" -}}
app.kubernetes.io/name: sympozium
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object; those of pods leave out the versions, since a change of them would restart what is the same. */}}
{{- define "sympozium.labels" -}}
{{ include "sympozium.selector" . }}
app.kubernetes.io/part-of: sympozium
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* One of our images: `name`. */}}
{{- define "sympozium.image" -}}
{{- printf "%s/%s:%s" .root.Values.image.registry .name (include "sympozium.tag" .root) }}
{{- end }}

{{- define "sympozium.tag" -}}
{{- .Values.image.tag | default (printf "v%s" .Chart.AppVersion) }}
{{- end }}

{{/* An image of others: `given` by values, else `bare` (name:tag) of another registry that was chosen, else of its `home`. */}}
{{- define "sympozium.foreignImage" -}}
{{- if .given }}{{ .given }}
{{- else if eq .root.Values.image.registry "ghcr.io/sympozium" }}{{ .home }}/{{ .bare }}
{{- else }}{{ .root.Values.image.registry }}/{{ .bare }}
{{- end }}
{{- end }}

{{- define "sympozium.otlp" -}}
{{- if .Values.telemetry.endpoint }}{{ .Values.telemetry.endpoint }}
{{- else if .Values.telemetry.collector.enabled }}http://sympozium-otel-collector.{{ .Release.Namespace }}.svc:4318
{{- end }}
{{- end }}

{{- define "sympozium.busURL" -}}
{{- if .Values.nats.enabled }}nats://sympozium-nats.{{ .Release.Namespace }}.svc:4222
{{- else }}{{ .Values.nats.external.url }}
{{- end }}
{{- end }}

{{/* Contradictions that the schema cannot see. */}}
{{- define "sympozium.check" -}}
{{- $nats := .Values.nats }}
{{- if and (not $nats.enabled) (not $nats.external.url) }}{{ fail "nats.enabled is false: set nats.external.url, or enable it" }}{{ end }}
{{- if and $nats.enabled $nats.external.url }}{{ fail "nats.external.url is set: set nats.enabled to false too, or leave it away" }}{{ end }}
{{- $api := .Values.apiserver }}
{{- if and $api.ingress.enabled (not $api.ingress.hosts) }}{{ fail "apiserver.ingress.enabled: name at least one host in apiserver.ingress.hosts" }}{{ end }}
{{- if and $api.gateway.enabled (not $api.gateway.parentRefs) }}{{ fail "apiserver.gateway.enabled: name at least one Gateway in apiserver.gateway.parentRefs" }}{{ end }}
{{- if and $api.persistence.enabled (gt (int $api.replicas) 1) }}{{ fail "apiserver.persistence.enabled: its volume is of one pod: set apiserver.replicas to 1" }}{{ end }}
{{- if and $api.oidc.issuer (not $api.oidc.clientID) }}{{ fail "apiserver.oidc.issuer is set: set apiserver.oidc.clientID too" }}{{ end }}
{{- if and (ne $api.service.type "LoadBalancer") (or $api.service.loadBalancerIP $api.service.loadBalancerClass $api.service.loadBalancerSourceRanges) }}{{ fail "apiserver.service.loadBalancer*: these need apiserver.service.type LoadBalancer" }}{{ end }}
{{- if and (eq $api.service.type "ClusterIP") (or $api.service.nodePort $api.service.externalTrafficPolicy) }}{{ fail "apiserver.service: nodePort and externalTrafficPolicy need type NodePort or LoadBalancer" }}{{ end }}
{{- if and $api.oidc.clientID (not $api.oidc.issuer) }}{{ fail "apiserver.oidc.clientID is set: set apiserver.oidc.issuer too" }}{{ end }}
{{- if and (not $api.oidc.issuer) (or (ne $api.oidc.mode "passthrough") $api.oidc.clientSecretRef $api.oidc.caConfigMap) }}{{ fail "apiserver.oidc.mode, clientSecretRef and caConfigMap are of a provider: set apiserver.oidc.issuer and clientID too" }}{{ end }}
{{- range $name, $default := dict "usernameClaim" "sub" "groupsClaim" "groups" "usernamePrefix" "oidc:" "groupsPrefix" "oidc:" }}
{{- if and (eq $api.oidc.mode "passthrough") (ne (index $api.oidc $name) $default) }}{{ fail (printf "apiserver.oidc.%s is of mode impersonate: with passthrough, Kubernetes reads the token" $name) }}{{ end }}
{{- end }}
{{- range $way := list "ingress" "gateway" }}
{{- if and (not $api.enabled) (index $api $way).enabled }}{{ fail (printf "apiserver.%s.enabled: it leads to the API server: set apiserver.enabled to true" $way) }}{{ end }}
{{- end }}
{{- $certificates := .Values.webhook.certificates }}
{{- if and (ne $certificates.source "cert-manager") (or (ne $certificates.duration "2160h") (ne $certificates.renewBefore "720h")) }}{{ fail "webhook.certificates.duration and renewBefore are cert-manager's: set webhook.certificates.source to cert-manager" }}{{ end }}
{{- if and $certificates.issuerRef.name (ne $certificates.source "cert-manager") }}{{ fail "webhook.certificates.issuerRef is cert-manager's: set webhook.certificates.source to cert-manager" }}{{ end }}
{{- if and (eq $certificates.issuerRef.kind "ClusterIssuer") (not $certificates.issuerRef.name) }}{{ fail "webhook.certificates.issuerRef.kind is ClusterIssuer: name it in webhook.certificates.issuerRef.name" }}{{ end }}
{{- if and .Values.telemetry.collector.enabled (not .Values.telemetry.collector.exporters) }}{{ fail "telemetry.collector.exporters: name at least one" }}{{ end }}
{{- $labels := dict "commonLabels" .Values.commonLabels "pods.labels" .Values.pods.labels "telemetry.collector.labels" .Values.telemetry.collector.labels "namespace.labels" .Values.namespace.labels "apiserver.service.labels" $api.service.labels "apiserver.ingress.labels" $api.ingress.labels "apiserver.gateway.labels" $api.gateway.labels }}
{{- range list "controller" "webhook" "apiserver" "egress" "nats" "nodeProbe" }}{{ $_ := set $labels (printf "%s.labels" .) (index $.Values . "labels") }}{{ end }}
{{- range list "serviceMonitor" "prometheusRule" "dashboards" }}{{ $_ := set $labels (printf "telemetry.%s.labels" .) (index $.Values.telemetry . "labels") }}{{ end }}
{{- range .Values.agents.namespaces }}{{ $_ := set $labels (printf "agents.namespaces[%s].labels" .name) (.labels | default dict) }}{{ end }}
{{- range $path, $given := $labels }}
{{- range $label, $_ := $given }}
{{- if regexMatch "^(app\\.kubernetes\\.io/(name|instance|component|part-of|version|managed-by)|helm\\.sh/chart|sympozium\\.ai/component)$" $label }}{{ fail (printf "%s: %s is the chart's own: Services and network policies go by such labels" $path $label) }}{{ end }}
{{- if eq $label "pod-security.kubernetes.io/enforce" }}{{ fail (printf "%s: %s is set by podSecurity beside it" $path $label) }}{{ end }}
{{- end }}
{{- end }}
{{- $envs := dict "pods" .Values.pods "telemetry.collector" .Values.telemetry.collector }}
{{- range list "controller" "webhook" "apiserver" "egress" "nats" "nodeProbe" }}{{ $_ := set $envs . (index $.Values .) }}{{ end }}
{{- range $path, $values := $envs }}
{{- range $values.extraEnv }}
{{- if regexMatch "^(SYMPOZIUM_(NAMESPACE|UNDUMPABLE|IMAGE_REGISTRY|IMAGE_TAG|NODE_NAME|NODE_ADDRESS)|SERVER_NAME)$" .name }}{{ fail (printf "%s.extraEnv: %s is set by the chart, and the later of two would win" $path .name) }}{{ end }}
{{- end }}
{{- end }}
{{- if and .Values.uninstall.purge (not .Values.uninstall.hook) }}{{ fail "uninstall.purge is what the hook does: set uninstall.hook to true" }}{{ end }}
{{- end }}

{{/* Env of every process of ours: the namespace, images of runs, telemetry, and what was added. */}}
{{- define "sympozium.env" -}}
- name: SYMPOZIUM_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
# A skill with hostPID sees these processes, under the same user: their tokens are not for it.
- name: SYMPOZIUM_UNDUMPABLE
  value: "1"
- name: SYMPOZIUM_IMAGE_REGISTRY
  value: {{ .root.Values.image.registry | quote }}
- name: SYMPOZIUM_IMAGE_TAG
  value: {{ include "sympozium.tag" .root | quote }}
{{- with include "sympozium.otlp" .root }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ $.root.Values.telemetry.protocol | quote }}
{{- end }}
{{- with concat .root.Values.pods.extraEnv .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What Pod Security `restricted` asks of a pod and of a container. */}}
{{- define "sympozium.podSecurityContext" -}}
{{- /* Programs of others are another user than the containers of runs, and ours are undumpable: none is looked into. */}}
{{- $user := ternary 65533 65532 (has .component (list "nats" "otel-collector")) }}
runAsNonRoot: true
runAsUser: {{ $user }}
runAsGroup: {{ $user }}
fsGroup: {{ $user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "sympozium.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* metadata of a pod: `checksum` restarts it with what it reads only when it starts. */}}
{{- define "sympozium.podMetadata" -}}
labels:
  {{- include "sympozium.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: sympozium
  sympozium.ai/component: {{ .component }}
  {{- with mergeOverwrite (dict) .root.Values.commonLabels .root.Values.pods.labels .values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := mergeOverwrite (dict) .root.Values.pods.annotations .values.annotations }}
{{- with .checksum }}{{ $_ := set $annotations "checksum/catalog" . }}{{ end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a pod may run, and as what. */}}
{{- define "sympozium.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName | default .root.Values.pods.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with mergeOverwrite (dict) .root.Values.pods.nodeSelector .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat .root.Values.pods.tolerations .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity | default .root.Values.pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "sympozium.podSecurityContext" . | nindent 2 }}
{{- end }}

{{/* Replicas are kept apart where that can be, by node and by zone. */}}
{{- define "sympozium.spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sympozium.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{/* Health of a process of ours. It has five minutes to start: the bus and its keys may have to come first. */}}
{{- define "sympozium.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* A whole Deployment of a process of ours. args: of `sympozium`; ports, mounts, volumes, env: YAML or empty. */}}
{{- define "sympozium.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sympozium-{{ .component }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "sympozium.labels" . | nindent 4 }}
spec:
  replicas: {{ .values.replicas }}
  revisionHistoryLimit: 3
  strategy:
    {{- if .oneVolume }}
    # Its volume is of one pod at a time.
    type: Recreate
    {{- else }}
    type: RollingUpdate
    # None goes before the next is ready.
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
    {{- end }}
  selector:
    matchLabels:
      {{- include "sympozium.selector" . | nindent 6 }}
  template:
    metadata:
      {{- include "sympozium.podMetadata" . | nindent 6 }}
    spec:
      serviceAccountName: sympozium-{{ .component }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      terminationGracePeriodSeconds: 45
      {{- include "sympozium.placement" . | nindent 6 }}
      {{- include "sympozium.spread" . | nindent 6 }}
      containers:
        - name: {{ .component }}
          image: {{ include "sympozium.image" (dict "root" .root "name" "control-plane") | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- toYaml (concat (list "serve" .component) .args (list "--health-host" "0.0.0.0" "--health-port" "8081")) | nindent 12 }}
          env:
            {{- include "sympozium.env" . | nindent 12 }}
          ports:
            - {name: health, containerPort: 8081}
            {{- with .ports }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- include "sympozium.probes" . | nindent 10 }}
          {{- if .ports }}
          lifecycle:
            # Those who send requests hear of the end before it comes.
            preStop: {sleep: {seconds: 5}}
          {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "sympozium.securityContext" . | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- with .mounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        {{- with .volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* Only where one can go while another serves. */}}
{{- define "sympozium.budget" -}}
{{- if and .values.podDisruptionBudget.enabled (gt (int .values.replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name | default (printf "sympozium-%s" .component) }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "sympozium.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "sympozium.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* What is tested with this version. */}}
{{- define "sympozium.natsImage" -}}nats:2.15.1-alpine{{- end }}
{{- define "sympozium.collectorImage" -}}opentelemetry-collector-contrib:0.138.0{{- end }}

{{/* Annotations of what is there before the release is deleted; the argument is its weight. */}}
{{- define "sympozium.hook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Secrets that the controllers, the webhook and cert-manager make for the installation. */}}
{{- define "sympozium.keys" -}}
[sympozium-bus-operator, sympozium-bus-controller, sympozium-bus-reader, sympozium-nats-config, sympozium-egress-key, sympozium-server, sympozium-webhook-tls, sympozium-webhook-ca, sympozium-webhook-cert]
{{- end }}

{{- define "sympozium.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* A quantity as a number, so that 1024Mi is 1Gi. */}}
{{- define "sympozium.bytes" -}}
{{- $unit := get (dict "m" 0.001 "k" 1000 "Ki" 1024 "M" 1000000 "Mi" 1048576 "G" 1000000000 "Gi" 1073741824 "T" 1000000000000 "Ti" 1099511627776) (regexFind "[A-Za-z]+$" .) | default 1 }}
{{- mulf (regexFind "^[0-9.]+" . | float64) $unit }}
{{- end }}
