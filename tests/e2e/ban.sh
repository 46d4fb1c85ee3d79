#!/bin/bash
# SPDX-License-Identifier: MIT
# Bans: by the operator, and by a real fail2ban that tails a real sshd's log while real wrong logins happen. A ban counts
# in nftables, at the NIC and with the judge, closes grants, cuts sessions, and ends when it is to end.
. "$(dirname "$0")/lib.sh"
begin ban
configure 'gate: {allow: [192.0.2.128/25], never_ban: [203.0.113.0/28, 2001:db8:5::/48]}'
enroll_everybody
SSHD_PASSWORDS=yes start_sshd
start
knock_str() { in_str "$CLIENT" open 198.51.100.1 ssh --profile "$(profile anna-robot)" "$@" 2>/dev/null; }
reached() { can_connect "$STR" 198.51.100.1 22; }

say "by the operator"
listen 8022
knock_str
check "a ban" ctl ban 198.51.100.66 --for 1h --reason 'tests; "quotes" and 100% signs'
contains "is listed with time and reason" "$(ctl bans | tr -s ' ')" '198.51.100.66 1h tests; "quotes" and 100% signs'
refuse "the granted port is shut" reached
refuse "and every other port of the host" can_connect "$STR" 198.51.100.1 8022
equal "the grant is closed" "$(grants)" 0
contains "nftables holds it, with the reason" "$(in_srv nft list set inet xknock banned4)" '198.51.100.66 timeout 1h expires'
before=$(stat filter banned)
in_str "$CLIENT" open 198.51.100.1 ssh --profile "$(profile anna-robot)" --no-wait 2>/dev/null
reaches filter banned $((before + 1))
equal "its knocks end at the NIC" "$(grants)" 0
check "others are not touched" knock 192.0.2.1 anna-robot ssh
check "the same ban again is no error" ctl ban 198.51.100.66 --for 2h
equal "and no second one" "$(ctl bans --json | grep -c prefix)" 1
equal "it has the new time" "$(ctl bans | tr -s ' ' | sed -n 's/198.51.100.66 \(2h\).*/\1/p')" 2h
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
refuse "while no daemon runs the ban holds" can_connect "$STR" 198.51.100.1 8022
start
contains "a new daemon knows it, with what is left of its time" "$(ctl bans | tr -s ' ')" "198.51.100.66 2h"
check "unban" ctl unban 198.51.100.66
check "and everything is as it was" can_connect "$STR" 198.51.100.1 8022

say "sessions"
background "$SRV" socat TCP-LISTEN:8023,fork,reuseaddr EXEC:cat
eventually 5 listening 8023
session stranger "$STR" 198.51.100.1 8023
tracked() { in_srv cat /proc/net/nf_conntrack | grep 'src=198.51.100.66 .*dport=8023' >/dev/null; }
check "connection tracking knows one of theirs" tracked
ctl ban 198.51.100.66 --for 1h >/dev/null
refuse "a ban ends it" talks stranger
untracked() { ! tracked; }
eventually 5 untracked || fail "connection tracking still knows it"
say "and connection tracking forgets it"
ctl unban 198.51.100.66 >/dev/null
contains "unban of somebody who is not banned is no error" "$(ctl unban 198.51.100.66)" "was not banned"

check "a network" ctl ban 198.51.100.64/26 --for 1d --reason network
refuse "is banned" can_connect "$STR" 198.51.100.1 8022
contains "in nftables" "$(in_srv nft list set inet xknock banned_networks4)" 198.51.100.64/26
check "a network of IPv6" ctl ban 2001:db8:66::40/122
refuse "is banned" can_connect "$STR" 2001:db8:66::1 8022
check "a network inside a banned one" ctl ban 198.51.100.64/28
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
equal "after a restart all of them are known" "$(ctl bans --json | grep -c prefix)" 3
contains "with their reasons" "$(ctl bans)" network
for ban in 198.51.100.64/26 2001:db8:66::40/122; do check "unban $ban" ctl unban "$ban"; done
refuse "the network inside still is" can_connect "$STR" 198.51.100.1 8022
check "unban the last" ctl unban 198.51.100.64/28
check "free" can_connect "$STR" 198.51.100.1 8022

say "what must not be banned"
for prefix in 192.0.2.200 192.0.2.0/24 0.0.0.0/0; do
	refuse "$prefix" ctl ban $prefix
	contains "because it is allowed" "$(cat "$D/out")" "is allowed by gate.allow (192.0.2.128/25)"
