# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The wall clock is set while xknockd runs, as an administrator or a time server gone wrong does it.
network
configure
enroll
listen 22
start

# jump SECONDS: sets the clock by so much.
jump() { date -s "@$(($(date +%s) + $1))" >/dev/null; }
# opens_at_once DESCRIPTION DEVICE: a client whose clock is the same gets in with its first knocks. knock-client gives up
# after ten seconds; a daemon that sleeps through a clock set back would take an hour.
opens_at_once() {
	local before
	before=$(stat accepted open)
	check "$1: a knock opens at once" knock 192.0.2.1 "$2"
	eventually 5 moved accepted open "$before" || fail "$1: nothing was accepted"
}
# said LINE TIMES: the log has it so often.
said() { [ "$(grep -c "$1" "$LOG")" -eq "$2" ]; }
WRONG="error: the wall clock is wrong"
RIGHT="info: the wall clock is right again"
clock_state() { knockctl status --json | sed -n 's/ *"clock": "\([a-z]*\)".*/\1/p'; }
tags() { knockctl status --json | sed -n 's/ *"tags": \([0-9]*\).*/\1/p'; }

# Back and forth, where the clock stays credible.
jump -3600
opens_at_once "one hour back, nothing accepted yet" robot
close_all
capture /tmp/past
accepted_as_new "an eavesdropper sees a knock (1)" /tmp/past
close_all
capture /tmp/held # and this one they keep from arriving
past=$(date +%s)

jump 3600
opens_at_once "one hour on" robot
close_all
refused_as filter tag "knock (1) has no tag any more" /tmp/past
capture /tmp/now
accepted_as_new "an eavesdropper sees a knock (2)" /tmp/now

jump 60
check "a grant that is open does not end with the clock" granted
close_all
opens_at_once "a minute on" laptop
jump -60
check "nor with the clock set back" granted
close_all
opens_at_once "a minute back" robot
close_all
refused_as filter seen "knock (2), whose time has come again, is refused by the filter" /tmp/now
kill_both
rm -r "$PINS"/maps*
start
# For one reason or the other: "date" drops the part of a second each time, so the knock may be of after the clock was set.
by_judge() { echo $(($(stat refused horizon) + $(stat refused replay))); }
more_by_judge() { [ "$(by_judge)" -gt "$before" ]; }
before=$(by_judge)
send_capture /tmp/now
eventually 5 more_by_judge || fail "the judge does not refuse knock (2)"
equal "and by the judge, when the filter's memory is lost" "$(grants)" 0
equal "nobody complained about the clock so far" "$(clock_state) $(grep -c "$WRONG" "$LOG")" "ok 0"

# Below what was accepted.
jump -3600
eventually 5 said "$WRONG" 1 || fail "the log does not say that the clock is wrong"
contains "one hour back: the log says that the clock is wrong, and what to do" "$(grep "$WRONG" "$LOG")" \
	'"knockctl clock accept"'
equal "the status too, and no tag is published" "$(clock_state) $(tags)" "wrong 0"
capture /tmp/fresh
refused_as filter tag "no fresh knock is let in" /tmp/fresh
refused_as filter tag "nor knock (1), whose time has come again" /tmp/past
refused_as filter tag "nor the one that was kept" /tmp/held
jump 3600
eventually 5 said "$RIGHT" 1 || fail "the log does not say that the clock is right"
say "one hour on: the log says that it is right again"
opens_at_once "and then" robot
close_all

# The operator says that it is right. On a slow machine an hour back would be too late for knock (1).
date -s "@$past" >/dev/null
eventually 5 said "$WRONG" 2 || fail "the log does not say that the clock is wrong"
capture /tmp/fresh
moment=$(date +%s)
contains "the operator overrides it" "$(knockctl clock accept)" "let in again in a minute at most"
eventually 5 said "$RIGHT" 2 || fail "the log does not say that the clock is right"
equal "the log says that it is right again, and so does the status" "$(clock_state)" ok
refused_as refused horizon "knock (1) is behind the horizon" /tmp/past
refused_as refused horizon "so is the one that was kept" /tmp/held
refused_as refused horizon "so is one of just before" /tmp/fresh
# The horizon stands at the moment + clock_skew, 30 s. Most of that can be skipped: what counts is the client's clock.
date -s "@$((moment + 25))" >/dev/null
capture /tmp/fresh
refused_as refused horizon "25 s later knocks are still refused" /tmp/fresh
eventually 30 fresh_knock_opens || fail "the horizon does not fall"
waited=$(($(date +%s) - moment))
[ $waited -le 60 ] || fail "the horizon falls after $waited s only"
say "after $waited s a machine's knock opens the port"
close_all
jump 30 # the horizon's own codes may count as used
check "and a person's code, although they used one an hour ahead" knock 192.0.2.1 laptop
close_all

# A grant of twenty seconds is open for twenty seconds of the machine's time, whatever the clock says meanwhile.
check "a grant for twenty seconds" knock 192.0.2.1 robot --lifetime 20s
opened=$(uptime)
left() { knockctl grants --json | sed -n 's/.*"expires_in_s": \([0-9]*\).*/\1/p' | head -n 1; }
for by in 3600 -7200 3600; do
	jump $by
	check "it stands with the clock set by $by s" granted
	[ "$(left)" -le $((21 - ($(uptime) - opened) / 100)) ] || fail "with the clock set by $by s it has $(left) s left"
done
jump -3600
kill_both
start
check "and when the next daemon takes it over by another clock" granted
[ "$(left)" -le $((21 - ($(uptime) - opened) / 100)) ] || fail "the next daemon gives it $(left) s"
shut() { ! granted; }
eventually 40 shut || fail "it does not end"
lived=$((($(uptime) - opened) / 100))
[ $lived -ge 18 ] || fail "it ended after $lived s"
[ $lived -le 30 ] || fail "it ended after $lived s only"
say "it ended after $lived s"
stop
