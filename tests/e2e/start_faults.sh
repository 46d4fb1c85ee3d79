#!/bin/bash
# SPDX-License-Identifier: MIT
# What can be wrong when the daemon starts: each fault has a message and a hint, exit code 78 for the configuration and
# 1 for the environment, and leaves nothing changed: no table, no pin, no program on an interface.
. "$(dirname "$0")/lib.sh"
begin start-faults
configure
enroll_everybody
cp -a "$D/etc" "$D/etc.good"
before_tables=$(in_srv nft list ruleset)

# fails CODE WHAT PART [COMMAND...]: the daemon does not start, says PART, and changes nothing.
fails() {
	local code=$1 what=$2 part=$3 got=0
	shift 3
	if [ $# -eq 0 ]; then set -- daemon_command; fi
	"$@" >"$D/out" 2>&1 || got=$?
	equal "$what: exit $code" "$got" "$code"
	contains "$what: is said" "$(cat "$D/out")" "$part"
	[ "$(in_srv nft list ruleset)" = "$before_tables" ] || fail "$what: the ruleset changed"
	! in_srv ip link show host0 | matches xdp || fail "$what: a program was attached"
	! find "$D/bpf/xknock" -type f 2>/dev/null | matches . || fail "$what: something is pinned"
	! pgrep -f "$D/etc/xknock.yaml" >/dev/null || fail "$what: a process is left"
	rm -rf "${D:?}/etc"
	cp -a "$D/etc.good" "$D/etc"
}
main() { sed -i "$1" "$D/etc/xknock.yaml"; }

main 's/ssh: tcp\/22/ssh: [tcp\/22/'
fails 78 "malformed YAML" "$D/etc/xknock.yaml:"
main '$ a allow_generic: true'
fails 78 "an unknown key" "xknock.yaml:6:1: unknown key \"allow_generic\""
main 's/vpn: udp\/51820/vpn: tcp\/443/'
fails 78 "overlapping ports" "tcp/443 belongs to service \"web\" already"
# Those of one user's files end no start (e2e.user_faults), but a check.
cp "$D/etc/users/anna.yaml" "$D/etc/users/other.yaml"
fails 78 "a user who is there twice" "user \"anna\" is there twice (the first is at" daemon_command --check
chmod 644 "$D/etc/credentials/anna.laptop.otp"
fails 78 "a secret that others can read" "can be read by others (mode 0644)" daemon_command --check
rm "$D/etc/credentials/anna.laptop.key"
fails 78 "a secret that is missing" "anna.laptop.key" daemon_command --check
echo garbage >"$D/etc/credentials/anna.laptop.key"
fails 78 "a key that is none" "is not a key" "$KNOCKCTL" check "$D/etc/xknock.yaml"
chmod 666 "$D/etc/xknock.yaml"
fails 78 "a configuration that others can write" "can be written by others (mode 0666)"
rm "$D/etc/server_id"
fails 78 "no identity of the server" "knockctl keygen"
fails 78 "no configuration" "No such file" in_srv "$XKNOCKD" -c "$D/nothing.yaml"
main 's/host0, host1/hosd0, host9/'
fails 1 "interfaces of which none exists" 'there is no interface "hosd0", "host9"'
contains "with the ones that do" "$(cat "$D/out")" "host0"
chmod 600 "$D/etc/xknock.yaml"
fails 78 "a file that our own user cannot read" "must be able to read the configuration"

say "without the rights"
fails 1 "as nobody" "lacks CAP_NET_ADMIN and CAP_BPF" \
	in_srv setpriv --reuid=65534 --regid=$UID_DAEMON --clear-groups "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER"
fails 1 "without CAP_BPF" "lacks CAP_BPF" \
	in_srv setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-all "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER"
contains "with a hint" "$(cat "$D/out")" "start xknockd as root, or by its systemd unit"

say "a kernel that is too old: it knows neither ring buffers nor links"
fails 1 "bpf(2) says so" "needs Linux 5.10 or later" in_srv env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null \
	-e trace=bpf -e inject=bpf:error=EINVAL:when=1+ "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER"

say "where no BPF file system is"
main "s#bpf: $D/bpf/xknock#bpf: $D/nobpf#"
fails 78 "the directory for pins" "is not on a BPF file system"
contains "the hint is the command" "$(cat "$D/out")" "mount -t bpf bpf /sys/fs/bpf"

say "directories that are somebody's"
main "s#bpf: $D/bpf/xknock#bpf: $D/bpf#"
fails 78 "pins among those of everybody" "$D/bpf\" belongs to somebody else (user 0) and is in use"
equal "which stays everybody's" "$(command stat -c %u "$D/bpf")" 0
mkdir "$D/theirs" && touch "$D/theirs/file"
main "s#run: $D/run#run: $D/theirs#"
fails 78 "a directory that is in use" "belongs to somebody else (user 0) and is in use"
equal "it stays theirs" "$(command stat -c %u "$D/theirs")" 0
long=$D/$(printf 'x%.0s' $(seq 120))
main "s#run: $D/run#run: $long#"
fails 78 "a control socket with too long a path, which shows last" "path of the control socket is too long"

fails 1 "a worker that does not exist" "starting" in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$D/none"
fails 1 "a worker that ends at once" "xknock-worker does not come up" \
	in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker /bin/false

say "another program on the interface"
printf '%s\n' '#include <linux/bpf.h>' '#include <bpf/bpf_helpers.h>' \
	'SEC("xdp") int somebody_else(struct xdp_md *c) { return XDP_PASS; }' 'char l[] SEC("license") = "GPL";' >"$D/other.c"
clang-14 -O2 -g -target bpf "-I/usr/include/$(gcc-12 -print-multiarch)" -c "$D/other.c" -o "$D/other.o"
bpftool prog load "$D/other.o" "$D/bpf/other"
in_srv bpftool net attach xdpdrv pinned "$D/bpf/other" dev host0
main 's/host0, host1/host0/'
got=0
daemon_command >"$D/out" 2>&1 || got=$?
equal "it does not start" "$got" 1
id=$(bpftool prog show pinned "$D/bpf/other" | sed -n 's/^\([0-9]*\):.*/\1/p')
contains "and names the holder" "$(cat "$D/out")" "XDP program id $id"
contains "and the interface" "$(cat "$D/out")" 'is attached to interface "host0"'
contains "and what to do" "$(cat "$D/out")" "bpftool net show dev host0"
contains "also if it is of libxdp" "$(cat "$D/out")" "xdp: {coexist: libxdp}"
equal "the ruleset that it had put up is gone again" "$(in_srv nft list ruleset)" "$before_tables"
contains "the other program still runs" "$(in_srv ip link show host0)" "prog/xdp id $id"
in_srv bpftool net detach xdpdrv dev host0
rm "$D/bpf/other"

say "beside other XDP programs"
export LIBXDP_BPFFS=$D/bpf # where a kernel can, nothing of this is left on the host
main '$ a xdp: {coexist: libxdp}'
fails 1 "without the capabilities" "lacks CAP_SYS_ADMIN or CAP_DAC_OVERRIDE" in_srv setpriv --bounding-set=-sys_admin \
	--inh-caps=-all "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER"
contains "the hint is the unit's drop-in" "$(cat "$D/out")" coexist.conf
main '$ a xdp: {coexist: libxdp}'
# Programs that extend others are what the dispatcher is made of; a kernel in lockdown has none.
if bpftool feature probe kernel | grep 'program_type ext is available' >/dev/null; then
	start
	contains "this kernel can" "$(bpftool prog show)" "name xdp_dispatcher"
	stop
	check "and it goes again" daemon_command --remove
	equal "from the interface too" "$(in_srv ip link show host0 | grep xdp || true)" ""
	rm -rf "${D:?}/etc"
	cp -a "$D/etc.good" "$D/etc"
else
	fails 1 "a kernel that cannot" "this kernel does not let XDP programs share an interface"
	contains "the hint says what it takes" "$(cat "$D/out")" "Linux 5.10 or later, not in lockdown"
	contains "and how to do without" "$(cat "$D/out")" "xdp: {coexist: none}"
fi
unset LIBXDP_BPFFS

say "native mode only, unless generic is allowed"
# A tun device has native XDP, a bridge has none.
in_srv ip link add br0 type bridge
in_srv ip link set br0 up
main 's/host0, host1/br0/'
fails 1 "a driver without native XDP" "in native mode"
contains "the hint names the setting" "$(cat "$D/out")" "allow_generic: true"
main 's/host0, host1/host0, br0/'
main '$ a xdp: {allow_generic: true}'
start
contains "with it the daemon starts" "$(cat "$D/log")" "br0 (generic)"
contains "and warns why that is slow" "$(cat "$D/log")" "every packet is copied into one piece"
main 's/allow_generic: true/allow_generic: false/'
refuse "a reload that forbids it again is refused" ctl reload
contains "with the same hint" "$(cat "$D/out")" "allow_generic: true"
contains "the filter stays as it was" "$(in_srv ip link show br0)" xdpgeneric
stop
pass
