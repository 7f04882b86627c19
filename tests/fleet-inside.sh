#!/bin/bash
# tests/fleet.py runs this on each machine that it boots. /mnt contains the packages, pcwatch-node.sh and the address of
# the machine. On the second serial line it reports in words, and takes commands:
#
# system TEXT   which system this is
# ready         pcwatch and its shipper run, as docs/fleet.md describes
# ran PID       this process is about to run a program
# stored LINES  so many lines of pcwatch are on the disk
# copied BYTES  after the command "stop": the third disk has the file of pcwatch
# failed TEXT
#
# It ends after the command "off".
set -u
work=/opt/fleet
exec </dev/ttyS1 3>&1 >$work.log 2>&1
export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
stty raw -echo
say() { echo "$*" >&3; }
events=/var/log/pcwatch/events.json

# What a user does, once. The network and the name of the server are there before.
set_up() {
	mkdir -p $work && cp /bin/true $work/witness || return
	printf '[Match]\nName=eth0\n[Network]\nAddress=%s/16\n' "$(cat /mnt/address)" >/etc/systemd/network/fleet.network
	cat /mnt/hosts >>/etc/hosts
	systemctl enable --now systemd-networkd && apt-get install -y /mnt/*.deb </dev/null && sh /mnt/pcwatch-node.sh </dev/null &&
		touch $work/done
}
say "system Debian $(cat /etc/debian_version) | $(uname -r) | $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')"
if [ ! -e $work/done ] && ! set_up; then
	say "failed $(tail -n 5 $work.log | tr '\n' ' ')"
	exit 1
fi
until [ -s $events ] && systemctl is-active pcwatch rsyslog; do sleep 0.2; done
if [ -d /mnt/nats ]; then # in the place of rsyslog
	systemctl stop rsyslog
	keys=/etc/pcwatch-fleet
	tail -n +1 -F $events 2>/dev/null | LD_LIBRARY_PATH=/mnt/nats /mnt/nats/pcwatch-nats --server tls://server.example.org \
		--ca $keys/ca.crt --cert $keys/node.crt --key $keys/node.key >&2 &
fi
say ready

# Programs, one after the other. What the kernel has written to the disk outlives the machine.
count=0
until read -r -t 0; do
	(say "ran $BASHPID"; exec $work/witness)
	count=$((count + 1))
	if [ $((count % 20)) = 0 ]; then
		lines=$(wc -l <$events) && sync && say "stored $lines"
	fi
done
read -r command
systemctl stop pcwatch
dd if=$events of=/dev/vdc bs=1M conv=fsync && say "copied $(stat -c %s $events)"
read -r command
[ "$command" = off ]
