#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of xknockd and of its worker in turn, two hundred times at random moments, while knocks of many devices come
# and a stranger tries the port every millisecond. Each knock is sent once and is for an address of its own, so that in
# the end every single one can be asked for: it opened its grant, or it was refused with a reason; none is lost, none
# counts twice, no grant that was given is gone, and the stranger never got in.
. "$(dirname "$0")/lib.sh"
begin kills
KILLS=200 DEVICES=60 # each may hold 64 grants: enough for two and a half minutes
configure
PROFILES=()
for i in $(seq $DEVICES); do
	if [ $((i % 2)) = 0 ]; then factor=hmac; else factor=none; fi
	enroll "user$i" key --factor $factor
	sed -i '/^lifetime:/d' "$D/etc/users/user$i.yaml"
	printf 'binding: explicit\nlifetime: 1h\n' >>"$D/etc/users/user$i.yaml"
	PROFILES+=(--profile "$(profile "user$i-key")")
done
start
listen 22

# A knock every 40 ms; of each device far less than the filter lets through.
exec 8> >(exec nsenter --net="/run/netns/$CLI" "$STREAM" --to 192.0.2.1 "${PROFILES[@]}" --interval-us 40000 >"$D/sent")
exec 9> >(exec nsenter --net="/run/netns/$STR" "$PROBE" storm --to 198.51.100.1 8>&- >"$D/storm")

# What is started from here on must not hold the inputs of those two open.
launch() {
	background "$SRV" "$XKNOCKD" -v -c "$D/etc/xknock.yaml" --worker "$WORKER" >>"$D/log" 2>&1 8>&- 9>&-
	DAEMON=$BACKGROUND
}
killed_daemons=0 killed_workers=0
for i in $(seq $KILLS); do
	# While it starts, while it takes over what waits, or later.
	sleep "0.$(printf %03d $((RANDOM % 300)))"
	victim=$DAEMON
	if [ $((i % 2)) = 0 ]; then victim=$(worker_pid || echo "$DAEMON"); fi
	if [ "$victim" = "$DAEMON" ]; then killed_daemons=$((killed_daemons + 1)); else killed_workers=$((killed_workers + 1)); fi
	kill -KILL "$victim"
	wait "$DAEMON" 2>/dev/null || true
	launch
done
say "killed: xknockd $killed_daemons times, xknock-worker $killed_workers times"
eventually 20 ctl status || fail "the last daemon does not come up"

exec 8>&-
eventually 5 test -s "$D/sent" || fail "the load does not end"
sent=$(cat "$D/sent")
# What there is to be asked for a knock: the grants, the reasons of the judge, the filter's own.
sum() { ctl stats --json | sed -n "/\"$1\": {/,/}/s/ *\"\\($2\\)\": \\([0-9]*\\),*/\\2/p" | awk '{n += $1} END {print n + 0}'; }
accepted() { stat accepted open; }
refused() { sum refused '[a-z-]*'; }
dropped() { sum filter 'length\|source\|tag\|expired\|disabled\|mac\|seen\|rate\|ring-full'; }
all_judged() { [ $(($(accepted) + $(refused) + $(dropped))) -ge "$sent" ]; }
eventually 20 all_judged || true
say "$sent knocks sent: $(accepted) accepted, $(refused) refused, $(dropped) dropped by the filter"
say "refused as: $(ctl stats --json | sed -n '/"refused"/,/}/s/ *"\([a-z-]*\)": \([1-9][0-9]*\).*/\1 \2/p' | paste -sd, -)"
equal "knocks lost" $((sent - $(accepted) - $(refused) - $(dropped))) 0
equal "knocks that the filter dropped" "$(dropped)" 0
# Whose judging was killed three times is taken for one that ends the worker: a reason, and it may have got its grant.
crashed=$(stat refused crashed)
equal "knocks refused for anything but three kills in their judgement" $(($(refused) - crashed)) 0
[ "$crashed" -le $((KILLS / 10)) ] || fail "$crashed of $sent knocks were killed three times"
grants=$(grants)
[ $((grants + crashed)) -ge "$sent" ] || fail "$((sent - grants - crashed)) grants of accepted knocks are not there"
say "grants of accepted knocks that are not there: 0 of $(accepted)"
in_kernel() { in_srv nft list set inet xknock grants6 | grep -o '2001:db8:7::[0-9a-f]*' | sort -u | wc -l; }
equal "the kernel has each of them" "$(in_kernel)" "$grants"
longest() { ctl grants --json | sed -n 's/.*"expires_in_s": \([0-9]*\).*/\1/p' | sort -n | tail -1; }
[ "$(longest)" -le 3600 ] || fail "a grant is open for longer than an hour: $(longest) s"
say "none is open for longer than its hour"

exec 9>&-
eventually 5 test -s "$D/storm" || fail "the stranger does not end"
say "the stranger tried $(cut -d' ' -f1 "$D/storm") times"
equal "and got in" "$(cut -d' ' -f2 "$D/storm")" 0
stop
pass
