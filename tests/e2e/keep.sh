#!/bin/bash
# SPDX-License-Identifier: MIT
# knock-client keep: the grant outlives its lifetime and follows the address, and ends when keep is told to stop.
. "$(dirname "$0")/lib.sh"
begin keep
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
start
READS=yes listen 22
P=(--profiles "$D/profiles")
keep() { # OPTIONS
	background "$CLI" "$CLIENT" keep 192.0.2.1 ssh --profile anna-robot -v "${P[@]}" "$@" 2>"$D/kept"
	KEEPER=$BACKGROUND
}
told() { # SIGNAL
	local code=0
	kill "-$1" "$KEEPER"
	wait "$KEEPER" || code=$?
	equal "told by $1, it ends" "$code" 0
}

say "who asks a person is refused at once"
sed '/otp_secret/d' "$(profile anna-laptop)" >"$D/profiles/person.yaml"
chmod 600 "$D/profiles/person.yaml"
code=0
in_cli "$CLIENT" keep 192.0.2.1 ssh --profile person "${P[@]}" 2>"$D/err" </dev/null || code=$?
equal "with the code of a configuration that cannot work" "$code" 78
contains "and the reason" "$(cat "$D/err")" "needs a factor that answers by itself"
contains "and what to do" "$(cat "$D/err")" "--factor hmac"

# A grant that ended begins anew with the next knock. One that is prolonged in time begins once.
begun() { events grant_begun user=anna device=robot "$@"; }
opened() { echo $(($(begun) + $(events grant_prolonged user=anna device=robot))); }
# keeps_on TIMES: so many knocks more are granted.
keeps_on() {
	local wanted=$(($(opened) + $1))
	have_come() { [ "$(opened)" -ge "$wanted" ]; }
	eventually 90 have_come || fail "keep knocks no more"
}

say "longer than one lifetime"
before=$(begun)
keep --lifetime 8s --every 1h
eventually 10 granted || fail "keep opens nothing"
keeps_on 4
check "after twice the lifetime the port is still open" granted
equal "and it was never shut in between" "$(begun)" $((before + 1))
told TERM
shut_now() { [ "$(grants)" = 0 ]; }
check "the grant was closed" eventually 3 shut_now

say "where the server gives less than was asked for"
cat >>"$D/etc/users/anna.yaml" <<<'max_lifetime: 10s'
ctl reload >/dev/null
before=$(begun)
keep --lifetime 1h
eventually 10 granted || fail "keep opens nothing"
equal "it gives ten seconds" "$(begun seconds=10)" 1
keeps_on 3
equal "the next knocks leave no gap" "$(begun)" $((before + 1))
told TERM
check "the grant was closed" eventually 3 shut_now
code=0
in_cli "$CLIENT" keep 192.0.2.1 ssh --profile anna-robot "${P[@]}" --every 0s 2>"$D/err" || code=$?
equal "no time between knocks is none" "$code" 2
sed -i '/^max_lifetime: 10s/d' "$D/etc/users/anna.yaml"
ctl reload >/dev/null

say "where a name server does not answer"
printf '192.0.2.1 named.example\n' >"$D/hosts"
printf 'nameserver 192.0.2.1\noptions timeout:30 attempts:5\n' >"$D/resolv.conf"
in_srv nft 'table inet own { chain input { type filter hook input priority 0; udp dport 53 drop; }; }'
keep_named() {
	# shellcheck disable=SC2016  # for the other shell
	unshare -m sh -c 'mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf && shift &&
		exec nsenter --net="/run/netns/$1" "$2" keep named.example ssh --profile "$3" -v --every "$4"' _ \
		"$D" "$CLI" "$CLIENT" "$(profile anna-robot)" "$1" 2>"$D/kept" &
	KEEPER=$!
}
asks() { in_cli ss -Hun 'dport = :53' | matches .; }
ended() { ! grep -qs '^State:.[^Z]' "/proc/$KEEPER/status"; }
told_to_end() {
	kill -TERM "$KEEPER"
	check "it ends at once" eventually 20 ended
	local code=0
	wait "$KEEPER" || code=$?
	equal "as it was told" "$code" 0
}
keep_named 2s
eventually 10 granted || fail "keep opens nothing"
: >"$D/hosts"
eventually 20 asks || fail "it looks nothing up"
told_to_end
check "and closes the grant, at the address that it knew" eventually 3 shut_now
keep_named 2s
eventually 20 asks || fail "it looks nothing up"
told_to_end
in_srv nft delete table inet own

