#!/bin/bash
# SPDX-License-Identifier: MIT
# The ground of every end-to-end test: two hosts and a stranger, each a network namespace of this test's own, a
# configuration, and a real xknockd on the server. Everything goes away at the end, however the test ends.
#
#   client  192.0.2.2     2001:db8::2     --  host0  192.0.2.1     2001:db8::1     server
#   stranger 198.51.100.66 2001:db8:66::66 --  host1  198.51.100.1  2001:db8:66::1  server
#
# Programs come from $XK_BUILD. A test calls begin, then works with the functions below, and ends with "pass".
# shellcheck disable=SC2034  # variables for the tests
set -euo pipefail

: "${XK_BUILD:?the build directory}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH # as in tools/run-tests
XKNOCKD=$XK_BUILD/daemon/xknockd
WORKER=$XK_BUILD/daemon/xknock-worker
HOOKS=$XK_BUILD/daemon/xknock-hooks
CLIENT=${XK_CLIENT:-$XK_BUILD/client/knock-client} # or client/xknock.py
KNOCKCTL=$XK_BUILD/tools/knockctl
PACKET=$XK_BUILD/tests/tool/xk-packet
PROBE=$XK_BUILD/tests/tool/xk-probe
STREAM=$XK_BUILD/tests/tool/xk-stream
MOVED_CLOCK=$XK_BUILD/tests/tool/xk-moved-clock.so
E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$E2E/../.." && pwd)

# Users that exist nowhere, so that nothing on the host is theirs.
UID_DAEMON=2000062201
UID_WORKER=2000062202
UID_HOOKS=2000062203

say() { printf '%s\n' "-- $*"; }
fail() {
	printf '%s\n' "FAILED: $*" >&2
	if [ -s "${D:-}/log" ]; then
		printf '%s\n' "   the daemon's last lines:" >&2
		tail -n 15 "$D/log" >&2
	fi
	exit 1
}
skip() {
	printf '%s\n' "SKIPPED: $*" >&2
	exit 77
}
pass() { say "passed"; }
# COMMAND | matches PATTERN, as grep -q, but reads everything: "grep -q" ends at the first match, the command's next write is
# answered by SIGPIPE, and with pipefail the whole line fails.
matches() {
	local text
	text=$(cat)
	grep -q "$@" <<<"$text"
}

# check DESCRIPTION COMMAND...: the command must succeed. refuse: it must fail. A connection that must come about has time
# for a second SYN, because on a busy machine the first may be lost with the neighbour's address not yet known.
check() {
	local what=$1 CONNECT_TIME=3
	shift
	"$@" >"$D/out" 2>&1 || {
		cat "$D/out" >&2
		fail "$what"
	}
	say "$what"
}
refuse() {
	local what=$1
	shift
	if "$@" >"$D/out" 2>&1; then
		cat "$D/out" >&2
		fail "$what"
	fi
	say "$what"
}
# equal DESCRIPTION GOT WANTED
equal() { [ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"; say "$1"; }
# contains DESCRIPTION TEXT PART
contains() { case $2 in *"$3"*) say "$1" ;; *) fail "$1: '$3' is not in: $2" ;; esac; }
lacks() { case $2 in *"$3"*) fail "$1: '$3' is in: $2" ;; *) say "$1" ;; esac; }

