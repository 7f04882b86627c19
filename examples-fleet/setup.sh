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
if grep -qsiE '^[[:space:]]*[$]PrivDropToUser|^[^#]*privdrop[.]user' "$ROOT/etc/rsyslog.conf" "$ROOT"/etc/rsyslog.d/*.conf; then
	echo "setup.sh: rsyslogd must stay root, to read the keys: remove PrivDropToUser from its configuration" >&2
	exit 1
fi
umask 077
mkdir -p "$keys" "$ROOT/etc/rsyslog.d" "$ROOT/var/log/pcwatch-fleet"

run() { # run COMMAND: prints what it says only if it fails
	"$@" 2>"$keys/errors" || { echo "setup.sh: $1 failed:" >&2; cat "$keys/errors" >&2; exit 1; }
	rm "$keys/errors"
}
# Files get their names only when they are complete, so that a later run does not use parts of a failed one.
install_pair() { # install_pair FILE
	mv "$keys/$1.key.new" "$keys/$1.key"
	mv "$keys/$1.crt.new" "$keys/$1.crt"
}
certificate() { # certificate FILE NAME
	run openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -addext "subjectAltName=DNS:$2" \
		-keyout "$keys/$1.key.new" -out "$keys/$1.csr"
	run openssl x509 -req -in "$keys/$1.csr" -CA "$keys/ca.crt" -CAkey "$keys/ca.key" -CAcreateserial -days 3650 \
		-copy_extensions copy -out "$keys/$1.crt.new"
	rm "$keys/$1.csr"
	install_pair "$1"
}
[ -e "$keys/ca.crt" ] || {
	run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
		-subj "/CN=authority of pcwatch's fleet" -keyout "$keys/ca.key.new" -out "$keys/ca.crt.new"
	install_pair ca
}
certificate server "$1"
[ -e "$keys/node.crt" ] || certificate node pcwatch-node
cp "$here/rsyslog/server.conf" "$ROOT/etc/rsyslog.d/pcwatch-server.conf"

rm -f pcwatch-node.sh.new pcwatch-node.sh # an existing file would keep its mode
{
	# shellcheck disable=SC2016
	echo '#!/bin/sh
# Sends the lines of pcwatch to the central server. It needs the packages proc-connector-tools, rsyslog-relp and logrotate.
set -eu
umask 077
ROOT=${ROOT:-}
if grep -qsiE "^[[:space:]]*[\$]PrivDropToUser|^[^#]*privdrop[.]user" "$ROOT/etc/rsyslog.conf" "$ROOT"/etc/rsyslog.d/*.conf; then
	echo "pcwatch-node.sh: rsyslogd must stay root, to read the keys: remove PrivDropToUser from its configuration" >&2
	exit 1
fi
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
defaults=$ROOT/etc/default/pcwatch
if grep -q "^PCWATCH_OPTIONS=.*--output /var/log/pcwatch/events.json" "$defaults" 2>/dev/null; then
	echo "$defaults is kept: it has the output that rsyslog sends" >&2
else
	if [ -e "$defaults" ]; then
		cp -p "$defaults" "$defaults.before-fleet"
		echo "$defaults is replaced: the old file is $defaults.before-fleet" >&2
	fi
	cat >"$defaults" <<"END"
PCWATCH_OPTIONS="--output /var/log/pcwatch/events.json --append --events exec,exit --no-threads --show user,parent,tty,session,nspid,container,cgroup"
END
	chmod 644 "$defaults"
fi
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
chmod 644 "$ROOT/etc/logrotate.d/pcwatch" "$ROOT/etc/rsyslog.d/pcwatch-node.conf"
[ -n "$ROOT" ] || { systemctl enable pcwatch && systemctl restart pcwatch rsyslog; }'
} >pcwatch-node.sh.new
mv pcwatch-node.sh.new pcwatch-node.sh
[ -n "$ROOT" ] || systemctl restart rsyslog
echo "On each node: sh pcwatch-node.sh"
