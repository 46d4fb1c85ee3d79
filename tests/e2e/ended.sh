#!/bin/bash
# SPDX-License-Identifier: MIT
# Ended means ended: sessions of this host, of a host behind it and without a connection (UDP), by a ban, "close --cut",
# a panic and users who are gone; no packet of either side revives them. Panic ends by its own verb only and spares whoever
# calls it. Who may no longer, holds nothing.
#
#   client 192.0.2.2 -- 192.0.2.1 server 203.0.113.1 -- 203.0.113.7 "inside"
. "$(dirname "$0")/lib.sh"
begin ended
movable_clock
IN=xk$$-in
MORE_NS=$IN
ip netns add "$IN"
ip -n "$IN" link set lo up
pair "$SRV" host2 203.0.113.1/24 2001:db8:7::1/64 "$IN" in0 203.0.113.7/24 2001:db8:7::7/64
ip -n "$IN" route add default via 203.0.113.1
ip -n "$IN" -6 route add default via 2001:db8:7::1
in_srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

configure "gate: {owned: false}" # so that a flush is one
sed -i 's|^services:.*|services:|' "$D/etc/xknock.yaml"
sed -i '/^services:/r /dev/stdin' "$D/etc/xknock.yaml" <<'C'
  ssh: tcp/22
  other: tcp/2006
  cut: {ports: tcp/2001, after: cut}
  idle: {ports: tcp/2002, after: idle, idle: 4s}
  vpn: udp/51820
  nas: {target: [203.0.113.7, "2001:db8:7::7"], ports: [tcp/22, tcp/2006]}
C
for user in anna bob carol dora; do enroll "$user" robot --factor hmac; done

# One end of a session whose other end may speak at any time: end_of NAME NS SOCAT_ADDRESS.
end_of() {
	[ -p "$D/$1.in" ] || mkfifo "$D/$1.in"
	: >"$D/$1.out"
	nsenter --net="/run/netns/$2" socat -t 1 - "$3" <"$D/$1.in" >"$D/$1.out" 2>"$D/$1.err" &
	eval "PID_$1=$!"
	exec {fd}>"$D/$1.in"
	eval "IN_$1=$fd"
}
# tells FROM TO: whether what one end says arrives at the other.
tells() {
	local fd=IN_$1 line="$RANDOM$RANDOM"
	(trap '' PIPE && echo "$line" >&"${!fd}") 2>/dev/null || return 1
	eventually "${CONNECT_TIME:-1}" grep -q "$line" "$D/$2.out"
}
gone() { local pid=PID_$1 && ! kill -0 "${!pid}" 2>/dev/null; }
# dead ONE OTHER: neither side reaches the other, whichever speaks first.
dead() {
	refuse "the service reaches nobody ($1)" tells "$2" "$1"
	refuse "nor does the client" tells "$1" "$2"
}
inside_listens() { nsenter --net="/run/netns/$IN" ss -Hltn "sport = :$1" | grep . >/dev/null; }
open_as() { in_cli "$CLIENT" open "$1" "$3" --profile "$(profile "$2-robot")" --no-wait "${@:4}" 2>/dev/null; }
logged() { eventually 3 grep -q "$1" "$D/log" || fail "the log does not say: $1"; }

# The program that serves UDP is told (EPERM) that it may not send, and this one ends by it.
vpn_is_dead() {
	dead vpn vpnd
	eventually 3 gone vpnd || fail "the kernel let the service's packets go"
	end_of vpnd "$SRV" UDP4-DATAGRAM:192.0.2.2:51820,bind=192.0.2.1:51820
}

# forwarded NAME PORT: a session with the host inside from a port of its own; "NAMEd" is the other end.
forwarded() {
	end_of "$1d" "$IN" TCP4-LISTEN:22,reuseaddr
	eventually 5 inside_listens 22 || fail "nobody listens inside"
	end_of "$1" "$CLI" "TCP4:203.0.113.7:22,sourceport=$2,reuseaddr,connect-timeout=2"
	eventually 3 tells "$1" "$1d" || fail "session $1 does not come up"
	tells "$1d" "$1" || fail "session $1 has no answer"
}

start_sshd
end_of earlyd "$SRV" TCP4-LISTEN:2001,reuseaddr
eventually 5 listening 2001
end_of early "$CLI" TCP4:192.0.2.1:2001
eventually 3 tells early earlyd || fail "no session"
for port in 2001 2002 2006; do
	background "$SRV" socat "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" EXEC:cat 2>/dev/null
	eventually 5 listening "$port"
done

