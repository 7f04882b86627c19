#!/bin/sh
# systems.sh: tests the Debian packages on a whole machine under QEMU: Debian stable with its own kernel, and systemd as
# the first process. Prints TAP. Needs root on Debian, and the mirror that this machine uses.
#
# The machine's disk is made once and kept in $XDG_CACHE_HOME; SYSTEMS_NEW=yes makes a new one. QEMU never writes to
# that disk. A second disk contains what this run tests: the packages and tests/systems-inside.sh, whose TAP comes
# through the second serial line. The test fails if the machine does not power off by itself within LIMIT seconds.
set -u
cd "$(dirname "$0")/.." || exit 1
LIMIT=1200
[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP makes the disk of a machine: needs root"; exit 0; }
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "1..0 # SKIP written for amd64"; exit 0; }
work=$PWD/build/systems
cache=${XDG_CACHE_HOME:-$HOME/.cache}/proc_connector/systems
mkdir -p "$cache"
rm -rf "$work"
mkdir -p "$work/disk" "$work/source"
. tests/tap.sh
needs mmdebstrap mmdebstrap mke2fs e2fsprogs qemu-system-x86_64 qemu-system-x86 unshare util-linux \
	dpkg-buildpackage dpkg-dev dh debhelper

# ---- The machine ----

# The initramfs has three modules instead of hundreds, because an emulated processor unpacks it.
new_machine() {
	rm -rf "$work/root"
	mmdebstrap --mode=root --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
		--include=systemd-sysv,dbus,udev,apparmor,util-linux-extra,initramfs-tools,linux-image-amd64 \
		--essential-hook="mkdir -p \"\$1/etc/initramfs-tools/conf.d\" \"\$1/usr/share/initramfs-tools/modules.d\"
			echo MODULES=list >\"\$1/etc/initramfs-tools/conf.d/few\"
			printf '%s\n' virtio_pci virtio_blk ext4 >\"\$1/usr/share/initramfs-tools/modules.d/few\"" \
		stable "$work/root" "deb $(tests/mirror.sh) stable main" || return
	cat >"$work/root/etc/systemd/system/systems.service" <<-'END'
		[Unit]
		SuccessAction=poweroff
		FailureAction=poweroff
		[Service]
		Type=exec
		ExecStart=/bin/sh -c 'mount -o ro LABEL=systems /mnt && exec /mnt/inside >/dev/ttyS1 2>&1 </dev/null'
		[Install]
		WantedBy=multi-user.target
	END
	systemctl --root="$work/root" enable systems.service || return
	echo machine >"$work/root/etc/hostname"
	cp "$work"/root/boot/vmlinuz-* "$cache/vmlinuz" && cp "$work"/root/boot/initrd.img-* "$cache/initrd" &&
		rm -f "$cache/disk" && mke2fs -q -t ext4 -d "$work/root" "$cache/disk" 2G &&
		rm -rf "$work/root" && cp "$work/recipe" "$cache/recipe"
}
sed -n '/^new_machine() {/,/^}/p' tests/systems.sh >"$work/recipe"
[ "${SYSTEMS_NEW:-}" = yes ] && rm -f "$cache/recipe"
cmp -s "$work/recipe" "$cache/recipe" ||
	promise "Debian stable, its kernel and systemd can be put on a disk" new_machine

# ---- What is tested ----

tar -c --exclude=./build --exclude=./target --exclude=./.git --exclude=./fuzz/target . | tar -x -C "$work/source"
build() {
	cp -R "$work/source" "$work/crates" && (cd "$work/crates" && tools/vendor.sh) && cd "$work/source" &&
		CRATES=$work/crates/vendor DEB_BUILD_OPTIONS=nocheck unshare -n dpkg-buildpackage -us -uc -b -d
}
in_a_shell() { (set -e; "$@"); }
promise "the packages are built" in_a_shell build

# Makes packages with a higher version of the same build. An upgrade to these runs all package scripts.
later() {
	mkdir "$work/disk/packages" "$work/disk/later" && cp "$work"/*.deb "$work/disk/packages" &&
		rm -f "$work"/disk/packages/*-dbgsym_* || return
	for package in "$work"/disk/packages/*.deb; do
		dpkg-deb -R "$package" "$work/unpacked" &&
			sed -i 's/^Version: .*/&+later/; s/\(libproc-connector0 (= [^)]*\)/\1+later/' \
				"$work/unpacked/DEBIAN/control" &&
			dpkg-deb --root-owner-group -b "$work/unpacked" "$work/disk/later" && rm -r "$work/unpacked" || return
	done
}
promise "packages with a higher version can be made" later

# pcpolicyd is an example: its user compiles it, and installs its unit.
policy() {
	cd "$work/source" && dpkg-deb -x "$work"/libproc-connector-dev_*.deb "$work/dev" &&
		dpkg-deb -x "$work"/libproc-connector0_*.deb "$work/dev" &&
		cc -O2 -D_GNU_SOURCE examples-c/daemon/*.c -o "$work/disk/pcpolicyd" -I"$work/dev/usr/include" \
			-L"$work/dev/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)" -lproc_connector &&
		cp examples-c/daemon/pcpolicyd.service "$work/disk"
}
promise "examples-c/daemon is compiled with these packages" in_a_shell policy

# ---- The boot ----

# When the kernel panics, QEMU exits with status 0, too. So the console must report that the machine powered off.
boot() {
	cp tests/systems-inside.sh "$work/disk/inside" && chmod +x "$work/disk/inside" &&
		mke2fs -q -t ext4 -L systems -d "$work/disk" "$work/disk.ext4" 64M || return
	timeout -k 5 $LIMIT nice -n 15 qemu-system-x86_64 -accel tcg,thread=multi -M q35 -cpu max -smp 2 -m 1536 \
		-nodefaults -no-user-config -display none -no-reboot -net none -monitor none \
		-serial "file:$work/console" -serial "file:$work/tap" -kernel "$cache/vmlinuz" -initrd "$cache/initrd" \
		-drive "file=$cache/disk,format=raw,if=virtio,snapshot=on" \
		-drive "file=$work/disk.ext4,format=raw,if=virtio,readonly=on" \
		-append "console=ttyS0 root=/dev/vda rw panic=-1 net.ifnames=0 systemd.show_status=no" </dev/null &&
		grep -a 'reboot: Power down' "$work/console"
}
began=$(date +%s)
boot >"$work/log" 2>&1
ok $? "the machine boots, and powers off within $LIMIT seconds" "$work/log" "$work/console"
echo "# $(($(date +%s) - began)) seconds"
tr -d '\r' <"$work/tap" >"$work/inside"
while IFS= read -r line; do
	case $line in
	'ok '*' # SKIP '*)
		line=${line#ok * - }
		skip "${line% # SKIP *}" "${line##* # SKIP }" ;;
	'ok '*) ok 0 "${line#ok * - }" ;;
	'not ok '*) ok 1 "${line#not ok * - }" ;;
	'# '*) echo "$line" ;;
	esac
done <"$work/inside"
complete() {
	ran=$(grep -c '^\(not \)\{0,1\}ok ' "$work/inside") && grep "^1\.\.$ran$" "$work/inside"
}
promise "every test on the machine was run" complete
conclude
