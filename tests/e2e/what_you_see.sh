#!/bin/bash
# SPDX-License-Identifier: MIT
# "What you see" in docs/client.md: each of its situations is made with a real ssh and daemon, by a user in a terminal of
# tmux, and the screen must be what the document prints. The document is the only place where that stands.
. "$(dirname "$0")/lib.sh"
begin what_you_see
command -v tmux >/dev/null || skip "needs tmux"
movable_clock
UID_ANNA=2000062204
configure
ENROLL_HOST=server.example.net enroll anna laptop --factor totp
ENROLL_HOST=backup.example.net enroll anna robot --factor hmac
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
start_sshd
start

say "the home of a user, with the names that the document has"
anna=$D/home/anna
mkdir -p "$anna/.config/xknock" "$anna/.ssh" "$D/bin" "$D/class/rtc/rtc0"
sed '/otp_secret/d' "$(profile anna-laptop)" >"$anna/.config/xknock/server.yaml"
{ cat "$(profile anna-robot)" && echo "wait: 2s"; } >"$anna/.config/xknock/backup.yaml"
ln -s "$(realpath "$CLIENT")" "$D/bin/knock-client"
cp "$D/ssh/id" "$anna/.ssh/id_ed25519"
sed 's/^192.0.2.1 /server.example.net /' "$D/ssh/known_hosts" >"$anna/.ssh/known_hosts"
cat >"$anna/.ssh/config" <<-'C'
	Host server.example.net
	    ProxyCommand knock-client proxy -- %h %p
	    ConnectTimeout 45
	    User root
C
chmod -R go= "$anna"
chown -R "$UID_ANNA:$UID_ANNA" "$anna"
printf '127.0.0.1 localhost\n192.0.2.1 server.example.net\n192.0.2.1 backup.example.net\n' >"$D/hosts"
{ cat /etc/passwd && echo "anna:x:$UID_ANNA:$UID_ANNA::/home/anna:/bin/sh"; } >"$D/passwd"

t() { tmux -S "$D/tmux/socket" "$@"; }
install -d -o "$UID_ANNA" "$D/tmux"
# shellcheck disable=SC2016  # for the other shell
unshare -m sh -c '
	mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/home" /home &&
	mount --bind "$0/class" /sys/class && cd /home/anna && exec "$@"' "$D" \
	nsenter --net="/run/netns/$CLI" setpriv --reuid "$UID_ANNA" --regid "$UID_ANNA" --clear-groups \
	env -i HOME=/home/anna PATH="$D/bin:$PATH" TERM=screen LC_ALL=C.UTF-8 PS1='$ ' TZ=UTC0 XK_SYNCHRONISED=yes \
	XK_CLOCK="$XK_CLOCK" LD_PRELOAD="$LD_PRELOAD" ASAN_OPTIONS="$ASAN_OPTIONS" \
	tmux -S "$D/tmux/socket" -f /dev/null new-session -d -s s -x 600 -y 40 sh
trap 'finish_after t kill-server' EXIT
PATH=$D/bin:$PATH t new-window -d -t s:1 sh # it has the PATH of who makes it