say "where the address changes"
keep --lifetime 1h --every 1h # so that it is the change that brings the next knock
eventually 10 granted || fail "keep opens nothing"
ip -n "$CLI" addr del 192.0.2.2/24 dev cli0
ip -n "$CLI" addr add 192.0.2.3/24 dev cli0
ip -n "$CLI" route replace default via 192.0.2.1
follows() { ctl grants | matches 192.0.2.3; }
check "the next knock comes from the new one, long before the lifetime" eventually 20 follows
check "and the port is open for it" granted

say "where there is no network for a while"
ip -n "$CLI" link set cli0 down
lost() { grep -q "Network is unreachable" "$D/kept"; }
check "it is said once" eventually 20 lost
: >"$D/first"
# Of each knock it is kept how it went.
failed_again() { find "$XDG_STATE_HOME/xknock/used" -type f -newer "$D/first" | matches .; }
check "and tried again" eventually 20 failed_again
ctl close 0.0.0.0/0 >/dev/null
ip -n "$CLI" link set cli0 up
ip -n "$CLI" route replace default via 192.0.2.1
check "the network's return is enough" eventually 30 follows
equal "the fault was not said again and again" "$(grep -c 'Network is unreachable' "$D/kept")" 1
told INT
ctl close 0.0.0.0/0 >/dev/null

say "with --leave"
keep --lifetime 1h --leave
eventually 10 granted || fail "keep opens nothing"
told HUP
check "the port stays open" granted
ctl close 0.0.0.0/0 >/dev/null

say "with a stored secret: a code counts once"
# All of this in one half minute. A jump of the clock here would be one more that the server has to see first.
until [ "$(into_step)" -lt 22 ]; do sleep 0.5; done
its_code=$(oathtool --totp -b "$(cat "$D/etc/credentials/anna.laptop.otp")")
background "$CLI" "$CLIENT" keep 192.0.2.1 ssh --profile anna-laptop "${P[@]}" --lifetime 1h 2>"$D/kept"
KEEPER=$BACKGROUND
eventually 10 granted || fail "keep opens nothing"
refuse "a login beside it does not send the same code" in_cli "$CLIENT" open 192.0.2.1 ssh --profile anna-laptop "${P[@]}" --no-wait \
	--otp "$its_code"
contains "because keep used it" "$(cat "$D/out")" "this code was used"
ip -n "$CLI" addr add 192.0.2.9/24 dev cli0
ip -n "$CLI" addr del 192.0.2.9/24 dev cli0
contains "what codes cannot do is said at the start" "$(cat "$D/kept")" "where the server gives less than a minute, the port is shut now and then"
waits() { [ "$(grep -c "waiting for the next one" "$D/kept")" -ge "$1" ]; }
check "a change in the same half minute has to wait" eventually 20 waits 1
next_step
twice() { [ "$(grep -c 'knocked for' "$D/kept")" -ge 2 ]; }
check "the next knock waits for the next code" eventually 40 twice
next_step
# What was made before the server saw its clock jump is refused.
seen() { [ "$(grep -c "was set forward" "$D/log")" -ge 2 ]; }
eventually 10 seen || fail "the server sees no jump of its clock"
told TERM
check "and so does the close" eventually 10 shut_now

say "with a program that gives no code"
printf '#!/bin/sh\necho $$ >%s\nexec sleep 600\n' "$D/its-pid" >"$D/slow"
mkdir -p "$D/home/xknock"
printf 'otp_command:\n  %s: [%s]\n' "$D/profiles/person.yaml" "$D/slow" >"$D/home/xknock/config.yaml"
chmod 700 "$D/slow" "$D/home/xknock"
chmod 600 "$D/home/xknock/config.yaml"
background "$CLI" env XDG_CONFIG_HOME="$D/home" "$CLIENT" keep 192.0.2.1 ssh --profile "$D/profiles/person.yaml" 2>"$D/kept"
KEEPER=$BACKGROUND
eventually 20 test -s "$D/its-pid" || fail "the program is not started: $(cat "$D/kept")"
told_to_end
refuse "the program is ended, too" kill -0 "$(cat "$D/its-pid")"

unit=$XK_BUILD/systemd/knock-client-keep@.service
mkdir "$D/units"
sed "s|^ExecStart=[^ ]*|ExecStart=$CLIENT|; /^Documentation/d" "$unit" >"$D/units/knock-client-keep@.service"
check "the unit of the user manager is well-formed" env XDG_RUNTIME_DIR="$D" systemd-analyze verify --user --man=no \
	"$D/units/knock-client-keep@.service"
equal "no code was sent twice" "$(stat refused code-used)" 0
pass
