# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The ground of every case, as in tests/e2e/lib.sh, with the server in the guest's own network namespace and every path
# where an installation has it:
#
#   client  192.0.2.2     2001:db8::2     --  host0  192.0.2.1     2001:db8::1     server
#   stranger 198.51.100.66 2001:db8:66::66 --  host1  198.51.100.1  2001:db8:66::1  server

CONFIG=/etc/xknock/xknock.yaml
# shellcheck disable=SC2034  # for the cases
PINS=/sys/fs/bpf/xknock
LOG=/tmp/xknockd.log
OUT=/tmp/out

say() { echo "-- $*" >&3; }
fail() {
	{
		echo "FAILED: $*"
		if [ -s "$LOG" ]; then
			echo "   the daemon's last lines:"
			tail -n 15 "$LOG"
		fi
	} >&3
	exit 1
}

# check DESCRIPTION COMMAND...: the command must succeed. refuse: it must fail.
check() {
	local what=$1
	shift
	"$@" >"$OUT" 2>&1 || {
		cat "$OUT" >&3
		fail "$what"
	}
	say "$what"
}
refuse() {
	local what=$1
	shift
	if "$@" >"$OUT" 2>&1; then
		cat "$OUT" >&3
		fail "$what"
	fi
	say "$what"
}
# equal DESCRIPTION GOT WANTED
equal() { [ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"; say "$1"; }
# contains DESCRIPTION TEXT PART
contains() { case $2 in *"$3"*) say "$1" ;; *) fail "$1: '$3' is not in: $2" ;; esac; }

# Hundredths of a second since the boot: the wall clock jumps here.
uptime() {
	local up rest
	# shellcheck disable=SC2034  # the second number of the line
	read -r up rest </proc/uptime
	echo "${up%.*}${up#*.}"
}
# eventually SECONDS COMMAND...: until it succeeds; the bound is only for a test that fails.
eventually() {
	local end=$(($(uptime) + 100 * $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(uptime)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

in_cli() { ip netns exec cli "$@"; }

# pair DEV V4 V6 NS DEV V4 V6
pair() {
	ip link add "$1" type veth peer name "$5" netns "$4"
	ip addr add "$2" dev "$1"
	ip addr add "$3" dev "$1" nodad
	ip -n "$4" addr add "$6" dev "$5"
	ip -n "$4" addr add "$7" dev "$5" nodad
	ip link set "$1" up
	ip -n "$4" link set "$5" up
	ip -n "$4" link set lo up
}
network() {
	modprobe veth || fail "this kernel has no veth"
	# As long as a link-local address is searched for duplicates, whoever forwards asks for no neighbour of IPv6.
	sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
	ip link set lo up
	ip netns add cli
	ip netns add str
	pair host0 192.0.2.1/24 2001:db8::1/64 cli cli0 192.0.2.2/24 2001:db8::2/64
	pair host1 198.51.100.1/24 2001:db8:66::1/64 str str0 198.51.100.66/24 2001:db8:66::66/64
}

configure() {
	mkdir -p /etc/xknock
	cat >"$CONFIG" <<-C
		interfaces: [host0, host1]
		services: {ssh: tcp/22}
	C
}
# A person with codes and a machine of his; the profiles are PROFILES/laptop.yaml and robot.yaml. Codes come without a
# person: the secret is in the profile. Grants stay open longer than any test.
PROFILES=/tmp
enroll_device() {
	knockctl keygen anna --device "$@" --out "$PROFILES/$1.yaml" --json >"$OUT" 2>&1 || fail "enrolling: $(cat "$OUT")"
}
enroll() {
	enroll_device laptop --factor totp --host 192.0.2.1
	enroll_device robot --factor hmac --host 2001:db8::1
	echo "otp_secret: \"$(cat /etc/xknock/credentials/anna.laptop.otp)\"" >>"$PROFILES/laptop.yaml"
	sed -i 's/^# lifetime:.*/lifetime: 10m/' /etc/xknock/users/anna.yaml
}

DAEMON=
start() {
	local before
	: >>"$LOG"
	before=$(grep -c 'ready:' "$LOG")
	xknockd -v -c "$CONFIG" --worker /bin/xknock-worker >>"$LOG" 2>&1 &
	DAEMON=$!
	eventually 20 ready_again "$before" || fail "the daemon does not come up"
}
ready_again() {
	kill -0 "$DAEMON" || fail "the daemon ended at start"
	[ "$(grep -c 'ready:' "$LOG")" -gt "$1" ]
}
stop() {
	kill -TERM "$DAEMON"
	wait "$DAEMON" || fail "the daemon ended with code $?"
}
kill_both() {
	kill -KILL "$DAEMON" "$(pidof xknock-worker)"
	wait "$DAEMON"
	eventually 5 no_worker || fail "the worker does not end"
}
no_worker() { ! pidof xknock-worker; }

# A number out of "knockctl stats": stat filter tag
stat() { knockctl stats --json | sed -n "/\"$1\": {/,/}/s/ *\"$2\": \\([0-9]*\\),*/\\1/p"; }
# moved SECTION NAME FROM: the number is above what it was
moved() { [ "$(stat "$1" "$2")" -gt "$3" ]; }
grants() { knockctl grants --json | grep -c '"address"'; }

# listen PORT: something that answers on the server, on both families.
listen() {
	socat "TCP6-LISTEN:$1,fork,reuseaddr,ipv6only=0" SYSTEM:'echo hello' &
	eventually 5 grep -q "$(printf ':%04X 0*:0000 0A' "$1")" /proc/net/tcp6 || fail "nothing listens"
}
# can_connect NS ADDRESS PORT
can_connect() {
	local address=$2
	case $address in *:*) address="[$address]" ;; esac
	ip netns exec "$1" socat -u OPEN:/dev/null "TCP:$address:$3,connect-timeout=0.5"
}
granted() { can_connect cli 192.0.2.1 22; }
granted6() { can_connect cli 2001:db8::1 22; }

# knock ADDRESS DEVICE [options]: opens ssh and waits for the port.
knock() {
	local to=$1 device=$2
	shift 2
	in_cli knock-client open "$to" --profile "$PROFILES/$device.yaml" "$@"
}
# capture FILE [options of xk-packet make]: a knock of the machine's as an eavesdropper has it; send_capture FILE. The
# file is all that there is of it: the client does not keep what it sent.
capture() {
	local file=$1
	shift
	xk-packet make --profile "$PROFILES/robot.yaml" --mode 1 --address 192.0.2.2 "$@" >"$file" || fail "making a knock"
}
send_capture() { in_cli xk-packet send "$1" --to 192.0.2.1; }

# accepted_as_new DESCRIPTION FILE: the packet opens the port.
accepted_as_new() {
	local before
	before=$(stat accepted open)
	send_capture "$2"
	eventually 5 moved accepted open "$before" || fail "$1"
	check "$1" granted
}
# fresh_knock_opens: for trying again and again.
fresh_knock_opens() {
	capture /tmp/fresh
	send_capture /tmp/fresh
	eventually 1 granted
}
# refused_as SECTION NAME DESCRIPTION FILE: the packet got as far as that check, which refused it; nothing opens.
refused_as() {
	local counter accepted
	counter=$(stat "$1" "$2")
	accepted=$(stat accepted open)
	send_capture "$4"
	eventually 5 moved "$1" "$2" "$counter" || fail "$3: not refused as $1/$2"
	equal "$3" "$(stat accepted open) $(grants)" "$accepted 0"
}
close_all() {
	knockctl close anna >/dev/null || fail "closing"
	equal "the grant is shut again" "$(grants)" 0
}
