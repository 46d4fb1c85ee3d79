# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# What an eavesdropper heard of every way of knocking, sent again over a power cut and a clean stop. Three boots with one
# disk; what was heard lies on a disk of the eavesdropper's.
#   1  a knock by each way opens; a clean stop
#   2  nothing of it opens; a knock by each way opens again; the power goes
#   3  nothing of that opens, and a fresh knock does
# A sequence of ports counts for half a minute, which this machine needs to boot. So boots 2 and 3 begin with the clock of
# a machine that needs a second.
boot=$(word boot)
WAYS="handshake sequence c-lock capyknock fwknop"
mount_disks() {
	modprobe virtio_pci
	modprobe virtio_blk
	eventually 5 test -b /dev/vdb || fail "no disks"
	mkdir -p /disk /eavesdropper /var/lib/xknock /etc/xknock /home
	mount -t ext4 /dev/vda /disk || fail "the disk cannot be mounted"
	mount -t ext4 -o sync /dev/vdb /eavesdropper || fail "the eavesdropper's disk cannot be mounted"
	mkdir -p /disk/lib /disk/etc /disk/home
	chown xknock:xknock /disk/lib
	mount -o bind /disk/lib /var/lib/xknock || fail "mount"
	mount -o bind /disk/etc /etc/xknock || fail "mount"
	mount -o bind /disk/home /home || fail "mount"
}
# person NAME DEVICE MODES FACTOR
person() {
	knockctl keygen "$1" --device "$2" --factor "$4" --host 192.0.2.1 --service ssh --out "/home/$1.yaml" --json >"$OUT" 2>&1 ||
		fail "enrolling $1: $(cat "$OUT")"
	sed -i '/^modes:/d; s/^# lifetime:.*/lifetime: 10m/' "/etc/xknock/users/$1.yaml"
	echo "modes: $3" >>"/etc/xknock/users/$1.yaml"
}
# old_device USER DEVICE LINES...: beside the person's own; its key comes from standard input.
old_device() {
	local user=$1 file=/etc/xknock/credentials/$1.$2
	shift
	cp -p "/etc/xknock/credentials/$user.own.key" "$file.key"
	cat >"$file.key"
	printf '%s\n' "user: $user" "device: $1" >"$file.yaml"
	shift
	printf '%s\n' "$@" >>"$file.yaml"
}
enroll_all() {
	local key hmac
	cat >>"$CONFIG" <<-C
		c_lock: {attempts_per_hour: 40, max_guess_odds: 4e-3}
		legacy: {fwknop: {}, capyknock: {port: 5001}}
	C
	person hanna own "[packet, handshake]" none
	person sara own "[packet, sequence]" none
	person carl own "[packet, c-lock]" totp
	person bob own "[packet, capyknock]" totp
	person fred own "[packet, fwknop]" none
	echo "otp_secret: \"$(cat /etc/xknock/credentials/carl.own.otp)\"" >>/home/carl.yaml
	old_device bob capy 'id: "00000000000000c1"' 'factor: totp' 'kind: capyknock' 'name: bobsname' 'target: 192.0.2.1' \
		'port: 22' </disk/seed/key
	cp -p /etc/xknock/credentials/bob.own.otp /etc/xknock/credentials/bob.capy.otp
	cat /disk/seed/otp >/etc/xknock/credentials/bob.capy.otp
	key=$(head -c 32 /dev/urandom | base64 -w 0)
	hmac=$(head -c 64 /dev/urandom | base64 -w 0)
	printf '%s\n' "KEY_BASE64 $key" "HMAC_KEY_BASE64 $hmac" |
		old_device fred fwknop 'id: "00000000000000f1"' 'factor: none' 'kind: fwknop'
	printf '%s\n' "[default]" "SPA_SERVER 192.0.2.1" "ACCESS tcp/22" "ALLOW_IP source" "KEY_BASE64 $key" \
		"HMAC_KEY_BASE64 $hmac" "USE_HMAC Y" >/home/.fwknoprc
	chmod 600 /home/.fwknoprc
}
# capyknock and fwknop knock by clocks that are ahead, as far as they may be: so the memory of before must know these knocks,
# for they are newer than the boot. The packets as that client sends them: three times from one port.
knock_as_capyknock() {
	local now file packets=
	now=$(($(date +%s) + 30))
	for file in /eavesdropper/capyknock/*; do
		if [ "${file##*/}" -le "$now" ]; then packets=$file; fi
	done
	in_cli xk-packet send "$packets" --to 192.0.2.1 --port 5001 --count 3
}
# by WAY: a knock for ssh from the client.
by() {
	case $1 in
	handshake) in_cli knock-client open 192.0.2.1 ssh --handshake --no-wait --profile /home/hanna.yaml ;;
	sequence) in_cli knock-client sequence 192.0.2.1 ssh --profile /home/sara.yaml ;;
	c-lock) xk-packet code --profile /home/carl.yaml | in_cli knock-client sequence 192.0.2.1 --code - ;;
	capyknock) knock_as_capyknock ;;
	fwknop) HOME=/home in_cli fwknop -n default -s --time-offset-plus 60S ;;
	esac
}
next_slot() {
	local slot
	slot=$(($(date +%s) / 30))
	while [ $(($(date +%s) / 30)) = "$slot" ]; do sleep 0.2; done
}
shut() {
	knockctl close 0.0.0.0/0 >/dev/null || fail "closing"
	equal "the grant is shut again" "$(grants)" 0
}
# each_opens NAME: a knock by each way opens, and is heard.
each_opens() {
	local way heard
	for way in $WAYS; do
		heard=/eavesdropper/$1.$way
		in_cli tcpdump -Z root -q -U --immediate-mode -i cli0 -w "$heard" 'dst 192.0.2.1 and (udp or tcp[tcpflags] == tcp-syn)' \
			2>/tmp/tcpdump &
		eventually 20 grep -q listening /tmp/tcpdump || fail "nobody listens: $(cat /tmp/tcpdump)"
		[ "$way" != sequence ] || next_slot # the first one that judgement has seen from its begin
		by "$way" >"$OUT" 2>&1 || fail "no knock by $way: $(cat "$OUT")"
		eventually 10 has_grant || fail "a knock by $way does not open: $(cat "$OUT")"
		kill -INT "$(pidof tcpdump)"
		wait $!
		check "a knock by $way opens" granted
		shut
	done
	date +%s >/eavesdropper/when
}
has_grant() { [ "$(grants)" != 0 ]; }
# All that the filter and the worker refused.
refusals() { knockctl stats --json | sed -n '/"refused": {/,/}/s/.*: \([0-9]*\),*$/\1/p; s/.*"\(seen\|tag\|junk\)": \([0-9]*\),*$/\2/p' | { n=0; while read -r one; do n=$((n + one)); done; echo $n; }; }
more_refusals() { [ "$(refusals)" -gt "$1" ]; }
# none_opens NAME DESCRIPTION: everything that was heard, sent again, is refused.
none_opens() {
	local way before accepted
	for way in $WAYS; do
		before=$(refusals)
		accepted=$(stat accepted open)
		in_cli xk-packet replay "/eavesdropper/$1.$way" >"$OUT" 2>&1 || fail "$(cat "$OUT")"
		# Not even looked at would prove nothing.
		eventually 10 more_refusals "$before" || fail "$2, $way: nobody refused it"
		sleep 0.5 # for what must not happen
		equal "$2: $way" "$(stat accepted open) $(grants)" "$accepted 0"
	done
}