say "who is in before the gate comes up stays in, also at a service of \"after: cut\""
# They end in ten minutes, to which the clock is moved below.
printf 'hours: ["%s %s-%s"]\n' "$(LC_ALL=C date -d '-1 hour' +%a | tr '[:upper:]' '[:lower:]')" "$(date -d '-1 hour' +%H:%M)" "$(date -d '+10 min' +%H:%M)" \
	>>"$D/etc/users/dora.yaml"
start
check "the service's next word takes it up" tells earlyd early
open_as 2001:db8::1 dora idle --lifetime 30m
open_as 2001:db8::1 anna cut --lifetime 2s
eventually 5 can_connect "$CLI" 2001:db8::1 2002
eventually 5 can_connect "$CLI" 2001:db8::1 2001
session hours "$CLI" 2001:db8::1 2002
session brief "$CLI" 2001:db8::1 2001
ended() { ! talks "$1"; }
eventually 8 ended brief || fail "a session outlives its grant at a service of \"after: cut\""
check "when another one's grant ends there, too" tells early earlyd

say "a ban"
open_as 192.0.2.1 anna ssh --lifetime 3s
eventually 5 can_connect "$CLI" 192.0.2.1 22
# shellcheck disable=SC2086  # it is a command line
in_cli $SSH root@192.0.2.1 'echo in; exec sleep 1000' >"$D/ssh.out" 2>"$D/ssh.err" &
# shellcheck disable=SC2034  # for "gone"
PID_ssh=$!
eventually 10 grep -q in "$D/ssh.out" || fail "no ssh session"
open_as 192.0.2.1 anna nas --lifetime 20s
open_as 192.0.2.1 anna vpn --lifetime 20s
eventually 5 can_connect "$CLI" 203.0.113.7 22 || true
end_of vpnd "$SRV" UDP4-DATAGRAM:192.0.2.2:51820,bind=192.0.2.1:51820
end_of vpn "$CLI" UDP4-DATAGRAM:192.0.2.1:51820,bind=192.0.2.2:51820
eventually 3 tells vpn vpnd || fail "no vpn"
check "UDP answers" tells vpnd vpn
forwarded one 40001
ctl ban 192.0.2.2 --for 3s >/dev/null
eventually 3 gone ssh || fail "the ssh session outlives the ban"
say "ends an ssh session at once, for both ends"
no_bans() { [ "$(ctl bans)" = "no bans" ]; }
logged "ended by a ban: the session of 192.0.2.2 port 40001 at tcp/22 of 203.0.113.7 (nas)"
eventually 8 no_bans
dead one oned
check "a reload changes nothing" ctl reload
dead one oned
vpn_is_dead
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
vpn_is_dead
in_srv nft flush ruleset 2>/dev/null || true
eventually 5 in_srv nft list chain inet xknock ended
vpn_is_dead
lacks "nothing is open" "$(ctl grants)" 192.0.2.2" "
open_as 192.0.2.1 anna vpn
eventually 5 tells vpn vpnd || fail "a new knock does not open the same UDP ports again"
check "a knock begins anew, from the same ports (UDP)" tells vpnd vpn
for end in one oned; do eventually 5 gone $end || fail "$end was not told that its session is over"; done
open_as 192.0.2.1 anna nas
holds() { ctl grants | grep "$1" >/dev/null; }
eventually 5 holds "of 203.0.113.7" || fail "no grant"
forwarded again 40001
say "and TCP"
ctl close anna >/dev/null
check "which lives on when its grant is over" tells againd again

say "a user who is gone is out, however long ago they knocked"
open_as 192.0.2.1 bob other --lifetime 2s
open_as 2001:db8::1 bob other --lifetime 2s
open_as 2001:db8::1 carol other --lifetime 2s
has() { [ "$(ctl grants | grep -c tcp/2006)" = "$1" ]; }
eventually 5 has 2
session bob "$CLI" 192.0.2.1 2006
session both "$CLI" 2001:db8::1 2006
eventually 8 has 0
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
echo 'enabled: false' >>"$D/etc/users/bob.yaml"
start
eventually 3 ended bob || fail "the session of a disabled user lives on"
check "one that may be somebody else's lives on" talks both
logged "may be those of bob/robot, or of others"
check "and others" tells againd again
sed -i 's/^services: .*/services: [ssh]/' "$D/etc/users/anna.yaml"
check "a service taken from a user" ctl reload
dead again againd

say "who is out of their hours holds nothing"
no_dora() { ! ctl grants | grep dora >/dev/null; }
move_clock 600
eventually 5 no_dora || fail "a grant outlasts its user's hours"
logged "the grant of tcp/2002 for dora/robot from 2001:db8::2 ends: not one of their hours"
check "and their session lives on, without keeping the grant" talks hours