# eventually SECONDS COMMAND...: until it succeeds; the bound is only for a test that fails. It looks less often the longer it
# waits, and leaves the processors to the other tests.
eventually() {
	# The condition sees the locals of who calls it: these have names that no test has.
	local eventually_end=$((SECONDS + $1)) eventually_pauses=(0.02 0.03 0.05 0.08 0.12 0.2) eventually_tries=0
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$eventually_end" ] || return 1
		sleep "${eventually_pauses[eventually_tries]}"
		((eventually_tries + 1 == ${#eventually_pauses[@]})) || eventually_tries=$((eventually_tries + 1))
	done
}

# The wall clock of this test and of all that it starts from here on can be moved (tests/tool/moved_clock.c); the machine's
# own stays as it is.
movable_clock() {
	AHEAD=0 # nanoseconds
	set_clock "$D/clock" 0
	# The sanitizer's runtime wants to be the first library.
	export XK_CLOCK=$D/clock LD_PRELOAD=$MOVED_CLOCK ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
}
# set_clock FILE NANOSECONDS: eight bytes in one write.
set_clock() {
	local shift bytes=
	for shift in 0 8 16 24 32 40 48 56; do bytes+=$(printf '\\x%02x' $((($2 >> shift) & 255))); done
	printf '%b' "$bytes" 1<>"$1"
}
# move_clock SECONDS
move_clock() { set_clock "$D/clock" $((AHEAD += $1 * 1000000000)); }
# with_hardware_clock COMMAND...: the machine has a clock that runs while it is off, and it is right.
with_hardware_clock() {
	mkdir -p "$D/class/rtc/rtc0"
	XK_CLOCK=$D/clock date +%s >"$D/class/rtc/rtc0/since_epoch"
	# shellcheck disable=SC2016  # for the inner shell
	unshare -m sh -c 'mount --bind "$0" /sys/class && exec "$@"' "$D/class" "$@"
}
# late_in_step: two seconds before the step of one-time codes ends that is now. next_step: the next one has begun.
into_step() { echo $(($(date +%s) % 30)); }
late_in_step() { [ "$(into_step)" -ge 28 ] || move_clock $((28 - $(into_step))); }
next_step() { move_clock $((30 - $(into_step))); }
# begin_slot: a slot has begun, and the daemon noticed before that the clock was moved: a clock that is moved makes the slot
# that is now doubtful.
begin_slot() {
	local told ahead
	until [ "$(into_step)" -ge 28 ]; do
		told=$(jumps) ahead=$AHEAD
		late_in_step
		[ "$AHEAD" = "$ahead" ] || eventually 10 has_jumped "$told" || fail "nobody noticed that the clock was moved"
	done
	eventually 5 new_slot || fail "no new slot"
}
jumps() { grep -c "the wall clock was set forward" "$D/log" || true; }
has_jumped() { [ "$(jumps)" -gt "$1" ]; }
new_slot() { [ "$(into_step)" -lt 20 ]; }

begin() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	NAME=$1
	D=$(mktemp -d "/tmp/xk-$NAME.XXXXXX")
	chmod 755 "$D"
	SRV=xk$$-srv CLI=xk$$-cli STR=xk$$-str
	DAEMON=
	trap finish EXIT
	trap 'exit 1' INT TERM HUP
	export XDG_STATE_HOME=$D/client-state # of knock-client: not our own
	mkdir "$D/bpf" "$D/etc" "$D/profiles"
	chmod 700 "$D/profiles"
	mount -t bpf bpf "$D/bpf"
	network
}

# finish_after COMMAND...: with the exit code that the test had, and not that of the command.
finish_after() {
	local code=$?
	set +e
	"$@"
	(exit $code)
	finish
}
finish() {
	local code=$?
	trap - EXIT INT TERM HUP
	set +e
	local pid ns directory
	# Children that still run, and nobody else: the number of one that ended may be somebody's by now.
	for pid in $(jobs -pr); do kill -KILL "$pid" 2>/dev/null; done
	# What runs until its input ends is waited for too.
	exec 8>&- 9>&-
	wait 2>/dev/null
	# What a listener forked for a session that was cut hears of no end any more, and would keep our output open.
	for ns in $SRV $CLI $STR ${MORE_NS:-}; do
		for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
		ip netns del "$ns" 2>/dev/null
	done
	for directory in bpf run state; do while umount "$D/$directory" 2>/dev/null; do :; done; done
	if [ -n "${XK_KEEP:-}" ] && [ $code -ne 0 ]; then
		printf '%s\n' "kept: $D" >&2
	else
		rm -rf "$D"
	fi
	exit $code
}

network() {
	ip netns add "$SRV"
	ip netns add "$CLI"
	ip netns add "$STR"
	pair "$SRV" host0 192.0.2.1/24 2001:db8::1/64 "$CLI" cli0 192.0.2.2/24 2001:db8::2/64
	pair "$SRV" host1 198.51.100.1/24 2001:db8:66::1/64 "$STR" str0 198.51.100.66/24 2001:db8:66::66/64
	for ns in "$SRV" "$CLI" "$STR"; do ip -n "$ns" link set lo up; done
	ip -n "$CLI" route add default via 192.0.2.1
	ip -n "$CLI" -6 route add default via 2001:db8::1
	ip -n "$STR" route add default via 198.51.100.1
	ip -n "$STR" -6 route add default via 2001:db8:66::1
}

# pair NS DEV V4 V6 NS DEV V4 V6. No search for duplicate addresses: as long as a link-local address is tentative, whoever
# forwards asks for no neighbour of IPv6.
pair() {
	ip link add "$2" netns "$1" type veth peer name "$6" netns "$5"
	nsenter --net="/run/netns/$1" sysctl -qw "net.ipv6.conf.$2.accept_dad=0"
	nsenter --net="/run/netns/$5" sysctl -qw "net.ipv6.conf.$6.accept_dad=0"
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" addr add "$4" dev "$2" nodad
	ip -n "$5" addr add "$7" dev "$6"
	ip -n "$5" addr add "$8" dev "$6" nodad
	ip -n "$1" link set "$2" up
	ip -n "$5" link set "$6" up
}

# "ip netns exec" would hide the BPF file system behind a /sys of its own.
in_srv() { nsenter --net="/run/netns/$SRV" "$@"; }
in_cli() { nsenter --net="/run/netns/$CLI" "$@"; }
in_str() { nsenter --net="/run/netns/$STR" "$@"; }

# background NS COMMAND...: the command itself is the child (a function in the background would be a shell around it), so
# that it can be signalled; it is ended with the test.
background() {
	nsenter --net="/run/netns/$1" "${@:2}" &
	BACKGROUND=$!
}

# configure [MORE_YAML]: the main file; the services are ssh and web.
configure() {
	cat >"$D/etc/xknock.yaml" <<-C
		interfaces: [host0, host1]
		services: {ssh: tcp/22, web: [tcp/80, tcp/443], vpn: udp/51820}
		process: {user: "$UID_DAEMON", worker_user: "$UID_WORKER"}
		paths: {run: $D/run, state: $D/state, bpf: $D/bpf/xknock}
		${1:-}
	C
}

# For tests of the rules: the filter would drop most SYNs before nftables sees them.
leave_to_nftables() { echo 'xdp: {drop_syn: false}' >>"$D/etc/xknock.yaml"; }

# enroll USER DEVICE [keygen options]: profile $D/profiles/USER-DEVICE.yaml for the server's addresses. A totp device
# gets its secret stored in the profile, so that a code comes without a person.
enroll() {
	local user=$1 device=$2
	shift 2
	local profile=$D/profiles/$user-$device.yaml
	"$KNOCKCTL" keygen "$user" --device "$device" --host "${ENROLL_HOST:-$user}" -c "$D/etc/xknock.yaml" \
		--out "$profile" --json "$@" >"$D/keygen.json" || fail "enrolling $user/$device"
	if grep -q 'factor: totp' "$profile"; then
		printf 'otp_secret: "%s"\n' "$(cat "$D/etc/credentials/$user.$device.otp")" >>"$profile"
	fi
}
profile() { printf '%s\n' "$D/profiles/$1.yaml"; }

# A configuration with one user of each kind.
enroll_everybody() {
	enroll anna laptop --factor totp
	enroll anna robot --factor hmac
	enroll bob phone --factor none --service ssh
}

daemon_command() { in_srv "$XKNOCKD" -v -c "$D/etc/xknock.yaml" --worker "$WORKER" --hooks "$HOOKS" "$@"; }

# start; start_with OPTIONS
start() { start_with -v; }
start_with() {
	: >>"$D/log"
	local before
	before=$(grep -c 'ready:' "$D/log" || true)
	background "$SRV" "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" --hooks "$HOOKS" "$@" >>"$D/log" 2>&1
	DAEMON=$BACKGROUND
	eventually "${START_TIME:-20}" ready_again "$before" || fail "the daemon does not come up"
}
ready_again() {
	kill -0 "$DAEMON" 2>/dev/null || fail "the daemon ended at start"
	[ "$(grep -c 'ready:' "$D/log")" -gt "$1" ]
}
stop() {
	kill -TERM "$DAEMON"
	local code=0
	wait "$DAEMON" || code=$?
	DAEMON=
	[ $code = 0 ] || fail "the daemon ended with code $code"
}
worker_pid() { pgrep -P "$DAEMON" -x xknock-worker; }
ctl() { "$KNOCKCTL" --socket "$D/run/control.sock" "$@"; }

# A number out of "knockctl stats": stat filter tag
stat() { ctl stats --json | sed -n "/\"$1\": {/,/}/s/ *\"$2\": \\([0-9]*\\),*/\\1/p"; }
# reaches PART NAME NUMBER: the counter gets there.
reaches() { eventually 5 at_least "$@" || fail "$1 $2 is $(stat "$1" "$2"), not $3"; }
at_least() { [ "$(stat "$1" "$2")" -ge "$3" ]; }
grants() { ctl grants --json | grep -c '"address"' || true; }
# events KIND [FIELD=VALUE]...: how many of them the daemon tells of.
events() {
	python3 - "$D/run/control.sock" "$@" <<-'P'
		import json, socket, struct, sys
		with socket.socket(socket.AF_UNIX) as s:
		    s.connect(sys.argv[1])
		    body = b'{"verb": "events"}'
		    s.sendall(struct.pack(">I", len(body)) + body)
		    f = s.makefile("rb")
		    reply = json.loads(f.read(struct.unpack(">I", f.read(4))[0]))["events"]
		numbers = [e["number"] for e in reply]
		assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
		wanted = dict(field.split("=", 1) for field in sys.argv[3:])
		print(sum(e["kind"] == sys.argv[2] and all(str(e.get(k)) == v for k, v in wanted.items()) for e in reply))
	P
}

# knock ADDRESS PROFILE [options]: opens ssh (or what is named) and waits for the port where something listens.
knock() { in_cli "$CLIENT" open "$1" --profile "$(profile "$2")" "${@:3}"; }
# knock_only: sends and does not wait.
knock_only() { in_cli "$CLIENT" open "$1" --profile "$(profile "$2")" --no-wait "${@:3}"; }

# can_connect NS ADDRESS PORT: a TCP connection within half a second, in a "check" within three.
can_connect() {
	local address=$2
	case $address in *:*) address="[$address]" ;; esac
	nsenter --net="/run/netns/$1" socat -u OPEN:/dev/null "TCP:$address:$3,connect-timeout=${CONNECT_TIME:-0.5}"
}
granted() { can_connect "$CLI" 192.0.2.1 "${1:-22}"; }

# listen PORT...: something that answers on the server, on both families.
listen() {
	local port
	for port in "$@"; do
		# -t: a client that has nothing to say gets its answer, however long the shell takes to begin. READS=yes for those
		# that have something: nobody reads it otherwise, and where the shell ended before it came, socat gives up (EPIPE)
		# and the answer is lost.
		background "$SRV" socat -t 10 "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" \
			SYSTEM:"echo hello${READS:+; cat >/dev/null}" 2>/dev/null
		eventually 5 listening "$port"
	done
}
listening() { in_srv ss -Hltn "sport = :$1" | matches .; }

# session NAME NS ADDRESS PORT: a connection that stays, to something that echoes. talks NAME: what is said comes back,
# within a second, in a "check" within three.
session() {
	local address=$3
	case $address in *:*) address="[$address]" ;; esac
	mkfifo "$D/$1.in"
	nsenter --net="/run/netns/$2" socat -t 1 - "TCP:$address:$4,connect-timeout=2" <"$D/$1.in" >"$D/$1.out" 2>/dev/null &
	eval "PID_$1=$!"
	exec {fd}>"$D/$1.in"
	eval "IN_$1=$fd"
	eventually 3 talks "$1" || fail "session $1 does not come up"
}
hang_up() { # the input alone would not do: later sessions have it too
	local pid=PID_$1
	kill "${!pid}" 2>/dev/null || true # it may have been ended
}
talks() {
	local fd=IN_$1 line="$RANDOM$RANDOM"
	# Who has hung up reads no more.
	(trap '' PIPE && echo "$line" >&"${!fd}") 2>/dev/null || return 1
	eventually "${CONNECT_TIME:-1}" grep -q "$line" "$D/$1.out"
}

