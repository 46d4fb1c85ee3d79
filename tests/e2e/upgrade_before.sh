#!/bin/bash
# SPDX-License-Identifier: MIT
# From the release before to this one and back, with the real programs of both: bans with owners and reasons, a locked
# device, a used code, a disabled device, grants of every shape, what the filter has seen. Each of them must be found
# again, whatever was lost on the way: the filter's maps, the file of bans, or both.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
begin upgrade_before
BEFORE=$("$E2E/previous_release.sh" | tail -n 1)
NOW_XKNOCKD=$XKNOCKD NOW_WORKER=$WORKER NOW_HOOKS=$HOOKS NOW_KNOCKCTL=$KNOCKCTL
release_before() {
	XKNOCKD=$BEFORE/daemon/xknockd WORKER=$BEFORE/daemon/xknock-worker HOOKS=$BEFORE/daemon/xknock-hooks
	KNOCKCTL=$BEFORE/tools/knockctl
}
this_release() { XKNOCKD=$NOW_XKNOCKD WORKER=$NOW_WORKER HOOKS=$NOW_HOOKS KNOCKCTL=$NOW_KNOCKCTL; }

release_before
configure "clock_skew: 90s" # a packet must not grow too old on a slow machine
sed -i 's|^services:.*|services:|' "$D/etc/xknock.yaml"
sed -i '/^services:/r /dev/stdin' "$D/etc/xknock.yaml" <<'C'
  ssh: {ports: tcp/22, lifetime: 1h, max_lifetime: 2h}
  games: {ports: tcp/6000-6010, lifetime: 1h, max_lifetime: 2h}
  nas: {target: 198.51.100.66, ports: tcp/445, lifetime: 1h, max_lifetime: 2h}
  once: {ports: tcp/2004, single: true, lifetime: 1h, max_lifetime: 2h}
C
enroll anna laptop --factor totp
enroll anna robot --factor hmac
enroll carl laptop --factor totp
enroll bob phone --factor none --service ssh
sed -i '$ a lockout: {free: 1, first: 1h, longest: 2h, most: 9}' "$D/etc/users/carl.yaml"
sed -i '$ a enabled: false' "$D/etc/credentials/bob.phone.yaml"
ports_are_open() { granted 22 && can_connect "$CLI" 2001:db8::1 22; }
listen 22 6005 2004 9

# --- what there is, and whether all of it is there ---

