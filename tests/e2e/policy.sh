#!/bin/bash
# SPDX-License-Identifier: MIT
# A user's own rules: the networks and hours they may knock from and in, for whom they may open, how wrong codes are throttled,
# and the exchange of their key while the old one still works.
. "$(dirname "$0")/lib.sh"
begin policy
configure
enroll anna robot --factor hmac
enroll anna laptop --factor totp
enroll bob phone --factor none --service ssh
listen 22
start
rules() { # USER LINE...: these, and a reload
	sed -i '/^\(networks\|binding\|explicit_networks\|hours\|lockout\|valid_until\):/d' "$D/etc/users/$1.yaml"
	printf '%s\n' "${@:2}" >>"$D/etc/users/$1.yaml"
	ctl reload >"$D/out" 2>&1 || { cat "$D/out"; fail "rules ${*:2}"; }
}
knocks() { in_cli "$CLIENT" open 192.0.2.1 ssh --profile "$(profile "$1")" --no-wait "${@:2}" 2>/dev/null; }
has_grants() { [ "$(grants)" = "$1" ]; }
# granted_to / refused_with: one knock, and what became of it
granted_to() {
	ctl close 0.0.0.0/0 >/dev/null
	ctl close ::/0 >/dev/null
	knocks "$@"
	eventually 5 has_grants 1 || fail "no grant for $*"
	say "granted to $*"
}
refused_with() {
	local before
	ctl close 0.0.0.0/0 >/dev/null
	ctl close ::/0 >/dev/null
	before=$(stat refused "$1")
	knocks "${@:2}"
	reaches refused "$1" $((before + 1))
	equal "refused with $1: ${*:2}" "$(grants)" 0
}

say "networks"
rules bob 'networks: [198.51.100.0/24, 2001:db8:66::/64]'
refused_with network bob-phone
check "from one of them it is accepted" in_str "$CLIENT" open 198.51.100.1 ssh --profile "$(profile bob-phone)" --no-wait
eventually 5 has_grants 1 || fail "no grant from the user's own network"
rules bob 'networks: 192.0.2.0/24'
equal "whoever holds a grant elsewhere loses it by the reload" "$(grants)" 0
granted_to bob-phone

say "binding"
rules bob 'binding: match'
echo 'nat: never' >>"$D/profiles/bob-phone.yaml"
granted_to bob-phone
"$PACKET" make --profile "$(profile bob-phone)" --mode 0 >"$D/packet"
before=$(stat refused binding)
in_cli "$PACKET" send "$D/packet" --to 192.0.2.1
reaches refused binding $((before + 1))
say "match: a packet's source alone is not enough"
refused_with delegation bob-phone --for 203.0.113.9
rules bob 'binding: explicit'
granted_to bob-phone --for 203.0.113.9
granted_to bob-phone --for 2001:db8:9::9
rules bob 'binding: explicit' 'explicit_networks: [203.0.113.0/28]'
granted_to bob-phone --for 203.0.113.9
refused_with delegation bob-phone --for 203.0.113.16
granted_to bob-phone
rules bob 'binding: explicit' 'explicit_networks: [203.0.113.0/28]' 'networks: [192.0.2.2]'
granted_to bob-phone --for 203.0.113.9
granted_to bob-phone

say "hours, in the zone of this host"
day() { date -d "@$1" +%a | tr '[:upper:]' '[:lower:]'; }
now=$(date +%s)
rules bob "hours: [$(LC_ALL=C day "$now"), $(LC_ALL=C day $((now + 300)))]"
granted_to bob-phone
rules bob "hours: [$(LC_ALL=C day $((now + 172800))), \"$(LC_ALL=C day $((now + 259200))) 08:00-18:00\"]"
refused_with hours bob-phone
stop
# A zone twelve hours from here: the same minute is of another day there.
rules_of_zone() { rules bob "hours: [\"$(TZ=$1 LC_ALL=C day $((now - 300))) $(TZ=$1 date -d "@$((now - 300))" +%H:%M)-$(TZ=$1 date -d "@$((now + 900))" +%H:%M)\"]"; }
export TZ=XKT-11:30
start
rules_of_zone XKT-11:30
granted_to bob-phone
rules_of_zone UTC0
refused_with hours bob-phone
stop
unset TZ
start
rules bob

say "the throttle on wrong codes"
rules anna 'lockout: {free: 1, first: 2s, longest: 3s, most: 4}'
wrong() { "$PACKET" make --profile "$(profile anna-laptop)" --code "$1" >"$D/packet" && in_cli "$PACKET" send "$D/packet" --to 192.0.2.1; }
wrong 000001
reaches refused wrong-code 1
lacks "the first is free" "$(ctl users)" locked
wrong 000002
reaches refused wrong-code 2
contains "the second locks" "$(ctl users)" "locked for "
unlocked() { ! ctl users | grep locked >/dev/null; }
eventually 10 unlocked || fail "2 s do not end"
wrong 000003
reaches refused wrong-code 3
eventually 10 unlocked || fail "3 s do not end"
wrong 000004
reaches refused wrong-code 4
contains "the fourth locks for good" "$(ctl users | tr -s ' ')" "totp packet ssh, web, vpn locked 4"
ctl unlock anna >/dev/null
rules anna

say "a key is exchanged: both work until the old one ends"
in_days() { date -u -d "$1 days" +%Y-%m-%dT%H:%M:%SZ; }
enroll anna robot-2027 --factor hmac
echo "valid_until: $(in_days 14)" >>"$D/etc/credentials/anna.robot.yaml"
check "a reload" ctl reload
granted_to anna-robot
granted_to anna-robot-2027
sed -i "s/^valid_until: .*/valid_until: $(in_days -1)/" "$D/etc/credentials/anna.robot.yaml"
check "a reload" ctl reload
refused_with expired anna-robot
granted_to anna-robot-2027
contains "knockctl users says it" "$(ctl users | tr -s ' ')" "anna/robot hmac packet ssh, web, vpn expired"
rules anna "valid_until: $(in_days -2)"
refused_with expired anna-robot-2027
stop
pass