# A real sshd for root with a key of its own; $SSH is the client's command line.
start_sshd() {
	mkdir -p /run/sshd "$D/ssh"
	chmod 700 "$D/ssh"
	ssh-keygen -q -t ed25519 -N '' -f "$D/ssh/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$D/ssh/id"
	cp "$D/ssh/id.pub" "$D/ssh/authorized_keys"
	# With PAM root gets in although the password is locked; without, wrong passwords are refused without a delay.
	local pam=yes
	[ "${SSHD_PASSWORDS:-no}" = no ] || pam=no
	# SHLVL: Debian's bash reads root's ~/.bashrc for every command that sshd runs, except in a shell in another one.
	cat >"$D/ssh/sshd_config" <<-C
		Port 22
		HostKey $D/ssh/host_key
		PidFile $D/ssh/sshd.pid
		AuthorizedKeysFile $D/ssh/authorized_keys
		StrictModes no
		UsePAM $pam
		PasswordAuthentication ${SSHD_PASSWORDS:-no}
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		UseDNS no
		LogLevel VERBOSE
		SetEnv SHLVL=1
	C
	background "$SRV" /usr/sbin/sshd -D -e -f "$D/ssh/sshd_config" 2>"$D/ssh/log"
	eventually 10 listening 22 || fail "sshd does not listen"
	local key
	key=$(cut -d' ' -f1,2 "$D/ssh/host_key.pub")
	printf '%s %s\n' 192.0.2.1 "$key" 2001:db8::1 "$key" '[2001:db8::1]:22' "$key" >"$D/ssh/known_hosts"
	SSH="ssh -F none -i $D/ssh/id -o IdentitiesOnly=yes -o UserKnownHostsFile=$D/ssh/known_hosts"
	SSH="$SSH -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=20"
}