used() { # PART REASON: the packet with the used code, sent again
	local before
	before=$(stat "$1" "$2")
	in_cli "$PACKET" send "$D/code" --to 192.0.2.1
	reaches "$1" "$2" $((before + 1))
}
disarm() {
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null || true
	DAEMON=
}
bans() { # each ban with its owners, and its time in hours, rounded up
	ctl bans --json | python3 -c 'import json, sys
for ban in json.load(sys.stdin)["bans"]:
    for claim in ban["owners"]:
        left = claim["expires_in_s"]
        print(ban["prefix"], claim["reason"] or "-", "ever" if left is None else -(-left // 3600))' | sort
}
all_grants() { ctl grants | tr -s ' ' | grep -oE '^[0-9a-f.:]+ (tcp|udp)/[0-9-]+( of [0-9a-f.:]+)? [a-z]+' | sort; }
hours() { # of grants: those that end in 50 to 60 minutes
	ctl grants --json | python3 -c 'import json, sys
print(sum(3000 < g["expires_in_s"] <= 3600 for g in json.load(sys.stdin)["grants"]))'
}
BANS="198.51.100.66 - ever
2001:db8:9::/64 noise 2
203.0.113.64/26 net 3
203.0.113.9 operator ever
203.0.113.9 sshd 1"
# Without the file each address has the owner whose ban is the longest.
BANS_OF_ONE="198.51.100.66 - ever
2001:db8:9::/64 noise 2
203.0.113.64/26 net 3
203.0.113.9 operator ever"
GRANTS="192.0.2.2 tcp/2004 once
192.0.2.2 tcp/22 ssh
192.0.2.2 tcp/445 of 198.51.100.66 nas
192.0.2.2 tcp/6000-6010 games
2001:db8::2 tcp/22 ssh"
finds_everything() { # WHAT [BANS]
	say "$1: everything is found"
	equal "the bans, with owners, reasons and times" "$(bans)" "${2:-$BANS}"
	equal "the grants" "$(all_grants)" "$GRANTS"
	equal "with the time that is left of them" "$(hours)" 5
	check "they work" ports_are_open
	check "a range too" granted 6005
	# The key has had another name.
	contains "the locked device" "$(ctl users --json)" '": "locked for '
	contains "the disabled device" "$(ctl users --json)" '": "disabled'
	refuse "who is banned gets through nowhere" can_connect "$STR" 198.51.100.1 9
	equal "counters go on" "$([ "$(stat accepted open)" -ge "$ACCEPTED" ] && [ "$(stat refused wrong-code)" -ge "$WRONG" ] &&
		[ "$(stat filter candidate)" -ge "$CANDIDATES" ] && echo yes)" yes
}

say "the release before, and what it knows"
start
for how in "192.0.2.1 anna-robot ssh" "2001:db8::1 anna-robot ssh" "192.0.2.1 anna-robot games" "192.0.2.1 anna-robot nas" \
	"192.0.2.1 anna-robot once"; do
	read -r address name service <<<"$how"
	in_cli "$CLIENT" open "$address" "$service" --profile "$(profile "$name")" --no-wait 2>/dev/null
done
has_five() { [ "$(grants)" = 5 ]; }
eventually 5 has_five || fail "not five grants: $(ctl grants)"
"$PACKET" make --profile "$(profile anna-laptop)" --endpoint tcp/22 >"$D/code"
before=$(stat accepted open)
in_cli "$PACKET" send "$D/code" --to 192.0.2.1
reaches accepted open $((before + 1))
for code in 1 2; do
	"$PACKET" make --profile "$(profile carl-laptop)" --code "00000$code" >"$D/packet"
	in_cli "$PACKET" send "$D/packet" --to 192.0.2.1
	reaches refused wrong-code "$code"
done
ctl ban 203.0.113.9 --for 1h --reason sshd >/dev/null
ctl ban 203.0.113.9 --reason operator >/dev/null
ctl ban 198.51.100.66 >/dev/null
ctl ban 203.0.113.64/26 --for 3h --reason net >/dev/null
ctl ban 2001:db8:9::/64 --for 2h --reason noise >/dev/null
ACCEPTED=$(stat accepted open) WRONG=$(stat refused wrong-code) CANDIDATES=$(stat filter candidate)
finds_everything "before"
used filter seen

say "the upgrade"
stop
cp -p "$D/state/state" "$D/copy"
this_release
start
contains "it goes on with the memory of this boot" "$(ctl status)" "begun with the memory of this boot, which had another layout"
finds_everything "after it"
used filter seen
refuse "nothing is left beside it" test -e "$D/run/state.next"
equal "no start failed" "$(grep -c error "$D/log")" 0
disarm
rm "$D"/bpf/xknock/maps[1-9]*/seen
start
lacks "from then on it is this release's" "$(ctl status)" "another layout"
used refused replay
say "the used code is known without the filter too"
finds_everything "after kill -9"

say "over a reboot, with the copy of the release before"
stop
rm "$D/run/state"
cp "$D/copy" "$D/state/state"
start
contains "it is read" "$(ctl status)" "begun with the copy of a clean stop"
finds_everything "after a reboot that the rest outlived"

say "what the filter's maps held, where they are of another layout"
disarm
mv "$D"/bpf/xknock/maps[1-9]* "$D/bpf/xknock/maps0" # as a release before would have them
rm "$D/run/bans" # only the maps know the times of networks now
start
finds_everything "from the old maps" "$BANS_OF_ONE"
refuse "the old pins are gone" test -e "$D/bpf/xknock/maps0"

say "what nftables alone knows"
disarm
rm "$D/run/bans" "$D"/bpf/xknock/maps[1-9]*/banned_* "$D"/bpf/xknock/maps[1-9]*/seen
start
finds_everything "from the sets" "$BANS_OF_ONE"

say "back by one release, and nothing of the bans is lost"
ctl ban 203.0.113.9 --for 1h --reason sshd >/dev/null
stop
release_before
start
equal "the bans, with owners, reasons and times" "$(bans)" "$BANS"
equal "the grants" "$(all_grants)" "$GRANTS"
contains "its memory it cannot read: the freshness limit stands in for it" "$(ctl status)" "knocks of before are refused"
stop
this_release
start
equal "and forth again: the bans" "$(bans)" "$BANS"
equal "the grants" "$(all_grants)" "$GRANTS"
stop

pass
