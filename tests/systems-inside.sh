#!/bin/bash
# tests/systems.sh runs this on the machine that it has booted. Prints TAP. /mnt contains the packages, the same
# packages with a higher version (later), and pcpolicyd.
set -u
work=/opt/systems # not in /run, where nothing can be executed
mkdir -p $work
export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
number=0 failed=0

promise() { # promise SENTENCE COMMAND …
	local sentence=$1
	shift
	number=$((number + 1))
	if "$@" >$work/log 2>&1; then
		echo "ok $number - $sentence"
	else
		failed=1
		echo "not ok $number - $sentence"
		tail -n 40 $work/log | cut -c 1-300 | sed 's/^/# /'
	fi
}
skip() { # skip SENTENCE REASON
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}
within() { # within SECONDS COMMAND …: until it succeeds
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}
value() { systemctl show --value --property "$2" "$1"; } # value UNIT PROPERTY

echo "# system: Debian $(cat /etc/debian_version) | $(uname -r) | $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')"

# ---- The workload ----

# Programs that run one after the other. Each notes its process id before it runs the program of that name.
cp /bin/true $work/witness
workload() {
	touch $work/working
	: >$work/pids
	while [ -e $work/working ]; do
		(echo $BASHPID >>$work/pids && exec $work/witness)
	done &
	worker=$!
}
has_run() { [ "$(wc -l <$work/pids)" -ge "$1" ]; } # has_run COUNT
runs_on() { within 600 has_run $(($(wc -l <$work/pids) + $1)); } # runs_on COUNT: until so many more have run
end_workload() {
	rm $work/working
	wait $worker
}
journal() {
	journalctl --sync
	journalctl -q -b -u pcwatch -o cat
}
is_shown() { journal | grep -q "[{,]\"pid\":$1,"; } # is_shown PID
# Names each process of the workload that is not in the journal exactly once.
none_missed() {
	within 60 is_shown "$(tail -n 1 $work/pids)"
	journal | grep '"event":"exec"' | grep -o '[{,]"pid":[0-9]*' | cut -d : -f 2 | sort >$work/shown
	sort $work/pids | comm -23 - <(uniq -u $work/shown) >$work/missed
	echo "$(wc -l <$work/pids) programs ran, $(wc -l <$work/missed) are not in the journal once"
	head $work/missed
	[ ! -s $work/missed ] && has_run "$1"
}
# The output of a command has the lines of each run of pcwatch by number: 1, 2, 3 and so on, each once. The command
# line of a program may contain another such line, behind the number.
numbered() { # numbered COMMAND …
	"$@" | tr -d '\\' | awk '
		!match($0, /"line":[0-9]+,"run":"[0-9a-f]+"/) { next }
		{ split(substr($0, RSTART, RLENGTH), part, /[:,"]+/); line = part[3] + 0; run = part[5]; total++ }
		seen[run, line]++ { twice++; next }
		{ runs += count[run]++ == 0; if (line > last[run]) last[run] = line }
		END {
			for (run in count) missing += last[run] - count[run]
			printf "%d lines of %d runs, %d missing, %d twice\n", total, runs, missing, twice
			exit !(total > 100 && !missing && !twice)
		}'
}
another() { # another PID [UNIT]: the service runs as another process
	local now
	now=$(value "${2:-pcwatch}" MainPID)
	[ "$now" != 0 ] && [ "$now" != "$1" ] && systemctl is-active -q "${2:-pcwatch}"
}
reports() { journal | grep '"event":"overrun"' | grep '"lost":null' | grep -c '"reason":"restart"'; }
more_reports() { [ "$(reports)" -gt "$reports" ]; }

# ---- The packages and their units ----

running() { systemctl is-system-running --wait || { systemctl --failed; false; }; }
promise "Debian stable runs, and no unit has failed" running
find / -xdev -path $work -prune -o -print | sort >$work/files-before

in_folder() { apt-get install -y /mnt/"$1"/*.deb; }
promise "apt installs the packages from a local folder" in_folder packages
off() { ! systemctl is-enabled pcwatch && ! systemctl is-active pcwatch; }
promise "pcwatch.service is off by default" off
promise "systemctl starts pcwatch with all its hardening" systemctl enable --now pcwatch
policy() {
	install -D /mnt/pcpolicyd /usr/local/sbin/pcpolicyd
	install -m 644 /mnt/pcpolicyd.service /etc/systemd/system
	echo 'pcp-target 7' >/etc/pcpolicyd.conf
	systemctl daemon-reload
	systemctl enable --now pcpolicyd
}
promise "systemctl starts pcpolicyd with all its hardening" policy
for unit in pcwatch pcpolicyd; do
	safe() { systemd-analyze security --no-pager $unit.service | tee $work/security | tail -n 1 | tr -d '[:cntrl:]' |
		grep -o 'level for .*: [01]\.[0-9]* OK' || { cat $work/security; false; }; }
	promise "systemd-analyze rates the exposure of $unit below 2.0" safe
	echo "# $(grep -o 'Overall.*[0-9.]* [A-Z]*' $work/security)"
	other_user() {
		grep -E '^(Uid|CapEff|CapPrm|NoNewPrivs|Seccomp):' "/proc/$(value $unit MainPID)/status"
		[ "$(stat -c %u "/proc/$(value $unit MainPID)")" -ge 61184 ]
	}
	promise "$unit runs as a dynamic user" other_user
done
capable() { grep 'CapPrm:.0000000000001000' "/proc/$(value pcwatch MainPID)/status"; }
promise "pcwatch has CAP_NET_ADMIN and no other capability" capable
cp /bin/sleep $work/pcp-target
reniced() {
	$work/pcp-target 60 &
	local target=$!
	nice_of() { [ "$(cut -d ' ' -f 19 /proc/$target/stat)" = 7 ]; }
	within 60 nice_of
	local result=$?
	kill $target
	return $result
}
promise "pcpolicyd gives a program its nice value" reniced
promise "the service writes its metrics" test -s /run/pcwatch/pcwatch.prom

workload
runs_on 50
end_workload
promise "pcwatch reports each program of a workload once" none_missed 50

# ---- Restarts ----

workload
runs_on 30
for i in 1 2 3; do
	promise "pcwatch is restarted ($i)" systemctl restart pcwatch
	runs_on 30
done
end_workload
promise "across three restarts, pcwatch misses no exec" none_missed 120
not_doubted() { ! journal | grep '"event":"overrun"'; }
promise "after an orderly restart, pcwatch reports no loss" not_doubted

# For comparison: how many programs are missed if systemd keeps no descriptor.
mkdir -p /run/systemd/system/pcwatch.service.d
printf '[Service]\nFileDescriptorStoreMax=0\n' >/run/systemd/system/pcwatch.service.d/none.conf
systemctl daemon-reload
systemctl restart pcwatch
workload
runs_on 30
systemctl restart pcwatch
runs_on 30
end_workload
none_missed 60 >$work/without
echo "# a restart without a kept socket: $(head -n 1 $work/without)"
rm -r /run/systemd/system/pcwatch.service.d
systemctl daemon-reload
systemctl restart pcwatch

old=$(value pcwatch MainPID) reports=$(reports)
workload
runs_on 30
systemctl kill -s KILL pcwatch
promise "pcwatch comes back after SIGKILL" within 120 another "$old"
runs_on 30
end_workload
promise "after SIGKILL pcwatch reports that events may be missing" within 60 more_reports
# Only the programs whose events pcwatch had received when it was killed may be missing in the journal.
none_missed 60 >$work/killed
echo "# SIGKILL: $(head -n 1 $work/killed)"

for unit in pcwatch pcpolicyd; do
	mkdir -p /run/systemd/system/$unit.service.d
	printf '[Service]\nWatchdogSec=5\n' >/run/systemd/system/$unit.service.d/watchdog.conf
done
systemctl daemon-reload
systemctl restart pcwatch pcpolicyd
reports=$(reports)
for unit in pcwatch pcpolicyd; do
	old=$(value $unit MainPID)
	workload
	systemctl kill -s STOP $unit
	promise "a $unit that hangs is restarted by the watchdog" within 240 another "$old" $unit
	barked() { journalctl -q -b -u $unit | grep -i 'watchdog timeout'; }
	promise "the journal reports that the watchdog restarted $unit" barked
	runs_on 30
	end_workload
	[ $unit = pcwatch ] && none_missed 30 >$work/hung
	rm -r /run/systemd/system/$unit.service.d
done
systemctl daemon-reload
echo "# the watchdog: $(head -n 1 $work/hung)"
promise "after the watchdog has restarted it, pcwatch reports that events may be missing" within 60 more_reports

old=$(value pcpolicyd MainPID)
systemctl kill -s KILL pcpolicyd
promise "pcpolicyd comes back after SIGKILL" within 120 another "$old" pcpolicyd
promise "after SIGKILL, pcpolicyd gives a program its nice value" reniced

wrong() {
	cp /etc/default/pcwatch $work/default
	echo 'PCWATCH_OPTIONS="--evnts exec"' >>/etc/default/pcwatch
	! systemctl restart pcwatch && journalctl --sync && journalctl -q -b -u pcwatch | grep '/etc/default/pcwatch' &&
		[ "$(value pcwatch ExecMainStatus)" = 2 ]
	local result=$?
	cp $work/default /etc/default/pcwatch
	systemctl reset-failed pcwatch
	systemctl start pcwatch && return $result
}
promise "with a wrong option pcwatch does not start, and the journal names the file" wrong

workload
runs_on 20
promise "the journal is rotated" journalctl --rotate
runs_on 20
promise "journald is restarted" systemctl restart systemd-journald
runs_on 20
end_workload
promise "across a rotation of the journal and a restart of journald, pcwatch misses no exec" none_missed 60

# The lines of docs/fleet.md replace an input of rsyslog. /opt cannot be read where rsyslogd has an AppArmor profile.
from_journal() {
	mkdir -p $work/rsyslog && : >$work/lost
	{
		echo "global(workDirectory=\"$work/rsyslog\")"
		sed -n '/^module(load="imjournal"/,/^```$/ { /^```/!p }' /mnt/fleet.md
		echo 'template(name="line" type="string" string="%msg%\n")'
		echo "ruleset(name=\"pcwatch\") { action(type=\"omfile\" file=\"$work/lines\" template=\"line\") }"
	} >$work/rsyslog.conf
	rsyslogd -n -f $work/rsyslog.conf -i NONE &
	local rsyslogd=$! result
	journal | grep '^{' >$work/journal
	tail -n 1 $work/journal >$work/last
	arrived() { grep -qxFf $work/last $work/lines; }
	within 120 arrived && numbered cat $work/lines && sort $work/journal | comm -23 - <(sort $work/lines) >$work/lost &&
		[ ! -s $work/lost ]
	result=$?
	kill $rsyslogd
	wait $rsyslogd
	head $work/lost
	return $result
}
promise "with the lines of docs/fleet.md, rsyslog reads each line of pcwatch from the journal" from_journal
in_json() { numbered journalctl -q -b -u pcwatch -o json --all; }
promise "journalctl -o json has each line of pcwatch once, and no number is missing" in_json
echo "# journalctl -o json: $(cat $work/log)"

# ---- The kernel's part ----

# 1326 is the type of seccomp's audit messages.
complaints() {
	journalctl --sync
	journalctl -q -b _TRANSPORT=kernel + _TRANSPORT=audit | grep -E 'apparmor="DENIED"|avc: *denied|type=1326|Oops|BUG:'
}
none() { ! complaints; }
promise "AppArmor and seccomp have denied nothing, and the kernel complains about nothing" none

clocks() { journal | grep '"event":"exec"' | tail -n 1 | grep -o '"time":"[^"]*"'; }
workload
runs_on 20
date -s '+1 day' >/dev/null
runs_on 20
end_workload
promise "pcwatch misses no exec when the clock is set a day ahead" none_missed 40
day() { clocks && clocks | grep -q "\"$(date +%Y-%m-%dT)"; }
promise "pcwatch shows the new date after the step of the clock" day
for unit in pcwatch pcpolicyd; do
	promise "$unit still runs after the step of the clock" systemctl is-active $unit
done

if grep -q mem /sys/power/state && [ -e /sys/class/rtc/rtc0/wakealarm ]; then
	workload
	runs_on 20
	sleeps() { rtcwake -m mem -s 10 && dmesg | grep 'PM: suspend exit'; }
	promise "the machine sleeps (S3), and wakes up" sleeps
	runs_on 20
	end_workload
	promise "across a suspend, pcwatch misses no exec" none_missed 40
	for unit in pcwatch pcpolicyd; do
		promise "$unit still runs after the suspend" systemctl is-active $unit
	done
	promise "after the suspend, pcpolicyd gives a program its nice value" reniced
else
	skip "the machine sleeps (S3), and wakes up" "no S3: /sys/power/state has $(cat /sys/power/state)"
fi

# ---- Upgrade and purge ----

old=$(value pcwatch MainPID) version=$(dpkg-query -Wf '${Version}' proc-connector-tools)
workload
runs_on 20
upgrade() { in_folder later && [ "$(dpkg-query -Wf '${Version}' proc-connector-tools)" != "$version" ]; }
promise "apt upgrades the packages while the services run" upgrade
promise "pcwatch was restarted by the upgrade" another "$old"
runs_on 20
end_workload
promise "across the upgrade, pcwatch misses no exec" none_missed 40
promise "pcpolicyd still runs after the upgrade" systemctl is-active pcpolicyd
promise "after the upgrade, pcpolicyd gives a program its nice value" reniced
systemctl stop pcpolicyd
promise "pcpolicyd can be stopped and started with the new library" systemctl start pcpolicyd

systemctl stop pcwatch
stored() { [ "$(value pcwatch NFileDescriptorStore)" = "$1" ]; }
promise "systemd keeps no descriptor of a service that was stopped" stored 0
systemctl start pcwatch
systemctl disable --now pcpolicyd 2>/dev/null
rm -f /usr/local/sbin/pcpolicyd /etc/systemd/system/pcpolicyd.service /etc/pcpolicyd.conf
mkdir -p /var/log/private/pcwatch && touch /var/log/private/pcwatch/events.json
promise "apt purges the packages while pcwatch runs" \
	apt-get purge -y libproc-connector0 libproc-connector-dev proc-connector-tools
stopped() { ! pgrep -x pcwatch 2>/dev/null && ! grep -lx pcwatch /proc/[0-9]*/comm; }
promise "a purge stops pcwatch" stopped
# Leaves out what any installation changes: apt's and dpkg's files, the caches of the linker and of man, and logs.
no_trace() {
	systemctl daemon-reload
	find / -xdev -path $work -prune -o -print | sort | comm -13 $work/files-before - |
		grep -v '^/var/\(backups\|cache\|log\|lib/\(apt\|dpkg\|logrotate\|systemd\)\|tmp\)/\|^/tmp/\|^/var/cache\|^/etc/ld.so.cache' >$work/left
	find / -xdev \( -name '*pcwatch*' -o -name '*proc[-_]connector*' \) -not -path "$work/*" >>$work/left
	find /run -name '*pcwatch*' -not -path "$work/*" >>$work/left
	cat $work/left
	[ ! -s $work/left ]
}
promise "a purge leaves no file behind" no_trace
promise "at the end, AppArmor and seccomp have denied nothing, and the kernel complains about nothing" none
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
	cp /bin/cat $work/confined
	confined() {
		echo "profile confined $work/confined { $work/confined mr, /usr/lib/** mr, /etc/ld.so.cache r, }" |
			apparmor_parser -a && ! $work/confined /etc/hostname && complaints
	}
	promise "AppArmor is on: what it denies is found in the journal" confined
else
	skip "AppArmor is on: what it denies is found in the journal" "the kernel does not use it"
fi
echo "1..$number"
exit $failed