# boot NS DIRECTORY [ROOT]: systemd as PID 1 in that network, on this machine's own root (or that of tools/trees.sh) below a
# tmpfs, with the directory at /opt/stage. inside COMMAND...: there. It ends with the test.
boot() {
	mkdir -p "$D/root"
	# systemd wants a cgroup2 of its own, and nspawn no overlay on "/" itself.
	# shellcheck disable=SC2016  # for the other shell
	setsid unshare -m --propagation private bash -c '
		mount -t cgroup2 none /sys/fs/cgroup && mkdir -p "/sys/fs/cgroup/$1" && echo $$ >"/sys/fs/cgroup/$1/cgroup.procs" &&
		mount --bind "$5" "$2" && exec systemd-nspawn -q -M "$1" -D "$2" --volatile=overlay --register=no --keep-unit \
		--link-journal=no --console=pipe --capability=CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN \
		--system-call-filter="bpf perf_event_open @memlock" --network-namespace-path="/run/netns/$3" --bind-ro="$4:/opt/stage" -b \
		systemd.mask=fail2ban.service systemd.mask=fwknop-server.service systemd.mask=ssh.service systemd.mask=nftables.service
		' _ "xk$$" "$D/root" "$1" "$2" "${3:-/}" </dev/null >"$D/console" 2>&1 &
	NSPAWN=$!
	trap finish_container EXIT
	eventually 20 find_leader || fail "no systemd: $(cat "$D/console")"
	eventually 60 booted || fail "it does not boot: $(tail -5 "$D/console")"
	say "systemd $(inside systemctl --version | sed -n 1p | cut -d' ' -f2) runs as PID 1"
}
finish_container() {
	local code=$? dir
	set +e
	kill -TERM "$NSPAWN" 2>/dev/null
	eventually 15 container_ended
	for dir in /sys/fs/cgroup/unified/"xk$$" /sys/fs/cgroup/"xk$$"; do
		[ -d "$dir" ] && find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	(exit $code)
	finish
}
container_ended() { ! grep -qs '^State:.[^Z]' "/proc/$NSPAWN/status"; }
find_leader() { LEADER=$(pgrep -P "$NSPAWN" -x systemd | sed -n 1p) && [ -n "$LEADER" ]; }
inside() { nsenter -t "$LEADER" -m -u -i -n -p -C -- "$@"; }
booted() { case $(inside systemctl is-system-running 2>/dev/null) in running | degraded) true ;; *) false ;; esac; }

# What the packet path remembers (sets begun and flows) is left out of a listing: it comes and goes with packets.
without_remembered() {
	awk '/^\tset/ {memory = /set (begun|flows)[46] /} memory && /elements =/ {inside = 1} !inside {print} /}$/ {inside = 0}'
}
# ruleset: the server's whole ruleset without counters and remaining times, for comparing.
ruleset() { in_srv nft -s list ruleset | without_remembered | sed -E 's/ expires [0-9a-z]+//g'; }