say "close --cut"
sed -i 's/^services: .*/services: [ssh, other, nas]/' "$D/etc/users/anna.yaml"
ctl reload >/dev/null
open_as 192.0.2.1 anna other
eventually 5 has 1
session mine "$CLI" 192.0.2.1 2006
contains "by a user's name" "$(ctl close anna --cut)" "ended 1 session"
refuse "it is gone" talks mine
check "nobody else's" talks both
contains "by an address" "$(ctl close 2001:db8::2 --cut)" "session"
refuse "it is gone" talks both
in_srv nft -f - <<'N'
	table ip admin {
		chain prerouting {
			type nat hook prerouting priority dstnat
			tcp dport 2222 redirect to :2006
		}
	}
N
open_as 192.0.2.1 anna other
eventually 5 can_connect "$CLI" 192.0.2.1 2222
session redirected "$CLI" 192.0.2.1 2222
ctl close 192.0.2.2 --cut >/dev/null
refuse "also where the administrator's own rule redirected it" talks redirected
in_srv nft delete table ip admin

say "panic"
open_as 192.0.2.1 anna ssh
open_as 192.0.2.1 anna nas
open_as 192.0.2.1 anna other
eventually 5 can_connect "$CLI" 192.0.2.1 2006
forwarded thief 40002
session local "$CLI" 192.0.2.1 2006
mkfifo "$D/admin.in"
# shellcheck disable=SC2086
in_cli $SSH root@192.0.2.1 sh <"$D/admin.in" >"$D/admin.out" 2>&1 &
exec {ADMIN}>"$D/admin.in"
run_there() { echo "$* 2>&1; echo done-$RANDOM-$((++RUNS)); echo" >&"$ADMIN" && eventually 10 grep -q "done-[0-9]*-$RUNS\$" "$D/admin.out"; }
RUNS=0
# As in a terminal multiplexer that was started in a session which is over.
run_there "env SSH_CONNECTION='192.0.2.2 1 192.0.2.1 22' setsid -w $KNOCKCTL --socket $D/run/control.sock panic </dev/null" || fail "ssh"
contains "asks where the caller's session cannot be told" "$(cat "$D/admin.out")" "be sure: --yes"
check "and closes nothing then" talks local
# sudo(8) leaves no trace of ssh in the environment.
run_there "env -i $KNOCKCTL --socket $D/run/control.sock panic" || fail "the session of whoever calls ends"
say "spares the session of whoever calls it"
contains "says what it did" "$(cat "$D/admin.out")" "nobody is let in until"
refuse "ends others" talks local
logged "ended by the panic: the session of 192.0.2.2 port 40002 at tcp/22 of 203.0.113.7 (nas)"
logged "ended by the panic: the session of 192.0.2.2 port [0-9]* at tcp/2006 (other)"
logged "spared is the session of 192.0.2.2 port"
dead thief thiefd
check "a reload does not end it" ctl reload
dead thief thiefd
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
contains "nor a restart" "$(ctl status)" "IN PANIC since"
dead thief thiefd
open_as 192.0.2.1 anna other
reaches refused panic 1
say "knocks are refused, with a reason of its own"
equal "nothing is open" "$(grants)" 0
run_there "echo here" || fail "the caller's session is gone"
check "the operator opens" ctl open 192.0.2.2 other --for 1m
check "and it is open" can_connect "$CLI" 192.0.2.1 2006
refuse "no trial" ctl try 1m
stop
echo damaged >"$D/state/panic"
chown "$UID_DAEMON" "$D/state/panic"
start
contains "a file that makes no sense is a panic" "$(ctl status)" "IN PANIC"
equal "in which all is closed" "$(grants)" 0
contains "it ends by its own verb" "$(ctl panic --over)" "knocks are let in again"
contains "once" "$(ctl panic --over)" "there was no panic"
open_as 192.0.2.1 anna other
eventually 5 can_connect "$CLI" 192.0.2.1 2006 || fail "knocks are not let in again"
dead thief thiefd
stop
echo damaged >"$D/run/owners"
start
lacks "and not after a restart" "$(ctl status)" "IN PANIC"
logged "is damaged: it is not known by whose grants the present sessions came"

say "no grant outlasts its user"
printf 'valid_until: %s\n' "$(date -u -d '+6 sec' +%Y-%m-%dT%H:%M:%SZ)" >>"$D/etc/users/anna.yaml"
ctl reload >/dev/null
open_as 192.0.2.1 anna other --lifetime 1h
short() { [ "$(ctl grants --json | grep -A1 '"endpoint": "tcp/2006"' | sed -n 's/.*in_s": \([0-9]*\),.*/\1/p')" -le 6 ]; }
eventually 3 short || fail "a grant is longer than its user: $(ctl grants)"
eventually 10 has 0
say "to the second"
stop
pass