mount_disks
# shellcheck disable=SC2034  # for lib.sh
PROFILES=/home
network
in_cli ethtool -K cli0 tx off >/dev/null # or the capture has no checksums
listen 22
[ "$boot" = 1 ] || date -s "@$(($(cat /eavesdropper/when) + 1))" >/dev/null
case $boot in
1)
	configure
	enroll_all
	start
	each_opens first
	stop
	umount /home /etc/xknock /var/lib/xknock /disk /eavesdropper || fail "umount"
	say "a clean stop"
	;;
2)
	start
	contains "judgement has all that it knew" "$(knockctl status)" "clean stop"
	replays=$(stat refused replay)
	none_opens first "heard before the clean stop"
	equal "the packets with clocks that are ahead by its memory" "$(stat refused replay)" $((replays + 4)) # capyknock: three
	# On a slow machine the half minute is over, and who sent what was heard of c-lock has guessed: it waits for a minute.
	ip -n cli addr add 192.0.2.3/24 dev cli0
	ip -n cli route add 192.0.2.1 dev cli0 src 192.0.2.3
	each_opens second
	say "the power goes"
	;;
3)
	start
	contains "judgement begins with what it cannot trust" "$(knockctl status)" "refused"
	none_opens second "heard before the power cut"
	by handshake >"$OUT" 2>&1 # the one way that need not wait after a power cut
	check "a fresh handshake opens" eventually 10 granted
	;;
esac
