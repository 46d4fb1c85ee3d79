#!/bin/bash
# SPDX-License-Identifier: MIT
# What happens is told as events, over the control socket and to the counters: knocks with what explains them, grants. A flood
# of refusals is told by a few of them and by its number, and holds up nobody.
. "$(dirname "$0")/lib.sh"
begin events
configure
enroll_everybody
crowd=24
for n in $(seq $crowd); do enroll crowd "d$n" --factor none --service ssh; done
listen 22
start

# The numbers of "knockctl stats --json", by two names: kind knock_refused; reason stale.
kind() { ctl stats --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["events"]["kinds"][sys.argv[1]])' "$1"; }
refused() { ctl stats --json | python3 -c 'import json, sys; print(sum(json.load(sys.stdin)["refused"].values()))'; }
told() { [ "$(events "$@")" -ge 1 ]; }

say "a knock, its grant, and its end"
check "a knock opens" knock 192.0.2.1 anna-laptop
equal "it was accepted" "$(events knock_accepted user=anna device=laptop source=192.0.2.2 action=open service=ssh)" 1
equal "a grant began" "$(events grant_begun user=anna device=laptop service=ssh address=192.0.2.2)" 1
ctl close anna >/dev/null
eventually 5 told grant_ended user=anna service=ssh || fail "no end is told"

say "refusals, with what explains them"
packet() { in_cli "$PACKET" send --to 192.0.2.1 "$1"; }
"$PACKET" make --profile "$(profile anna-robot)" --clock -45 --slot 1 >"$D/behind"
packet "$D/behind"
eventually 5 told knock_refused user=anna device=robot reason=stale || fail "a clock that is behind is not told of"
# Two of the clock's seconds may have begun before it arrived.
by_how_much=$(($(events knock_refused reason=stale clock_ahead_s=-45) + $(events knock_refused reason=stale clock_ahead_s=-46)))
equal "it is told by how much" "$by_how_much" 1
say "with the difference of the clocks"
knock_only 192.0.2.1 bob-phone tcp/80
eventually 5 told knock_refused user=bob reason=service grants=tcp/80 || fail "what it asked for is not told"

say "a flood"
profiles=()
for n in $(seq $crowd); do profiles+=(--profile "$(profile "crowd-d$n")"); done
before=$(kind knock_refused) all=$(refused)
in_cli "$STREAM" --to 192.0.2.1 "${profiles[@]}" --endpoint tcp/9 --interval-us 500 --count 1500 </dev/zero >"$D/sent"
check "a knock within it opens" knock 192.0.2.1 anna-robot
flood() { [ $(($(refused) - all)) -ge 600 ]; }
eventually 20 flood || fail "only $(($(refused) - all)) of the flood were judged"
few=$(($(kind knock_refused) - before))
if [ "$few" -lt 1 ] || [ "$few" -gt 30 ]; then fail "$few events of $(($(refused) - all)) refusals of one source"; fi
say "is a few events"
counted() { [ $(($(kind knock_refused) + $(kind refusals_suppressed))) = "$(refused)" ]; }
eventually 30 counted || fail "$(kind knock_refused) + $(kind refusals_suppressed) are not $(refused)"
say "and a number"
check "of which people hear" told refusals_suppressed
equal "the knock within it is an event" "$(events knock_accepted user=anna device=robot)" 1
stop
pass
