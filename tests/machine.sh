#!/bin/sh
# machine.sh: whole machines under QEMU, for systems.sh and fleet.py: Debian stable with its own kernel, and systemd as
# the first process. Needs root on Debian for amd64, and the mirror that this machine uses.
#
# machine.sh needs              whether the tools for the other commands are there; tests/needs.sh installs them
# machine.sh disk               makes the disk of all machines, unless that was done before: it is in $XDG_CACHE_HOME.
#                               MACHINE_NEW=yes makes a new one
# machine.sh packages FOLDER    builds the Debian packages of this checkout in FOLDER
# machine.sh boot FOLDER PARAMETERS [OPTION …]
#
# boot runs a machine that makes its changes to the disk in FOLDER/changes: a machine of the same FOLDER goes on with
# these. Its second disk contains FOLDER/disk. The machine executes the file "inside" of that disk, and powers off when
# this has ended. stdin and stdout are its second serial line. FOLDER/console has what the kernel reports. PARAMETERS are
# for the kernel, each OPTION is for QEMU. It is an error if the machine does not power off by itself within
# $MACHINE_LIMIT seconds, by default 1200.
set -eu
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/proc_connector/machine

# The initramfs has three modules instead of hundreds, because an emulated processor unpacks it.
make_disk() {
	rm -rf "$cache" && mkdir -p "$cache"
	mmdebstrap --mode=root --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
		--include=systemd-sysv,dbus,udev,apparmor,util-linux-extra,rsyslog-relp,logrotate,initramfs-tools,linux-image-amd64 \
		--essential-hook="mkdir -p \"\$1/etc/initramfs-tools/conf.d\" \"\$1/usr/share/initramfs-tools/modules.d\"
			echo MODULES=list >\"\$1/etc/initramfs-tools/conf.d/few\"
			printf '%s\n' virtio_pci virtio_blk ext4 >\"\$1/usr/share/initramfs-tools/modules.d/few\"" \
		stable "$cache/root" "deb $(tests/mirror.sh) stable main"
	cat >"$cache/root/etc/systemd/system/inside.service" <<-'END'
		[Unit]
		SuccessAction=poweroff
		FailureAction=poweroff
		[Service]
		Type=exec
		ExecStart=/bin/sh -c 'mount -o ro LABEL=inside /mnt && exec /mnt/inside >/dev/ttyS1 2>&1 </dev/null'
		[Install]
		WantedBy=multi-user.target
	END
	systemctl --root="$cache/root" enable inside.service
	echo machine >"$cache/root/etc/hostname"
	cp "$cache"/root/boot/vmlinuz-* "$cache/vmlinuz"
	cp "$cache"/root/boot/initrd.img-* "$cache/initrd"
	mke2fs -q -t ext4 -d "$cache/root" "$cache/disk" 2G
	rm -rf "$cache/root"
}

case ${1:-} in
needs)
	[ "$(id -u)" = 0 ] && [ "$(dpkg --print-architecture)" = amd64 ] || { echo "needs root, on Debian for amd64" >&2; exit 1; }
	tests/needs.sh mmdebstrap mmdebstrap mke2fs e2fsprogs qemu-system-x86_64 qemu-system-x86 qemu-img qemu-utils \
		unshare util-linux dpkg-buildpackage dpkg-dev dh debhelper ;;
disk)
	recipe=$(sed -n '/^make_disk() {/,/^}/p' tests/machine.sh)
	[ "${MACHINE_NEW:-}" != yes ] && [ "$recipe" = "$(cat "$cache/recipe" 2>/dev/null)" ] || {
		make_disk
		printf '%s\n' "$recipe" >"$cache/recipe"
	} ;;
packages)
	mkdir -p "$2/source"
	folder=$(cd "$2" && pwd)
	tar -c --exclude=./build --exclude=./target --exclude=./.git --exclude=./fuzz/target . | tar -x -C "$folder/source"
	cp -R "$folder/source" "$folder/crates"
	(cd "$folder/crates" && tools/vendor.sh)
	cd "$folder/source"
	CRATES=$folder/crates/vendor DEB_BUILD_OPTIONS=nocheck unshare -n dpkg-buildpackage -us -uc -b -d
	rm -f "$folder"/*-dbgsym_* ;;
boot)
	folder=$2 parameters=$3
	shift 3
	[ -e "$folder/changes" ] || qemu-img create -q -f qcow2 -F raw -b "$cache/disk" "$folder/changes"
	mke2fs -q -F -t ext4 -L inside -d "$folder/disk" "$folder/inside" 64M >&2
	# A kernel that panics makes QEMU exit with status 0, too. So the console must report that the machine powered off.
	timeout --foreground -k 5 "${MACHINE_LIMIT:-1200}" nice -n 15 qemu-system-x86_64 -accel tcg,thread=multi -M q35 \
		-cpu max -smp 2 -m 1536 -nodefaults -no-user-config -display none -no-reboot -monitor none \
		-serial "file:$folder/console" -serial stdio -kernel "$cache/vmlinuz" -initrd "$cache/initrd" \
		-drive "file=$folder/changes,format=qcow2,if=virtio" \
		-drive "file=$folder/inside,format=raw,if=virtio,readonly=on" \
		-append "console=ttyS0 root=/dev/vda rw panic=-1 net.ifnames=0 systemd.show_status=no $parameters" "$@"
	grep -a 'reboot: Power down' "$folder/console" >&2 ;;
*) echo "usage: machine.sh needs|disk|packages|boot" >&2; exit 2 ;;
esac
