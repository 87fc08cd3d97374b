#!/bin/sh
# A real etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback, for docs/real-cluster.md:
#   sh scripts/real_cluster.sh start BIN DIR [PORT]     BIN has the four programs; keys, data and logs go to DIR
#   sh scripts/real_cluster.sh stop DIR
# `start` returns when /readyz says ok and prints the administrator's kubeconfig. Data in DIR is kept between starts.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)

stop() {
  for name in scheduler controller-manager apiserver etcd; do
    if [ -e "$1/run/$name" ]; then
      pid=$(cat "$1/run/$name")
      kill "$pid" 2>/dev/null || true
      while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
      rm "$1/run/$name"
    fi
  done
}

# name subject [subjectAltName]: a pair of the cluster's CA, for servers and clients.
pair() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n' >"$1.ext"
  [ -z "${3:-}" ] || printf 'subjectAltName=%s\n' "$3" >>"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

kubeconfig() {
  cat >"$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: real, cluster: {server: "https://127.0.0.1:$2", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: c, context: {cluster: real, user: u}}]
current-context: c
END
}

keys() {
  mkdir -p pki && cd pki
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -keyout ca.key -out ca.crt -subj /CN=real \
    -addext keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign 2>/dev/null
  openssl genrsa -out sa.key 2048 2>/dev/null
  openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  pair apiserver /CN=kube-apiserver DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1
  pair admin /O=system:masters/CN=admin
  pair kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  pair front-proxy /CN=front-proxy
  pair controller-manager /CN=system:kube-controller-manager
  pair scheduler /CN=system:kube-scheduler
  for name in admin controller-manager scheduler; do kubeconfig "$name" "$1"; done
  cd ..
}

run() {
  name=$1
  shift
  setsid nohup "$@" >>"log/$name" 2>&1 &
  echo $! >"run/$name"
}

start() {
  bin=$(cd "$1" && pwd) port=${3:-16443}
  mkdir -p "$2/run" "$2/log" && cd "$2"
  [ -e pki/admin.kubeconfig ] || keys "$port"
  (cd "$here/tests" && ../.venv/bin/python -m cluster.external) >pki/users.csv
  # The data is thrown away, so nothing waits for the disk.
  run etcd "$bin/etcd" --data-dir etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:$((port + 1)) \
    --advertise-client-urls http://127.0.0.1:$((port + 1)) --listen-peer-urls http://127.0.0.1:$((port + 2)) \
    --initial-advertise-peer-urls http://127.0.0.1:$((port + 2)) --initial-cluster default=http://127.0.0.1:$((port + 2))
  run apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:$((port + 1)) --bind-address 127.0.0.1 --secure-port "$port" \
    --advertise-address 127.0.0.1 --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16 \
    --tls-cert-file pki/apiserver.crt --tls-private-key-file pki/apiserver.key --client-ca-file pki/ca.crt \
    --token-auth-file pki/users.csv --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --service-account-key-file pki/sa.pub --service-account-signing-key-file pki/sa.key \
    --service-account-issuer https://kubernetes.default.svc --allow-privileged \
    --kubelet-client-certificate pki/kubelet-client.crt --kubelet-client-key pki/kubelet-client.key \
    --kubelet-certificate-authority pki/ca.crt --requestheader-client-ca-file pki/ca.crt \
    --requestheader-allowed-names front-proxy --requestheader-username-headers X-Remote-User \
    --requestheader-group-headers X-Remote-Group --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file pki/front-proxy.crt --proxy-client-key-file pki/front-proxy.key
  tries=0
  until [ "$(curl -s --cacert pki/ca.crt "https://127.0.0.1:$port/readyz")" = ok ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "not ready: $PWD/log" >&2; exit 1; }
    sleep 0.5
  done
  # Nodes that a test only plays do not report themselves again: they stay ready.
  run controller-manager "$bin/kube-controller-manager" --kubeconfig pki/controller-manager.kubeconfig \
    --authentication-kubeconfig pki/controller-manager.kubeconfig --authorization-kubeconfig pki/controller-manager.kubeconfig \
    --bind-address 127.0.0.1 --secure-port $((port + 3)) --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file pki/sa.key --root-ca-file pki/ca.crt --cluster-signing-cert-file pki/ca.crt \
    --cluster-signing-key-file pki/ca.key --node-monitor-grace-period 24h
  run scheduler "$bin/kube-scheduler" --kubeconfig pki/scheduler.kubeconfig --leader-elect=false \
    --authentication-kubeconfig pki/scheduler.kubeconfig --authorization-kubeconfig pki/scheduler.kubeconfig \
    --bind-address 127.0.0.1 --secure-port $((port + 4))
  echo "$PWD/pki/admin.kubeconfig"
}

case "${1:-}" in
  start) start "$2" "$3" "${4:-}" ;;
  stop) stop "$2" ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
