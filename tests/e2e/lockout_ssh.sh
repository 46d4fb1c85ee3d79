#!/bin/bash
# SPDX-License-Identifier: MIT
# Who starts the daemon in an ssh session that the gate would shut out next time is told so, and nothing is done: by real
# sessions of a real sshd, with sudo's empty environment too. A daemon of no session names those that live on.
. "$(dirname "$0")/lib.sh"
begin lockout-ssh
configure
enroll_everybody
start_sshd
before=$(in_srv nft list ruleset)
# A daemon that comes up although it should not is ended, however the test ends.
RUN="/usr/bin/timeout -s KILL 60 $XKNOCKD -v -c $D/etc/xknock.yaml --worker $WORKER"
# session HOST COMMAND: in an ssh session from the client. The shell does not become the command.
session() {
	local code=0
	# shellcheck disable=SC2086
	in_cli timeout 60 $SSH "root@$1" "$2; exit \$?" >"$D/out" 2>&1 || code=$?
	CODE=$code
}
# refused WHAT HOST CLIENT COMMAND
refused() {
	session "$2" "$4"
	equal "$1: refused" "$CODE" 1
	contains "says whom it shuts out" "$(cat "$D/out")" "your ssh session comes from $3, which has to knock next time"
	for word in gate.allow "knockctl try 5m" --force; do contains "names $word" "$(cat "$D/out")" "$word"; done
	equal "nothing is installed" "$(in_srv nft list ruleset)$(ls -A "$D/bpf/xknock" 2>/dev/null)" "$before"
	[ ! -e "$D/run" ] || fail "it made $D/run"
}
# started WHAT HOST COMMAND: it comes up and is ended by the session.
started() {
	: >"$D/session"
	session "$2" "$3 >$D/session 2>&1 & pid=\$!; for i in \$(seq 200); do grep -q ready: $D/session && break; kill -0 \$pid || break
		sleep 0.1; done; grep -q ready: $D/session; code=\$?; kill \$pid; wait \$pid; (exit \$code)"
	[ "$CODE" = 0 ] || fail "$1: $(cat "$D/session" "$D/out")"
	say "$1"
	daemon_command --remove >/dev/null 2>&1
	rm -rf "$D/run"
}
start_in_session() { started "$1" 192.0.2.1 "$RUN${2:+ $2}"; }

refused "by hand" 192.0.2.1 192.0.2.2 "$RUN"
refused "over IPv6" 2001:db8::1 2001:db8::2 "$RUN"
refused "sudo drops the environment" 192.0.2.1 192.0.2.2 "env -i $RUN"
refused "by SSH_CLIENT alone" 192.0.2.1 203.0.113.50 "env -i SSH_CLIENT='203.0.113.50 40000 22' $RUN"
refused "some generations above" 192.0.2.1 192.0.2.2 "env -i bash -c 'bash -c \"$RUN; exit \\\$?\"; exit \$?'"
session 192.0.2.1 "$RUN --check"
equal "--check is no start" "$CODE" 0

start_in_session "--force" --force
start_in_session "on trial" "--try 5m"
contains "which only warns" "$(cat "$D/session")" "warning: your ssh session comes from 192.0.2.2"
start_in_session "a dry run" --dry-run
say "the interface of the session is mistyped"
sed -i 's/^interfaces:.*/interfaces: [hsot0, host1]/' "$D/etc/xknock.yaml"
session 192.0.2.1 "$RUN --force"
equal "refused, with --force too" "$CODE" 1
contains "and said" "$(cat "$D/out")" "your ssh session comes in by host0, where no knock will be heard"
contains "with the name" "$(cat "$D/out")" '"hsot0", which it names, is not there'
start_in_session "on trial" "--try 5m"
contains "which only warns" "$(cat "$D/session")" "comes in by host0, where no knock will be heard"
sed -i 's/^interfaces:.*/interfaces: [host0, hsot1]/' "$D/etc/xknock.yaml"
start_in_session "another one is mistyped" --force
sed -i 's/^interfaces:.*/interfaces: [host0, host1]/' "$D/etc/xknock.yaml"
echo 'gate: {allow: [192.0.2.0/25]}' >>"$D/etc/xknock.yaml"
start_in_session "from a network of gate.allow"
lacks "without a word" "$(cat "$D/session")" "has to knock"
configure 'gate: {allow: [203.0.113.0/24]}'
refused "from another" 192.0.2.1 192.0.2.2 "$RUN"
configure
started "from an address of this host" 192.0.2.1 "env SSH_CONNECTION='198.51.100.1 40000 192.0.2.1 22' setsid -w $RUN"
in_srv nft 'add table inet mine; add set inet mine a { type ipv4_addr . inet_proto . inet_service; flags timeout; };
	add set inet mine b { type ipv6_addr . inet_proto . inet_service; flags timeout; }'
configure 'gate: {mode: external, external: {table: mine, set4: a, set6: b}}'
start_in_session "in gate mode external the rules of others decide"
in_srv nft delete table inet mine
configure

say "a session of another network does not concern this one"
# What a developer has who runs this very test over ssh.
export SSH_CONNECTION="203.0.113.99 40000 203.0.113.1 22"
start
stop
daemon_command --remove >/dev/null 2>&1
unset SSH_CONNECTION

say "no session that starts it: those that live on are named"
background "$SRV" socat TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 PIPE
background "$SRV" socat TCP6-LISTEN:8080,fork,reuseaddr,ipv6only=0 PIPE
for port in 80 8080; do eventually 5 listening $port; done
for end in "$CLI 192.0.2.1:80" "$CLI 192.0.2.1:80" "$CLI [2001:db8::1]:80" "$STR 198.51.100.1:8080" "$SRV 127.0.0.1:80" \
	"$SRV 192.0.2.1:80"; do
	background "${end% *}" socat -u "TCP:${end#* }" OPEN:/dev/null
done
sessions() { [ "$(in_srv ss -Htn state established 'sport = :80 or sport = :8080' | wc -l)" -ge 6 ]; }
eventually 10 sessions || fail "there are not six sessions: $(in_srv ss -tn)"
: >"$D/log"
start
living() { grep -o 'session from .*' "$D/log" | sort; }
wanted=$(printf 'session from %s to tcp/80 lives on, but %s has to knock next time\n' 192.0.2.2 192.0.2.2 2001:db8::2 2001:db8::2)
equal "one line for each address" "$(living)" "$wanted"
stop
: >"$D/log"
start
equal "but not where the ruleset stood: they have knocked" "$(living)" ""
stop
daemon_command --remove >/dev/null 2>&1
for n in $(seq 10 29); do
	ip -n "$CLI" addr add "192.0.2.$n/24" dev cli0
	background "$CLI" socat -u "TCP:192.0.2.1:80,bind=192.0.2.$n" OPEN:/dev/null
done
many() { [ "$(in_srv ss -Htn state established 'sport = :80' | wc -l)" -ge 25 ]; }
eventually 10 many || fail "there are not so many sessions"
: >"$D/log"
start
equal "not more than sixteen lines" "$(living | wc -l)" 16
contains "the others are counted" "$(cat "$D/log")" "and sessions from 6 more addresses"
stop
daemon_command --remove >/dev/null 2>&1
echo 'gate: {allow: [192.0.2.0/24, "2001:db8::/32"]}' >>"$D/etc/xknock.yaml"
: >"$D/log"
start
equal "nobody whom gate.allow has" "$(living)" ""
stop
pass
