#!/bin/bash
# SPDX-License-Identifier: MIT
# The main job on real parts: ssh with knock-client as its ProxyCommand gets into a real sshd that nobody else can see,
# over IPv4 and IPv6; the session outlives the grant, the grant ends by itself, and a scan sees the same before and
# after.
. "$(dirname "$0")/lib.sh"
begin main-job
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
ENROLL_HOST=2001:db8::1 enroll anna robot --factor hmac
sed -i 's/^# lifetime:.*/lifetime: 10s/' "$D/etc/users/anna.yaml"
start_sshd
# The admin's own ruleset drops what it does not know, as on a server at a provider; ssh it lets in.
in_srv nft -f - <<-N
	table inet filter {
	 chain input { type filter hook input priority filter; policy drop;
	  iif lo accept
	  ct state established,related accept
	  meta l4proto ipv6-icmp accept
	  tcp dport 22 accept
	 }
	}
N
check "before xknock the port is open to everybody" can_connect "$STR" 198.51.100.1 22
start
contains "the filter runs in native mode" "$(cat "$D/log")" "host0 (native), host1 (native)"
refuse "nobody gets to the port any more" can_connect "$STR" 198.51.100.1 22
refuse "nor does the client without a knock" granted

scan() { in_str nmap -n -Pn -sU -sS -p "U:53,62200-62202,T:21-23,80,443" --max-retries 1 --host-timeout 60s 198.51.100.1 |
	grep -E '^(PORT|[0-9]+/|All )'; }
scan >"$D/scan.before"
lacks "a stranger's scan finds nothing open or closed" "$(cat "$D/scan.before")" " closed"
refuse "no port answers" grep -qE '/(tcp|udp) +open ' "$D/scan.before"

proxy="$CLIENT proxy --profiles $D/profiles -v -- %h %p"
# The profile is found by the name of the host: a person's code for IPv4, a machine's key for IPv6.
for host in 192.0.2.1 2001:db8::1; do
	device=laptop
	[ "$host" = 192.0.2.1 ] || device=robot
	say "ssh to $host"
	# shellcheck disable=SC2086,SC2016
	out=$(in_cli $SSH -o ProxyCommand="$proxy" "root@$host" 'echo "in as $SSH_CONNECTION"' 2>"$D/ssh.err") ||
		fail "ssh: $(cat "$D/ssh.err")"
	contains "the command ran on the server, for a connection to $host" "$out" "$host 22"
	contains "after a knock" "$(cat "$D/ssh.err")" "after the knock"
	listed=$(in_srv nft list table inet xknock)
	contains "the grant carries the user's name and a time-out" "$listed" 'timeout 10s expires'
	contains "and the device" "$listed" "comment \"anna/$device\""
	contains "one line says who, what, for whom and until when" "$(cat "$D/log")" \
		"granted anna/$device ssh from ${host%1}2 (tcp/22) for 10s, until 20"
done

scan >"$D/scan.after"
equal "the stranger's scan sees the same as before" "$(cat "$D/scan.after")" "$(cat "$D/scan.before")"
refuse "the stranger still does not get to the port" can_connect "$STR" 198.51.100.1 22

say "a session outlives its grant"
# shellcheck disable=SC2086,SC2016  # words; for the other shell
coproc SESSION { in_cli $SSH -o ProxyCommand="$proxy" root@2001:db8::1 'echo begun; read -r word; echo "still $word"' 2>"$D/ssh.err"; }
# bash forgets these when the session has ended.
# shellcheck disable=SC2154
session=$SESSION_PID
# shellcheck disable=SC2154
exec 7<&"${SESSION[0]}" 8>&"${SESSION[1]}"
read -r -t 60 line <&7 || fail "no session: $(cat "$D/ssh.err")"
equal "the session began" "$line" begun
closed() { ! can_connect "$CLI" 2001:db8::1 22; }
eventually 30 closed || fail "the grant does not end"
say "the grant is shut again, by the kernel"
echo here >&8
read -r -t 10 line <&7 || fail "the session was cut"
equal "the session goes on" "$line" "still here"
wait "$session"
exec 7<&- 8>&-

stop
refuse "a daemon that was stopped leaves the ruleset" granted
daemon_command --remove
equal "after --remove the ruleset is the admin's alone" "$(in_srv nft list tables)" "table inet filter"
equal "and nothing is pinned" "$(ls "$D/bpf/xknock")" ""
check "and the port is as it was" can_connect "$STR" 198.51.100.1 22
pass
