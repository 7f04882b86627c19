#!/bin/sh
# setup.sh SERVER: run this on the central server as root, with the name by which the nodes reach the server. It makes a
# certificate authority, certificates, the configuration of rsyslog, and pcwatch-node.sh in the current folder. On a node,
# as root:
#
#	sh pcwatch-node.sh
#
# pcwatch-node.sh contains the private key of all nodes: protect it as you would a password, and copy it by ssh. An
# existing authority is used again. With ROOT=FOLDER, files are written there instead of to /, and no service is restarted.
set -eu
[ $# = 1 ] || { echo "usage: setup.sh SERVER" >&2; exit 2; }
case $1 in *[!A-Za-z0-9.-]* | '') echo "setup.sh: not the name of a machine: $1" >&2; exit 2 ;; esac
here=$(cd "$(dirname "$0")" && pwd)
ROOT=${ROOT:-}
keys=$ROOT/etc/pcwatch-fleet
umask 077
mkdir -p "$keys" "$ROOT/etc/rsyslog.d" "$ROOT/var/log/pcwatch-fleet"

certificate() { # certificate FILE NAME
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -addext "subjectAltName=DNS:$2" \
		-keyout "$keys/$1.key" -out "$keys/$1.csr" 2>/dev/null
	openssl x509 -req -in "$keys/$1.csr" -CA "$keys/ca.crt" -CAkey "$keys/ca.key" -CAcreateserial -days 3650 \
		-copy_extensions copy -out "$keys/$1.crt" 2>/dev/null
	rm "$keys/$1.csr"
}
[ -e "$keys/ca.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
	-subj "/CN=authority of pcwatch's fleet" -keyout "$keys/ca.key" -out "$keys/ca.crt" 2>/dev/null
certificate server "$1"
[ -e "$keys/node.crt" ] || certificate node pcwatch-node
cp "$here/rsyslog/server.conf" "$ROOT/etc/rsyslog.d/pcwatch-server.conf"

{
	# shellcheck disable=SC2016
	echo '#!/bin/sh
# Sends the lines of pcwatch to the central server. It needs the packages proc-connector-tools, rsyslog-relp and logrotate.
set -eu
umask 077
ROOT=${ROOT:-}
mkdir -p "$ROOT/etc/pcwatch-fleet" "$ROOT/etc/rsyslog.d" "$ROOT/etc/default" "$ROOT/etc/logrotate.d"'
	for file in ca.crt node.crt node.key; do
		# shellcheck disable=SC2016
		printf 'cat >"$ROOT/etc/pcwatch-fleet/%s" <<"END"\n' $file
		cat "$keys/$file"
		echo END
	done
	# shellcheck disable=SC2016
	echo 'cat >"$ROOT/etc/rsyslog.d/pcwatch-node.conf" <<"END"'
	sed "s/server\.example\.org/$1/g" "$here/rsyslog/node.conf"
	# shellcheck disable=SC2016
	echo 'END
cat >"$ROOT/etc/default/pcwatch" <<"END"
PCWATCH_OPTIONS="--output /var/log/pcwatch/events.json --append --events exec,exit --no-threads --show user,parent,tty,session,nspid,container,cgroup"
END
cat >"$ROOT/etc/logrotate.d/pcwatch" <<"END"
/var/log/pcwatch/events.json {
	daily
	maxsize 1G
	rotate 2
	missingok
	postrotate
		systemctl kill -s HUP pcwatch
	endscript
}
END
chmod 644 "$ROOT/etc/default/pcwatch" "$ROOT/etc/logrotate.d/pcwatch" "$ROOT/etc/rsyslog.d/pcwatch-node.conf"
[ -n "$ROOT" ] || { systemctl enable pcwatch && systemctl restart pcwatch rsyslog; }'
} >pcwatch-node.sh
[ -n "$ROOT" ] || systemctl restart rsyslog
echo "On each node: sh pcwatch-node.sh"
