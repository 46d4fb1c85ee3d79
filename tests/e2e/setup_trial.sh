#!/bin/bash
# SPDX-License-Identifier: MIT
# The trial of "knockctl setup": it ends by itself where nobody comes, and says why; Ctrl-C, a lost ssh session and kill -9
# leave it to end by itself; and who comes back by a knock is the proof.
. "$(dirname "$0")/lib.sh"
begin setup-trial
. "$(dirname "$0")/setup_ground.sh"
all=(--user anna --login anna --host 192.0.2.1)
check "files and device" setup --yes --no-start --factor hmac "${all[@]}"
check "no port is shut" is_open
check "the profile is fetched" fetch anna laptop
sed -i '/otp_secret/d' "$D/profiles/anna-laptop.yaml"

nothing_stands() {
	check "the port is open again" eventually 15 is_open
	equal "no table stands" "$(in_srv nft list tables)" ""
	equal "it does not start at boot" "$(inside systemctl is-enabled xknockd || true)" disabled
}
# on_trial TIME: in the background, until the port is shut.
on_trial() {
	inside timeout -s KILL 120 knockctl setup --yes --time "$1" "${all[@]}" >"$D/watch" 2>&1 &
	WATCH=$!
	eventually 30 grep -q "The ports are shut" "$D/watch" || fail "it does not start: $(cat "$D/watch")"
}
is_over() {
	local code=0
	wait "$WATCH" || code=$?
	equal "it fails when the time is over" "$code" 1
	contains "the ports are open, it says" "$(cat "$D/watch")" "the ports are open again, as before"
}
open_by() { in_cli "$CLIENT" open 192.0.2.1 --profile "$1" --no-wait "${@:2}" ssh >/dev/null 2>&1 || true; }

say "nobody comes"
on_trial 3s
check "the port is shut" is_shut
is_over
contains "and why" "$(cat "$D/watch")" "no knock arrived at udp/62201"
nothing_stands

say "knocks that open nothing, and one that nobody follows"
sed "s|^key: .*|key: \"$(head -c 32 /dev/urandom | base64)\"|" "$D/profiles/anna-laptop.yaml" >"$D/other.yaml"
sed "s|^hmac_key: .*|hmac_key: \"$(head -c 32 /dev/urandom | base64)\"|" "$D/profiles/anna-laptop.yaml" >"$D/wrong.yaml"
chmod 600 "$D/other.yaml" "$D/wrong.yaml"
on_trial 6s
open_by "$D/other.yaml"
open_by "$D/wrong.yaml"
eventually 5 grep -q "refused: a knock of anna/laptop from 192.0.2.2: wrong-code" "$D/watch" || fail "it is not told: $(cat "$D/watch")"
say "a refusal is told when it happens"
open_by "$D/profiles/anna-laptop.yaml"
is_over
contains "a key of nobody" "$(cat "$D/watch")" "x dropped as tag: packets that no device's key made"
contains "a wrong second factor" "$(cat "$D/watch")" "x refused as wrong-code: the code was wrong"
contains "a knock without a connection" "$(cat "$D/watch")" "a knock opened ssh for 192.0.2.2 by anna/laptop, and no connection came"
nothing_stands

say "Ctrl-C while it watches, and a second run"
at_console "knockctl setup --only trial --time 12s"
answer "Shut the ports now"
sees "it watches" "The ports are shut"
t send-keys -t s:0 C-c
ended 1 "it stops"
contains "and says that the trial goes on" "$(screen)" "the trial goes on, and ends by itself"
check "the port is shut" is_shut
at_console "knockctl setup"
sees "a second run watches it again" "on trial already"
ended 1 "and says when it is over"
contains "as the first would have" "$(screen)" "the ports are open again, as before"
nothing_stands

say "kill -9"
on_trial 5s
inside pkill -KILL -x knockctl-host || fail "there is nobody to kill"
wait "$WATCH" || true
check "the port is shut" is_shut
nothing_stands

say "the ssh session is lost, and its person comes back by a knock"
person "knockctl setup --only trial --time 60s"
answer "Shut the ports now"
sees "it watches" "The ports are shut"
t kill-session -t s
gone() { ! inside pgrep -x knockctl-host; }
eventually 15 gone || fail "it goes on although its terminal is gone"
say "it ends with its terminal"
[ "$(left)" != null ] || fail "it was confirmed"
check "the trial goes on" is_shut
in_cli tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -s s -x 100 -y 70 "HISTFILE= exec bash --norc --noprofile"
# shellcheck disable=SC2086
type_line "clear; $SSH -t -o 'ProxyCommand $CLIENT proxy --profiles $D/profiles -- %h %p' root@192.0.2.1 'TERM=xterm knockctl setup'; echo ended\$?"
sees "their own session is the proof" "A connection from 192.0.2.2 to tcp/22 came through the gate, by a knock of anna/laptop"
ended 0
equal "the gate stays" "$(left)" null
equal "and starts at boot" "$(inside systemctl is-enabled xknockd)" enabled
pass
