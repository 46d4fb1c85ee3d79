#!/bin/bash
# SPDX-License-Identifier: MIT
# What becomes of the logins that wait behind a question: it is answered rightly, three times wrongly, interrupted, or its
# asker is killed; and those that want something else.
. "$(dirname "$0")/lib.sh"
begin prompt_outcome
. "$(dirname "$0")/prompt_ground.sh"
listen 80
open_command() { printf '%s' "$CLIENT open 192.0.2.1 --profiles $D/profiles $*; echo end\$?"; }
find_asker() { first=$(asker); }
wrong() { printf '%06d' $(((10#$(code) + $1) % 1000000)); }
# clients NUMBER: so many run, with the guardian of the one that asks.
clients() {
	[ "$(ip netns pids "$CLI" | xargs -I{} readlink /proc/{}/exe | grep -c "^$(realpath "$CLIENT")\$")" = "$1" ]
}
waiter() { # a client that waits for $first, and no guardian
	local pid
	for pid in $(ip netns pids "$CLI"); do
		[ "$(readlink "/proc/$pid/exe")" = "$(realpath "$CLIENT")" ] && [ "$pid" != "$first" ] &&
			[ "$(ps -o sid= -p "$pid" | tr -d ' ')" != "$pid" ] && echo "$pid" && return
	done
	return 1
}
asks() { [ "$(questions "$1")" = "$2" ] && has_no_echo "$1"; }
# begins WINDOW COMMAND: on a clean screen.
begins() { type_line "$1" "clear; $2"; }
all_end() { eventually 60 clients 0 || fail "they do not end: $(screen 0) $(screen 1)"; }
anew() {
	all_end
	shut
	ctl unlock anna/laptop >/dev/null
	next_step
}

say "eight logins at once"
next_step
begins 0 "seq 8 | xargs -P 8 -n 1 $D/login; echo all\$((1+1))"
eventually 60 clients 9 || fail "they do not begin: $(screen 0)"
eventually 20 has_no_echo 0 || fail "nobody asks"
type_line 0 "$(code)"
eventually 60 shows 0 all2 || fail "they do not end: $(screen 0)"
equal "all are in" "$(screen 0 | grep -c '^in ')" 8
equal "one question was asked" "$(questions 0)" 1
check "the terminal has its echo" has_echo 0

# Where a port that answers is not enough, it is the note alone that says so.
{ cat "$(profile anna-laptop)" && echo "probe_ms: 0"; } >"$D/unwatched.yaml"
chmod 600 "$D/unwatched.yaml"
for wish in "ssh --lifetime 60s" web "ssh --profile $D/unwatched.yaml"; do
	anew
	ctl open 192.0.2.2 ssh --for 5m >/dev/null
	begins 0 "$(open_command "$wish")"
	eventually 20 asks 0 1 || fail "nobody asks: $(screen 0)"
	begins 1 "$(open_command "$wish")"
	eventually 20 clients 3 || fail "the second one does not wait: $(screen 1)"
	type_line 0 "$(code)"
	eventually 30 shows 0 end0 || fail "it does not open: $(screen 0)"
	eventually 30 shows 1 end0 || fail "the second one does not go on: $(screen 1)"
	equal "open $wish: the second one goes on with the first one's grant" "$(questions 1)" 0
	begins 1 "$(open_command "$wish")"
	eventually 20 asks 1 1 || fail "a later one is not asked: $(screen 1)"
	say "and one that begins later is asked"
	t send-keys -t s:1 C-c
done

for wish in "ssh --lifetime 2m" "web --lifetime 60s" "ssh --lifetime 60s -4" "ssh --lifetime 60s --source 192.0.2.2"; do
	anew
	ctl open 192.0.2.2 web --for 5m >/dev/null # who goes on with the other's grant would get in
	begins 0 "$(open_command ssh --lifetime 60s)"
	eventually 20 asks 0 1 || fail "nobody asks: $(screen 0)"
	begins 1 "$(open_command "$wish")"
	eventually 20 clients 3 || fail "the second one does not wait: $(screen 1)"
	type_line 0 "$(code)"
	eventually 30 shows 0 end0 || fail "it does not open: $(screen 0)"
	eventually 30 asks 1 1 || fail "open $wish takes the grant of another request: $(screen 1)"
	say "open $wish is another request, and is asked for"
	t send-keys -t s:1 C-c
done

say "three wrong codes"
anew
begins 0 "seq 3 | xargs -P 3 -n 1 $D/login; echo all\$((1+1))"
eventually 20 asks 0 1 || fail "nobody asks"
begins 1 "$(open_command ssh)"
eventually 60 clients 5 || fail "they do not wait: $(screen 1)"
for i in 1 2 3; do
	eventually 30 asks 0 "$i" || fail "question $i is not asked: $(screen 0)"
	type_line 0 "$(wrong "$i")"
done
eventually 60 shows 1 end1 || fail "one that waits does not end: $(screen 1)"
eventually 60 shows 0 all2 || fail "those that wait do not end: $(screen 0)"
equal "end those that wait, too" "$(questions 0) $(questions 1)" "3 0"
contains "with a message" "$(screen 1)" "no code opened the port: another login of yours asked three times"
begins 1 "$(open_command ssh)"
eventually 20 asks 1 1 || fail "a later login is not asked: $(screen 1)"
say "a login that begins later is asked"
t send-keys -t s:1 C-c

say "a wrong code, and the asker is killed"
anew
begins 0 "$(open_command ssh)"
eventually 20 asks 0 1 || fail "nobody asks"
begins 1 "$(open_command ssh)"
eventually 20 clients 3 || fail "the second one does not wait: $(screen 1)"
type_line 0 "$(wrong 1)"
eventually 30 asks 0 2 || fail "it does not ask again: $(screen 0)"
eventually 20 find_asker || fail "nobody asks: $(screen 0)"
kill -KILL "$first"
for i in 1 2; do
	eventually 30 asks 1 "$i" || fail "the second one does not ask: $(screen 1)"
	type_line 1 "$(wrong $((i + 1)))"
done
eventually 60 shows 1 end1 || fail "the second one does not end: $(screen 1)"
equal "three codes in all are asked for" "$(questions 1)" 2

say "Ctrl-C"
anew
begins 0 "$(open_command ssh)"
eventually 20 asks 0 1 || fail "nobody asks"
begins 1 "$(open_command ssh)"
eventually 20 clients 3 || fail "the second one does not wait: $(screen 1)"
t send-keys -t s:0 C-c
check "ends the one, and the other terminal's asks" eventually 20 asks 1 1
type_line 1 "$(code)"
check "and gets in" eventually 30 shows 1 end0

say "who wanted the connection is gone while the client waits"
anew
begins 0 "$(open_command ssh)"
eventually 20 asks 0 1 || fail "nobody asks"
begins 1 "sh -c '$CLIENT open 192.0.2.1 --profiles $D/profiles; true'; echo end"
eventually 20 clients 3 || fail "the second one does not wait: $(screen 1)"
eventually 20 find_asker || fail "nobody asks"
kill -KILL "$(ps -o ppid= -p "$(waiter)" | tr -d ' ')"
check "it ends" eventually 20 clients 2
t send-keys -t s:0 C-c

say "one that waits is killed"
anew
begins 0 "$(open_command ssh)"
eventually 20 asks 0 1 || fail "nobody asks"
begins 1 "$(open_command ssh)"
eventually 20 clients 3 || fail "the second one does not wait: $(screen 1)"
eventually 20 find_asker || fail "nobody asks"
kill -KILL "$(waiter)"
check "its shell goes on" eventually 20 shows 1 end137
check "nothing of it is left" eventually 20 clients 2
check "its terminal has its echo" has_echo 1
check "the question stays" asks 0 1
begins 1 "$(open_command ssh)"
eventually 20 clients 3 || fail "another one does not wait: $(screen 1)"
type_line 0 "$(code)"
check "its answer opens" eventually 30 shows 0 end0
check "also for one that waits by then" eventually 30 shows 1 end0
equal "with one question" "$(questions 0) $(questions 1)" "1 0"

say "a question for another host on the same terminal"
anew
ENROLL_HOST=2001:db8::1 enroll anna phone --factor totp
sed -i '/otp_secret/d' "$(profile anna-phone)"
ctl reload >/dev/null
begins 0 "printf '%s\\n' 192.0.2.1 2001:db8::1 | xargs -P 2 -I{} $CLIENT open {} ssh --profiles $D/profiles; echo all\$((1+1))"
eventually 60 clients 3 || fail "they do not begin: $(screen 0)"
eventually 20 asks 0 1 || fail "nobody asks"
other=192.0.2.1
if shows 0 anna-laptop; then other=2001:db8::1; fi
begins 1 "$CLIENT open $other ssh --profiles $D/profiles; echo end\$?"
check "keeps no other terminal from asking for that host" eventually 20 asks 1 1
t send-keys -t s:0 C-c
t send-keys -t s:1 C-c
all_end
check "the terminals have their echo" eventually 20 has_echo 0
pass
