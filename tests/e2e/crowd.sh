#!/bin/bash
# SPDX-License-Identifier: MIT
# Ten thousand open grants while knocks go on: somebody else's listing of the ruleset still ends, because grants of many are
# opened together; none is lost, however the processes end, and however many come at once.
. "$(dirname "$0")/lib.sh"
# As it is shipped: with sanitizers the daemon takes three minutes for them.
begin crowd
DEVICES=210
configure 'gate: {max_grants: 65536}'
sed -i "s#^services:.*#services: {ssh: tcp/22, many: [$(seq -s, -f 'tcp/%g' 8001 8016)]}#" "$D/etc/xknock.yaml"
PROFILES=()
for i in $(seq $DEVICES); do
	enroll "user$i" key --factor none
	printf 'binding: explicit\nlifetime: 1h\n' >>"$D/etc/users/user$i.yaml"
	PROFILES+=(--profile "$(profile "user$i-key")")
done
start
stream() { in_cli "$STREAM" --to 192.0.2.1 "${PROFILES[@]}" "$@" </dev/zero >"$D/sent"; }
accepted() { [ "$(stat accepted open)" -ge "$1" ]; }
# Three knocks of each device, for sixteen ports.
stream --service many --count $((3 * DEVICES)) --interval-us 8000
eventually 60 accepted $((3 * DEVICES)) || fail "$(stat accepted open) of $((3 * DEVICES)) knocks are accepted"
equal "so many grants are open" "$(grants)" $((48 * DEVICES))
in_kernel() { in_srv nft -j list ruleset | grep -o '"concat"' | wc -l; }
before=$(in_kernel)

say "knocks go on, about a hundred in a second"
exec 8> >(exec nsenter --net="/run/netns/$CLI" "$STREAM" --to 192.0.2.1 "${PROFILES[@]}" \
	--addresses $((3 * DEVICES)) --endpoint tcp/8001 --interval-us 10000 >"$D/sent")
# Three listings at least, and as many as it takes until twenty knocks came beside them.
listings=0
while [ $listings -lt 3 ] || ! accepted $((3 * DEVICES + 20)); do
	[ $listings -lt 300 ] || fail "no twenty knocks are accepted during $listings listings"
	timeout 60 nsenter --net="/run/netns/$SRV" nft list ruleset >"$D/listing" || fail "nft list ruleset does not end"
	listings=$((listings + 1))
done
say "nft list ruleset ended $listings times meanwhile"
exec 8>&-
eventually 5 test -s "$D/sent" || fail "the knocks do not end"
sent=$(cat "$D/sent")
eventually 30 accepted $((3 * DEVICES + sent)) || fail "$(stat accepted open) accepted, not $((3 * DEVICES + sent))"
say "all $sent are accepted"
equal "no grant was lost by it" "$(in_kernel)" "$before"

say "grants that wait for their transaction when the daemon is killed, or its worker"
ssh_grants() { ctl grants --json | grep -c '"tcp/22"'; }
has_ssh_grants() { [ "$(ssh_grants)" = "$1" ]; }
listen 22
for victim in daemon worker daemon; do
	ctl close 192.0.2.2 >/dev/null
	equal "none is open" "$(ssh_grants)" 0
	before=$(stat accepted open)
	kill -STOP "$(worker_pid)"
	for i in 1 2 3; do
		"$PACKET" make --profile "$(profile "user$i-key")" --service ssh >"$D/packet"
		in_cli "$PACKET" send "$D/packet" --to 192.0.2.1 # once: nobody sends it again
	done
	kill -CONT "$(worker_pid)"
	eventually 5 accepted $((before + 3)) || fail "the knocks are not judged"
	if [ $victim = daemon ]; then kill -KILL "$DAEMON"; else kill -KILL "$(worker_pid)"; fi
	wait "$DAEMON" 2>/dev/null || true
	start
	eventually 5 has_ssh_grants 1 || fail "$(ssh_grants) grants of three knocks for one port"
	holders=$(ctl grants | grep ' tcp/22 ')
	for i in 1 2 3; do contains "$victim killed: the knock of user$i counts" "$holders" "user$i/key"; done
done
check "the port is open" can_connect "$CLI" 192.0.2.1 22
stop
start
equal "and a clean stop waits for none" "$(ctl grants --json | grep -c '"tcp/22"')" 1
stop

say "ten thousand users, who all knock while nobody judges: the ring has room for them"
rm "$D"/etc/users/* "$D"/etc/credentials/*
python3 "$E2E/enroll_many.py" "$D" 10000 "$UID_DAEMON" 'lifetime: 1h'
START_TIME=60
start
before=$(stat accepted open)
kill -STOP "$(worker_pid)" "$DAEMON"
senders=()
for i in 1 2501 5001 7501; do
	in_cli "$STREAM" --to 192.0.2.1 --profiles "$D/crowd" --first-profile $i --first "2001:db8:$i::" --count 2500 \
		--interval-us 200 </dev/zero >/dev/null &
	senders+=($!)
done
wait "${senders[@]}"
kill -CONT "$DAEMON" "$(worker_pid)"
eventually 60 accepted $((before + 10000)) || fail "$(($(stat accepted open) - before)) of 10000 are accepted: $(ctl stats)"
equal "none is lost, and all have their grants" "$(grants)" 10000
equal "who asks gets them all" "$(ctl users --json | grep -c '"knocks": 1')" 10000
stop
pass