# The screen without its empty end.
screen() { t capture-pane -p -t "s:$1" | sed 's/ *$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
types() { t send-keys -t "s:$1" -l "$2" && t send-keys -t "s:$1" Enter; }
is_ready() { [ "$(screen "$1")" = '$' ]; }
# begins WINDOW: a clean screen. Between two situations every port is shut.
begins() {
	ctl close 0.0.0.0/0 >/dev/null
	types "$1" clear
	eventually 20 is_ready "$1" || fail "no shell is ready: $(screen "$1")"
}
asked() { [ "$(screen "$1" | grep -c '^Code for')" = "$2" ]; }
# question NUMBER: it stands on the screen of the first window.
question() { eventually 30 asked 0 "$1" || fail "question $1 is not asked: $(screen 0)"; }
code() { oathtool --totp -b "$secret"; }
wrong() { printf '%06d\n' $(((10#$(code) + $1) % 1000000)); }
ended() { [ "$(screen "$1" | tail -n 1)" = '$' ] && [ "$(screen "$1" | wc -l)" -gt 1 ]; }
# printed SITUATION [BLOCK]: what the document prints there.
printed() {
	awk -v wanted="### $1. " -v block="${2:-1}" '
		/^## / {inside = /^## What you see$/}
		/^### / {here = inside && index($0, wanted) == 1; blocks = 0}
		/^```/ {if (here && !open) blocks++; open = !open; next}
		here && open && blocks == block' "$TOP/docs/client.md"
}
commands() { printed "$@" | sed -n 's/^\$ //p'; }
# Only what cannot be the same twice: times, and how often a knock was repeated until the time was over.
same_for_all() {
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} \+0000/TIME/; s/used [0-9]+ s ago; the next one in [0-9]+ s/used N s ago; the next one in N s/
		s/[0-9]+ knocks?, then/N knocks, then/; s/[0-9.]+ ms after/N ms after/'
}
# shows SITUATION [BLOCK [WINDOW]]
shows() {
	eventually 60 ended "${3:-0}" || fail "situation $1 does not end: $(screen "${3:-0}")"
	diff <(printed "$1" "${2:-1}" | same_for_all) <(screen "${3:-0}" | sed '$d' | same_for_all) >"$D/diff" ||
		fail "situation $1 is not as the document has it (<): $(cat "$D/diff")"
	say "as printed: $(grep "^### $1\. " "$TOP/docs/client.md")"
}
# runs SITUATION: its only command.
runs() { types 0 "$(commands "$1")"; }

begins 0
next_step
runs 1
question 1
types 0 "$(code)"
shows 1

begins 0
next_step
runs 2
question 1
types 0 "$(wrong 1)"
question 2
used=$(code)
types 0 "$used"
shows 2

begins 0
runs 3
question 1
types 0 "$used"
question 2
next_step
types 0 "$(code)"
shows 3

begins 0
begins 1
next_step
runs 4
question 1
types 1 "$(commands 4 2)"
waits() { [ "$(ip netns pids "$CLI" | xargs -I{} readlink /proc/{}/exe | grep -c /knock-client$)" = 3 ]; } # two, and a guardian
eventually 30 waits || fail "the second login does not wait"
types 0 "$(code)"
shows 4
shows 4 2 1

begins 0
next_step
runs 5
question 1
for i in 1 2 3; do
	question "$i"
	types 0 "$(wrong "$i")"
done
shows 5

begins 0
# That the port was shut is seen only where the knock is judged behind the first attempts to connect.
kill -STOP "$(worker_pid)"
candidates=$(stat filter candidate)
runs 6
reaches filter candidate $((candidates + 1))
kill -CONT "$(worker_pid)"
shows 6

begins 0
commands 7 >"$D/commands"
while read -r line; do
	before=$(screen 0 | grep -c '^\$')
	types 0 "$line"
	next() { ended 0 && [ "$(screen 0 | grep -c '^\$')" -gt "$before" ]; }
	eventually 30 next || fail "it does not end: $(screen 0)"
done <"$D/commands"
shows 7

set_clock "$D/its-clock" $((AHEAD - 3630 * 1000000000))
types 0 "export XK_SYNCHRONISED=no XK_CLOCK=$D/its-clock"
begins 0
date +%s >"$D/class/rtc/rtc0/since_epoch"
runs 8
shows 8
types 0 "export XK_SYNCHRONISED=yes XK_CLOCK=$D/clock"
rm -r "$D/class/rtc"

begins 0
runs 9
shows 9

begins 0
ip -n "$CLI" link set cli0 down
runs 10
shows 10
equal "these are all" "$(sed -n '/^## What you see/,/^## /s/^### //p' "$TOP/docs/client.md" | wc -l)" 10
pass
