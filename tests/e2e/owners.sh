#!/bin/bash
# SPDX-License-Identifier: MIT
# Bans have owners: each with a time of its own, the longest counts everywhere, each takes away its own only, and all of it
# outlives the daemon. With the forms in which addresses are logged, many programs at once, and a real fail2ban with two jails.
. "$(dirname "$0")/lib.sh"
begin owners
allow='gate: {allow: [192.0.2.128/25], never_ban: [203.0.113.0/28, "2001:db8:5::/64"]}'
configure "$allow"
enroll_everybody
start
listen 8022
banned() { ! can_connect "$STR" 198.51.100.1 8022; }
free() { can_connect "$STR" 198.51.100.1 8022; }
# owners ADDRESS: "REASON LEFT, ..." of the daemon's list, the longest first.
owners() {
	ctl bans --json | python3 -c '
import json, sys
for ban in json.load(sys.stdin)["bans"]:
    if ban["prefix"] == sys.argv[1]:
        print(", ".join("%s %s" % (o["reason"], o["expires_in_s"]) for o in ban["owners"]))' "$1"
}
# names ADDRESS: the same without the times.
names() { owners "$1" | sed -E 's/ [0-9]+(,|$)/\1/g'; }
nothing() { [ "$(ctl bans)" = "no bans" ]; }
in_nft() { in_srv nft list set inet xknock "$1"; }
# nft_minutes ADDRESS: of its element's time, rounded up; nothing of one for ever.
nft_minutes() {
	in_srv nft -j list set inet xknock banned4 | python3 -c '
import json, sys
for item in json.load(sys.stdin)["nftables"]:
    for e in item.get("set", {}).get("elem", []):
        e = e["elem"] if isinstance(e, dict) else {"val": e}
        if e["val"] == sys.argv[1]:
            print(-(-e["timeout"] // 60) if "timeout" in e else "for ever")' "$1"
}
again() { # kill -9, and a new daemon
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null || true
	start
}
S=198.51.100.66

say "reasons are escaped once, and what is shown can be typed again"
esc=$(printf '\033')
ugly="say \"hi\" \\ it's über${esc}[2J"
printed='say "hi" \ it'"'"'s \xc3\xbcber\x1b[2J'
ctl ban 203.0.113.77 --reason "$ugly" >/dev/null
contains "in the list" "$(ctl bans)" "$printed"
equal "in JSON" "$(ctl bans --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["bans"][0]["reason"])')" "$printed"
contains "in the log" "$(tail -n 1 "$D/log")" "banned 203.0.113.77 for ever by the operator (uid 0, root): $printed"
lacks "nothing else is printed" "$(ctl bans; ctl bans --json)" "$esc"
again
contains "after kill -9" "$(ctl bans)" "$printed"
in_srv nft list ruleset >"$D/saved-ruleset"
check "a ruleset that was saved with it can be read again" in_cli nft -c -f "$D/saved-ruleset"
equal "unban by what is shown" "$(ctl unban 203.0.113.77 --reason "$printed")" "unbanned 203.0.113.77"
long=$(printf 'ü%.0s' $(seq 100))
ctl ban 203.0.113.77 --reason "$long" >/dev/null
equal "a long one is cut" "$(ctl bans | tail -n 1 | tr -s ' ' | cut -d' ' -f4 | wc -c)" 124
equal "unban by the cut one" "$(ctl unban 203.0.113.77 --reason "$(ctl bans | tail -n 1 | tr -s ' ' | cut -d' ' -f4-)")" "unbanned 203.0.113.77"

say "a list without an end of its lines, or without an end"
ctl ban --stdin --reason list < <(head -c 30M /dev/zero; echo; echo 203.0.113.78) >"$D/out" 2>"$D/err" && fail "it was taken"
contains "what is no address is named, and no more of it" "$(cat "$D/err")" 'is not an address or network'
[ "$(wc -c <"$D/err")" -lt 2000 ] || fail "it says too much: $(wc -c <"$D/err") bytes"
contains "and the rest of the list is banned" "$(ctl bans)" 203.0.113.78
printf 'somewhere over the rainbow, and far from any address or network%.0s\n' {1..3000} |
	ctl ban --stdin >"$D/out" 2>"$D/err" && fail "it was taken"
contains "of many that are refused a thousand are named" "$(tail -n 1 "$D/err")" "and 2000 more"
ctl unban 203.0.113.78 >/dev/null

say "each has its own time"
ctl ban $S --for 600 --reason "fail2ban sshd" >/dev/null
ctl ban $S --for 604800 --reason "fail2ban recidive" >/dev/null
equal "the longest is in nftables" "$(nft_minutes $S)" 10080
contains "with its owner" "$(in_nft banned4)" 'comment "fail2ban recidive"'
contains "the short jail's unban is its own" "$(ctl unban $S --reason "fail2ban sshd")" "took away a ban of $S; it is still banned:"
check "the long one goes on" banned
equal "and is the only one" "$(names $S)" "fail2ban recidive"
contains "another one's unban is nobody's" "$(ctl unban $S --reason nobody)" "no such ban of $S; it is still banned:"
ctl ban $S --for 600 --reason "fail2ban sshd" >/dev/null
equal "a shorter one of another shortens nothing" "$(nft_minutes $S)" 10080
ctl ban $S --for 5s --reason "fail2ban recidive" >/dev/null
equal "nor does a shorter one of the same" "$(nft_minutes $S)" 10080
ctl unban $S --reason "fail2ban recidive" >/dev/null
check "without the longest they are still banned" banned
equal "for the next one's time in nftables" "$(nft_minutes $S)" 10
before=$(stat filter banned)
check "they are banned" banned
reaches filter banned $((before + 1))
say "at the network card"
ctl ban $S >/dev/null
equal "for ever, by the operator" "$(nft_minutes $S)" "for ever"
contains "which is the longest" "$(ctl bans | sed -n 2p | tr -s ' ')" "$S for ever"
check "the operator's own is taken away" ctl unban $S --reason ""
equal "the jail's stays" "$(nft_minutes $S)" 10
ctl ban $S --for 1h --reason two >/dev/null
equal "without a reason all of them go" "$(ctl unban $S)" "unbanned $S"
check "they are in" free
check "nobody is left" nothing

say "one ends, the other goes on"
ctl ban $S --for 1h --reason long >/dev/null
ctl ban $S --for 1s --reason short >/dev/null
one_left() { banned || fail "a gap"; [ "$(names $S)" = long ]; }
eventually 10 one_left || fail "the short one does not end: $(owners $S)"
check "no gap, and the time is the long one's" banned
equal "in nftables" "$(nft_minutes $S)" 60
ctl unban $S >/dev/null

say "restarts"
ctl ban $S --for 1h --reason one >/dev/null
ctl ban $S --for 2h --reason two >/dev/null
ctl ban 203.0.113.64/26 --for 1h --reason one >/dev/null
ctl ban 203.0.113.64/26 --reason two >/dev/null
again
equal "owners outlive the daemon" "$(names $S)" "two, one"
equal "those of a network too" "$(owners 203.0.113.64/26 | sed 's/36[0-9]*$/1h/;s/35[0-9]*$/1h/')" "two None, one 1h"
ctl unban $S --reason two >/dev/null
ctl unban 203.0.113.64/26 --reason two >/dev/null
again
equal "and what was taken away stays away" "$(names $S) $(names 203.0.113.64/26)" "one one"
equal "in nftables" "$(nft_minutes $S)" 60
kill -TERM "$DAEMON"
wait "$DAEMON"
printf '+ 203.0.113.99 203.0.113.99 - cut in the mid' >>"$D/run/bans"
start
equal "a line that was cut is none" "$(names 203.0.113.99)" ""
equal "and the others are there" "$(names $S)" one
kill -TERM "$DAEMON"
wait "$DAEMON"
echo "what is this" >>"$D/run/bans"
start
contains "a damaged file is said" "$(cat "$D/log")" "is damaged"
equal "the bans hold, with what nftables knows" "$(names $S) $(names 203.0.113.64/26)" "one one"
rm "$D/run/bans"
ctl ban 203.0.113.98 --for 1h --reason later >/dev/null
again
equal "without the file too" "$(names $S) $(names 203.0.113.64/26) $(names 203.0.113.98)" "one one later"
# The table is lost: what is written anew has the owners' times.
in_srv nft delete table inet xknock 2>/dev/null || true
put_back() { in_nft banned4 | matches "$S timeout"; }
eventually 10 put_back || fail "the table is not put back"
equal "owners outlive the table" "$(names $S)" one
ctl unban --all >/dev/null

say "a transaction that fails changes nothing"
# After a ban the next tick looks at connection tracking; the first message from here on is to be the transaction.
uptime() { ctl status --json | sed -n 's/ *"uptime_s": \([0-9]*\).*/\1/p'; }
began=$(uptime)
ticked() { [ "$(uptime)" -ge $((began + 2)) ]; }
eventually 10 ticked || fail "no time passes"
strace -qq -o /dev/null -p "$DAEMON" -e trace=sendto -e inject=sendto:error=ENOBUFS:when=1 2>"$D/strace" &
traced() { grep -q '^TracerPid:.[1-9]' "/proc/$DAEMON/status"; }
eventually 10 traced || fail "no strace: $(cat "$D/strace")"
refuse "nftables refuses" ctl ban $S --for 1h --reason one
contains "which is said" "$(cat "$D/out")" "sending to nf_tables"
kill %% 2>/dev/null || true
check "nobody is banned" nothing
check "at the network card neither" free
again
check "nor after a restart" nothing

say "a hundred and twenty at once"
# All of them in one moment: they come while it looks away.
kill -STOP "$DAEMON"
pids=()
for i in $(seq 120); do
	ctl ban "203.0.113.$((100 + i))" --for 1h --reason many >/dev/null 2>>"$D/many" &
	pids+=($!)
done
queued() { [ "$(in_srv ss -Hxl src "$D/run/control.sock" | awk '{print $3}')" -ge 120 ]; }
eventually 10 queued || fail "they do not come: $(in_srv ss -Hxl src "$D/run/control.sock")"
kill -CONT "$DAEMON"
lost=0
for pid in "${pids[@]}"; do wait "$pid" || lost=$((lost + 1)); done
equal "none is lost" "$lost $(cat "$D/many")" "0 "
equal "all are banned" "$(ctl bans --json | grep -c '"prefix"')" 120
equal "a flush of one owner" "$(ctl unban --all --reason many)" "unbanned 120"
check "leaves nobody" nothing

say "IPv4 in IPv6 clothes"
equal "is banned as IPv4" "$(ctl ban ::ffff:$S --for 1h --reason mapped)" "banned $S"
check "they are out" banned
equal "and unbanned" "$(ctl unban ::FFFF:$S --reason mapped)" "unbanned ::FFFF:$S"
check "they are in" free
equal "a network" "$(ctl ban ::ffff:198.51.100.64/122 --for 1h)" "banned 198.51.100.64/26"
check "they are out" banned
ctl unban 198.51.100.64/26 >/dev/null
contains "what may not be banned may not so either" "$(ctl ban ::ffff:192.0.2.200 2>&1 || true)" "gate.allow"
contains "open" "$(ctl open ::ffff:$S ssh --for 10m)" "for $S for 10m"
equal "close" "$(ctl close ::ffff:$S)" "closed 1 grant"

say "IPv6 by its network"
free6() { can_connect "$STR" 2001:db8:66::1 8022; }
ban6() { ctl ban "$@" --for 1h --reason f --ipv6-prefix 122; }
equal "an address bans its network" "$(ban6 2001:db8:66::77)" "banned 2001:db8:66::40/122"
refuse "others in it are out" free6
ban6 2001:db8:66::78 >/dev/null
contains "each address has its own" "$(ctl bans)" "f (2001:db8:66::78)"
contains "the end of one" "$(ctl unban 2001:db8:66::77 --reason f)" "still banned"
refuse "is not the end of the other" free6
again
equal "also for a new daemon" "$(ctl unban 2001:db8:66::78 --reason f)" "unbanned 2001:db8:66::78"
# What it was denied meanwhile is also to ask for our link-layer address.
eventually 10 free6 || fail "the end of both leaves a ban"
equal "IPv4 has no such network" "$(ban6 $S)" "banned $S"
equal "where the network holds this host, the address alone" \
	"$(ctl ban 2001:db8:66::66 --for 1h --ipv6-prefix 64)" "banned 2001:db8:66::66"
equal "or somebody who is spared" "$(ctl ban 2001:db8:5:1::7 --for 1h --ipv6-prefix 48)" "banned 2001:db8:5:1::7"
contains "a spared address is not" "$(ctl ban 2001:db8:5::7 --ipv6-prefix 48 2>&1 || true)" "is spared by gate.never_ban"
ban6 2001:db8:7::41 >/dev/null
ban6 2001:db8:7::42 >/dev/null
configure "${allow/]\}/, \"2001:db8:7::42\"]\}}"
check "somebody in it is spared from now on" ctl reload
equal "the others are banned alone" "$(names 2001:db8:7::41) $(names 2001:db8:7::42)$(names 2001:db8:7::40/122)" "f "
refuse "no network of three bits" ctl ban 2001:db8::1 --ipv6-prefix 3
equal "the IPv6 ones" "$(ctl unban --all --family inet6)" "unbanned 3"
equal "and the IPv4 one" "$(ctl unban --all --family inet4)" "unbanned 1"

say "where nftables has none of our sets"
stop
in_srv nft -f - <<-N
	table inet mine {
		set knock4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
		set knock6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
	}
N
in_srv "$XKNOCKD" --remove -c "$D/etc/xknock.yaml" >/dev/null 2>&1
configure 'gate: {mode: external, external: {table: mine, set4: knock4, set6: knock6}}'
start
equal "what was banned before --remove is not" "$(ctl bans)" "no bans"
ctl ban $S --for 1h --reason one >/dev/null
ctl ban $S --for 2h --reason two >/dev/null
again
equal "owners outlive the daemon here too" "$(names $S)" "two, one"
ctl unban $S --reason two >/dev/null
check "the other one's counts at the network card" banned
ctl unban $S >/dev/null
check "they are in" free
ctl ban 198.51.100.64/26 --for 1h --reason outer >/dev/null
ctl ban 198.51.100.64/28 --for 1s --reason inner >/dev/null
ctl ban 198.51.100.66/31 --for 1s --reason inmost >/dev/null
kill -STOP "$DAEMON"
sleep 1.3 # the inner ones end, and the filter, whose clock is the kernel's, decides alone
check "the end of a network inside another leaves no gap" banned
kill -CONT "$DAEMON"
equal "the outer one is left" "$(ctl unban 198.51.100.64/26)" "unbanned 198.51.100.64/26"
check "they are in" free
stop
configure "$allow"
start

say "by fail2ban, two jails"
F=$D/f2b
mkdir -p "$F/filter.d" "$F/action.d"
cp /etc/fail2ban/filter.d/{common,sshd,recidive}.conf "$F/filter.d/"
cp "$TOP/packaging/fail2ban/xknock.conf" "$F/action.d/"
cat >"$F/fail2ban.conf" <<-C
	[Definition]
	loglevel = INFO
	logtarget = $F/log
	syslogsocket = auto
	socket = $F/sock
	pidfile = $F/pid
	dbfile = $F/db
	dbpurgeage = 10d
	allowipv6 = auto
C
cat >"$F/jail.conf" <<-C
	[DEFAULT]
	backend = polling
	usedns = no
	findtime = 600
	maxretry = 3
	ignoreself = false
	action = xknock[knockctl="$KNOCKCTL", socket="$D/run/control.sock", ipv6_prefix=64]
	[sshd]
	enabled = true
	filter = sshd
	logpath = $F/auth.log
	bantime = 2
	[recidive]
	enabled = true
	filter = recidive
	logpath = $F/log
	bantime = 604800
	maxretry = 2
C
: >"$F/auth.log"
: >"$F/log"
f2b() { fail2ban-client -c "$F" -s "$F/sock" -p "$F/pid" "$@"; }
f2b_start() {
	fail2ban-server -c "$F" -s "$F/sock" -p "$F/pid" -f -x start >"$F/out" 2>&1 &
	eventually 20 f2b status recidive || fail "fail2ban does not start: $(cat "$F/out")"
}
logged() { [ "$(grep -c "$1" "$F/log")" -ge "$2" ]; }
wrong() {
	local i
	for i in 1 2 3; do
		printf '%s host sshd[77]: Invalid user x%s from %s port 400%s\n' "$(date '+%b %e %H:%M:%S')" "$i" "$1" "$i" >>"$F/auth.log"
	done
}
f2b_start
wrong $S
eventually 20 logged '\[sshd\] Unban' 1 || fail "no first ban: $(tail -n 5 "$F/log")"
wrong ::ffff:$S
eventually 20 logged '\[recidive\] Ban' 1 || fail "recidive does not ban: $(tail -n 5 "$F/log")"
eventually 20 logged '\[sshd\] Unban' 2 || fail "no second unban: $(tail -n 5 "$F/log")"
only_recidive() { [ "$(names $S)" = "fail2ban recidive" ]; }
eventually 5 only_recidive || fail "after sshd's unban: $(ctl bans)"
check "the recidivist is out when sshd's ban is over" banned
f2b set sshd bantime 3600 >/dev/null
# many ROUND: others each time, for recidive reads of them.
many() { python3 -c "print(*[f'100.64.$1.{i}' for i in range(80)], *[f'2001:db8:$1:{i:x}::1' for i in range(80)])"; }
# shellcheck disable=SC2046  # many words
f2b set sshd banip $(many 1) >/dev/null
count() { ctl bans --json | grep -c '"prefix"'; }
equal "many of both families" "$(count)" 161
contains "IPv6 by its network, as the action was told" "$(ctl bans)" 2001:db8:1:4f::/64
lines=$(wc -l <"$D/log")
check "a flush" f2b unban --all
equal "takes all of both families" "$(count || true)" 0
equal "with a transaction for each jail and family" "$(tail -n +$((lines + 1)) "$D/log" | grep -c 'took away')" 3
# shellcheck disable=SC2046
f2b set sshd banip $(many 2) >/dev/null
f2b set recidive banip $S >/dev/null
check "a second flush" f2b unban --all
equal "takes them too" "$(count || true)" 0
# shellcheck disable=SC2046
f2b set sshd banip $(many 3) >/dev/null
f2b set recidive banip $S >/dev/null
ctl ban $S --for 1h --reason operator >/dev/null
lines=$(wc -l <"$D/log")
check "stop" f2b stop
equal "takes all but the operator's" "$(ctl bans | tail -n +2 | tr -s ' ')" "$S 1h operator"
equal "in as few" "$(tail -n +$((lines + 1)) "$D/log" | grep -c 'took away')" 3
lacks "and one by one nobody" "$(tail -n +$((lines + 1)) "$D/log")" "unbanned "
sed -i 's/^bantime = 2$/bantime = 3600/' "$F/jail.conf"
f2b_start
eventually 60 logged 'Restore Ban' 161 || fail "it does not restore: $(tail -n 3 "$F/log")"
all_again() { [ "$(count)" = 161 ]; }
eventually 10 all_again || fail "restored are $(count)"
check "a start brings them back" test "$(names $S)" = "fail2ban recidive, operator"
f2b stop >/dev/null
# (Whoever asks for a jail before it is there makes an error of fail2ban's own.)
lacks "the action had no error" "$(grep -v fail2ban.transmitter "$F/log")" ERROR
stop
pass
