# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The machine goes on from a live snapshot: with the memory of that moment, a wall clock that is behind by all the time
# since, and a battery clock that is right. What was accepted in that time it knows nothing of. This is gone through twice:
# first all that tells is the clock, then the machine has a generation id.
network
configure
echo 'clock_skew: 90s' >>"$CONFIG"
enroll
listen 22
start

battery() { cat /sys/class/rtc/rtc0/since_epoch; }
behind() { [ $(($(battery) - $(date +%s))) -ge 3 ]; }
refuse "the clocks agree" behind
# What an eavesdropper will have: knocks of the time that will be lost, each named by its moment.
for ahead in $(seq 3 3 75); do capture "/tmp/k$(($(date +%s) + ahead))" --clock "$ahead"; done
capture /tmp/now
accepted_as_new "a knock opens" /tmp/now
close_all
taken=$(date +%s)
echo SNAPSHOT >&3
eventually 60 behind || fail "this machine does not go on from a snapshot"
say "the machine goes on from the snapshot, $(($(battery) - $(date +%s))) s behind"
refused_as filter seen "what was accepted before it is remembered" /tmp/now
if grep -qi vm_gen_counter /sys/bus/acpi/devices/*/modalias; then
	eventually 5 grep -q "may go on from a snapshot, or be a copy" "$LOG" || fail "the log does not tell of the new generation"
	lost=$(($(date +%s) + 5))
	until [ -e /tmp/k$lost ]; do lost=$((lost - 1)); done
	refused_as refused horizon "it has a new generation id: a knock of the time that was lost is refused at once" "/tmp/k$lost"
	stop
	return
fi
date -s "@$(battery)" >/dev/null
eventually 5 grep -q "the wall clock was set forward by" "$LOG" || fail "the log does not say that the clock was set"
say "a time server sets the clock right, and the log says what that may mean"
lost=$(($(date +%s) - 2))
until [ -e /tmp/k$lost ]; do lost=$((lost - 1)); done
[ $lost -gt "$taken" ] || fail "no knock is of the time that was lost"
refused_as refused horizon "a knock of the time that was lost is refused" "/tmp/k$lost"
check "and who knocks from now on gets in at once" knock 192.0.2.1 robot
contains "judgement is as it was otherwise" "$(knockctl status)" "credentials  2, 0 locked"
stop