done
refuse "what is spared" ctl ban 203.0.113.5
contains "is told" "$(cat "$D/out")" "is spared by gate.never_ban (203.0.113.0/28)"
refuse "nor a network around it" ctl ban 203.0.0.0/16
contains "which says so" "$(cat "$D/out")" "is spared by gate.never_ban (203.0.113.0/28)"
contains "our own address" "$(ctl ban 198.51.100.1 2>&1 || true)" "is an address of this host"
contains "everybody" "$(ctl ban ::/0 2>&1 || true)" "address"
contains "loopback" "$(ctl ban 127.9.9.9 2>&1 || true)" "loopback"
contains "a typing error" "$(ctl ban 198.51.100.66/24 2>&1 || true)" "did you mean 198.51.100.0/24?"
equal "nobody is banned" "$(ctl bans)" "no bans"

check "a ban for a second" ctl ban 198.51.100.66 --for 1s
free() { ctl bans | matches 'no bans'; }
eventually 10 free || fail "the ban does not end"
check "ends by itself" can_connect "$STR" 198.51.100.1 8022
check "a network for a second" ctl ban 198.51.100.64/26 --for 1s
eventually 10 free || fail "the ban of a network does not end"
check "ends too" can_connect "$STR" 198.51.100.1 8022

say "so many that a worker is behind with them"
# many SECONDS: bans 3000 addresses, each by a connection of its own.
many() {
	python3 - "$D/run/control.sock" "$1" <<-'P'
		import json, socket, struct, sys
		for i in range(3000):
		    with socket.socket(socket.AF_UNIX) as s:
		        s.connect(sys.argv[1])
		        body = json.dumps({"verb": "ban", "prefix": f"203.0.{i >> 8}.{i & 255}", "seconds": int(sys.argv[2])}).encode()
		        s.sendall(struct.pack(">I", len(body)) + body)
		        assert b'"banned"' in s.recv(1000)
	P
}
check "3000 bans" many 3600
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
equal "a new daemon knows all of them" "$(ctl bans --json | grep -c prefix)" 3000
check "and lets in who is not banned" knock 192.0.2.1 anna-robot ssh
check "all of them unbanned at once" ctl unban --all
equal "nobody is banned" "$(ctl bans)" "no bans"
check "3000 for a moment" many 2
eventually 15 free || fail "they do not end"
check "when all of them end at once the daemon goes on" ctl status

say "twenty thousand from standard input"
python3 -c 'for i in range(20000): print(f"100.64.{i >> 8}.{i & 255}")' >"$D/list"
sed '5i # a comment\n\n192.0.2.200\n  198.51.100.64/26  \nnobody\n198.51.100.1' "$D/list" >"$D/list.with"
knock_str --lifetime 60s
code=0
ctl ban --stdin --for 1h --reason list <"$D/list.with" >"$D/out" 2>"$D/err" || code=$?
equal "some of them cannot be banned" "$code" 1
equal "all others are" "$(cat "$D/out")" "banned 20001"
contains "each of those is named: allowed" "$(cat "$D/err")" "192.0.2.200: 192.0.2.200 is allowed by gate.allow"
contains "our own" "$(cat "$D/err")" "198.51.100.1: 198.51.100.1 is an address of this host"
contains "no address" "$(cat "$D/err")" "nobody: "
equal "and nobody else" "$(wc -l <"$D/err")" 3
refuse "who is in a network of the list is shut out, with their grant" reached
equal "in nftables too" "$(in_srv nft list set inet xknock banned4 | grep -o '100\.64\.[0-9.]*' | wc -l)" 20000
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
equal "a restart loses none" "$(ctl bans --json | grep -c prefix)" 20001
sed -i 's/$/\/32/' "$D/list"
code=0
{ cat "$D/list"; echo 198.51.100.64/26; } | ctl ban --stdin --for 1h --reason list >"$D/out" || code=$?
equal "a second time is no error" "$code $(cat "$D/out")" "0 banned 20001"
equal "and no second one" "$(ctl bans --json | grep -c '"prefix"')" 20001
equal "the first ten from standard input" "$(head "$D/list" | ctl unban --stdin --reason list)" "unbanned 10"
equal "the others at once" "$(ctl unban --all --reason list)" "unbanned 19991"
check "all of them for a moment" ctl ban --stdin --for 1s <"$D/list"
eventually 20 free || fail "they do not end"
refuse "neither a name nor --stdin" ctl ban
contains "is asked for" "$(cat "$D/out")" "ban whom?"

say "what is allowed from now on is banned no more"
ctl ban 198.51.100.66 >/dev/null
refuse "banned" reached
sed -i 's#allow: \[#allow: [198.51.100.64/26, #' "$D/etc/xknock.yaml"
check "reload" ctl reload
check "the ban is lifted" can_connect "$STR" 198.51.100.1 8022
contains "and the log says so" "$(cat "$D/log")" "unbanned 198.51.100.66: gate.allow or gate.never_ban contains it now"
sed -i 's#allow: \[198.51.100.64/26, #allow: [#' "$D/etc/xknock.yaml"
ctl reload >/dev/null

say "by fail2ban"
F=$D/f2b
mkdir -p "$F/filter.d" "$F/action.d"
cp /etc/fail2ban/filter.d/{common,sshd}.conf "$F/filter.d/"
cp "$TOP/packaging/fail2ban/xknock.conf" "$F/action.d/"
cat >"$F/fail2ban.conf" <<-C
	[Definition]
	loglevel = INFO
	logtarget = $F/log
	syslogsocket = auto
	socket = $F/sock
	pidfile = $F/pid
	dbfile = $F/db
	dbpurgeage = 1d
	allowipv6 = auto
C
cat >"$F/jail.conf" <<-C
	[DEFAULT]
	backend = polling
	usedns = no
	findtime = 600
	maxretry = 3
	bantime = 6
	bantime.increment = true
	bantime.multipliers = 1 100
	bantime.rndtime = 0
	ignoreself = false
	[ssh]
	enabled = true
	filter = sshd
	logpath = $F/auth.log
	action = xknock[knockctl="$KNOCKCTL", socket="$D/run/control.sock"]
C
: >"$F/auth.log"
# sshd writes to standard error without the head of a syslog line, which the filter wants.
background "$SRV" sh -c "tail -n0 -F --pid=$$ '$D/ssh/log' | while IFS= read -r line; do
	printf '%s host sshd[77]: %s\n' \"\$(date '+%b %e %H:%M:%S')\" \"\$line\"; done >>'$F/auth.log'"
f2b() { fail2ban-client -c "$F" -s "$F/sock" -p "$F/pid" "$@"; }
fail2ban-server -c "$F" -s "$F/sock" -p "$F/pid" -f -x start >"$F/out" 2>&1 &
eventually 20 f2b ping || fail "fail2ban does not start: $(cat "$F/out")"
knock_str --lifetime 60s
check "the stranger has a grant" reached
say "and tries passwords"
printf '#!/bin/sh\necho wrong\n' >"$D/askpass"
chmod +x "$D/askpass"
# One wrong password after the other, until that is enough. What is found behind a ban would count for the next one.
try_passwords() {
	for _ in 1 2 3 4; do
		in_str env SSH_ASKPASS="$D/askpass" SSH_ASKPASS_REQUIRE=force timeout 10 \
			ssh -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o PubkeyAuthentication=no \
			-o NumberOfPasswordPrompts=1 -o ConnectTimeout=5 admin@198.51.100.1 true >/dev/null 2>&1 || true
		if eventually 2 banned; then return; fi
	done
}
banned() { ctl bans | matches 198.51.100.66; }
banned_77() { ctl bans | matches 203.0.113.77; }
try_passwords
eventually 20 banned || fail "fail2ban does not ban: $(tail -qn 5 "$F/log" "$F/auth.log")"
contains "fail2ban bans them, with the jail's name" "$(ctl bans)" "fail2ban ssh"
refuse "they get nowhere" can_connect "$STR" 198.51.100.1 8022
equal "their grant is gone" "$(grants | sed -n 1p)" "$(ctl grants | grep -c '192.0.2.2')"
eventually 30 free || fail "fail2ban does not take the ban back: $(ctl bans) $(tail -n 5 "$F/log")"
say "the ban ends with fail2ban's ban time"
knock_str --lifetime 60s
try_passwords
eventually 20 banned || fail "fail2ban does not ban twice: $(tail -n 5 "$F/log")"
longer() { [ "$(ctl bans --json | sed -n 's/ *"expires_in_s": \([0-9]*\).*/\1/p' | sed -n 1p)" -gt 100 ]; }
eventually 20 longer || fail "a second ban is no longer than the first: $(ctl bans) $(tail -n 5 "$F/log")"
say "the second ban of the same address is longer, as bantime.increment says"
check "unban by hand" f2b set ssh unbanip 198.51.100.66
eventually 5 free || fail "unbanip does nothing"
check "a ban by hand" f2b set ssh banip 2001:db8:66::66
eventually 5 sh -c "'$KNOCKCTL' --socket '$D/run/control.sock' bans | grep -q 2001:db8:66::66" || fail "banip does nothing"
check "unban by hand" f2b set ssh unbanip 2001:db8:66::66
eventually 5 free || fail "unbanip does nothing"
for address in 203.0.113.77 2001:db8:66::77; do f2b set ssh banip $address >/dev/null; done
two() { [ "$(ctl bans --json | grep -c prefix)" = 2 ]; }
eventually 5 two || fail "two bans by hand are $(ctl bans)"
check "flush" f2b unban --all
eventually 5 free || fail "unban --all leaves $(ctl bans)"
f2b set ssh banip 203.0.113.77 >/dev/null
eventually 5 banned_77 || fail "banip does nothing"
check "stop" f2b stop
eventually 10 free || fail "fail2ban's stop leaves $(ctl bans)"
say "what fail2ban banned ends with it"
lacks "the action had no error" "$(cat "$F/log")" ERROR
stop
pass
