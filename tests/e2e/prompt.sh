#!/bin/bash
# SPDX-License-Identifier: MIT
# One question for any number of logins: real ssh in tmux and by xargs -P, a real sshd. Askers that are killed, wrong
# codes, used codes, and programs that ask.
. "$(dirname "$0")/lib.sh"
begin prompt
. "$(dirname "$0")/prompt_ground.sh"
say "five logins on one terminal and one on another"
next_step
type_line 0 "clear; seq 5 | xargs -P 5 -n 1 $D/login; echo all\$((1+1))"
eventually 20 shows 0 'Code for anna-laptop:' || fail "nobody asks: $(screen 0)"
type_line 1 "clear; $D/login 6; echo all\$((1+1))"
eventually 20 has_no_echo 0 || fail "the echo stays on while a code is asked for"
type_line 0 "$(code)"
eventually 90 shows 0 all2 || fail "they do not end: $(screen 0)"
eventually 90 shows 1 all2 || fail "the other terminal's does not end: $(screen 1)"
for i in 1 2 3 4 5; do contains "login $i is in" "$(screen 0)" "in $i"; done
contains "and the other terminal's" "$(screen 1)" "in 6"
equal "one question was asked" "$(questions 0)" 1
equal "and none on the other terminal" "$(questions 1)" 0
check "the terminal has its echo" has_echo 0
shut

say "the asker is killed"
next_step
type_line 0 "clear; seq 3 | xargs -P 3 -n 1 $D/login; echo all\$((1+1))"
eventually 20 has_no_echo 0 || fail "nobody asks"
eventually 20 asker || fail "nobody holds the lock"
first=$(asker)
kill -KILL "$first"
another() { local now; now=$(asker) && [ "$now" != "$first" ]; }
eventually 20 another || fail "nobody else asks: $(screen 0)"
eventually 20 has_no_echo 0 || fail "the second one shows what is typed"
say "another one asks"
type_line 0 "$(code)"
eventually 90 shows 0 all2 || fail "they do not end: $(screen 0)"
equal "two are in" "$(screen 0 | grep -c '^in ')" 2
check "the terminal has its echo" has_echo 0
shut
next_step
type_line 0 "clear; $D/login 1; echo all\$((1+1))"
eventually 20 asker || fail "nobody asks"
eventually 20 has_no_echo 0 || fail "it shows what is typed"
kill -KILL "$(asker)"
eventually 20 has_echo 0 || fail "a killed asker leaves the terminal without echo"
eventually 90 shows 0 all2 || fail "ssh does not end"
say "the last one that is killed leaves the echo on"
type_line 0 "clear; $D/login 1; echo all\$((1+1))"
eventually 20 asker || fail "nobody asks"
eventually 20 has_no_echo 0 || fail "it shows what is typed"
kill -KILL -- "-$(ps -o pgid= -p "$(asker)" | tr -d ' ')"
check "also where all of its job is killed" eventually 20 has_echo 0
eventually 90 shows 0 all2 || fail "the shell does not go on: $(screen 0)"

say "wrong and used codes"
next_step
type_line 0 "clear; $D/login 1; echo all\$((1+1))"
eventually 20 has_no_echo 0 || fail "nobody asks"
fresh=$(code)
type_line 0 "$(printf '%06d' $(((10#$fresh + 1) % 1000000)))"
eventually 20 shows 0 'that code did not open the port' || fail "a wrong code is not asked for again: $(screen 0)"
eventually 20 has_no_echo 0 || fail "nobody asks again"
type_line 0 "$fresh"
eventually 90 shows 0 '^in 1' || fail "the right one opens nothing: $(screen 0)"
say "a wrong code is asked for again, and the right one opens"
eventually 90 shows 0 all2 || fail "ssh does not end"
shut
before=$(stat filter candidate)
type_line 0 "clear; $D/login 1; echo all\$((1+1))"
eventually 20 has_no_echo 0 || fail "nobody asks"
type_line 0 "$fresh"
eventually 20 shows 0 'used [0-9]* s ago; the next one in [0-9]* s' || fail "a used code is not told: $(screen 0)"
equal "and nothing is sent with it" "$(stat filter candidate)" "$before"

say "the port opens meanwhile"
eventually 20 has_no_echo 0 || fail "nobody asks again"
ctl open 192.0.2.2 ssh --for 30s >/dev/null
eventually 20 shows 0 '^in 1' || fail "the question stays: $(screen 0)"
eventually 90 shows 0 all2 || fail "ssh does not end"
equal "the question is gone" "$(questions 0)" 1
check "the terminal has its echo" has_echo 0
shut

say "three codes that no server takes"
next_step
before=$(stat filter candidate)
type_line 0 "clear; $D/login 1; echo all\$((1+1))"
for i in 1 2 3; do
	asked() { [ "$(questions 0)" = "$i" ] && has_no_echo 0; }
	eventually 20 asked || fail "question $i is not asked: $(screen 0)"
	type_line 0 "$((1110 + i))"
done
eventually 90 shows 0 all2 || fail "they do not end it: $(screen 0)"
equal "end it" "$(questions 0)" 3
equal "and nothing was sent" "$(stat filter candidate)" "$before"
contains "for the reason of the last one" "$(screen 0 | grep "^knock-client:")" "a code has 6 digits"

say "Ctrl-Z and fg"
next_step
type_line 0 "clear; $D/login 1; echo all\$((1+1))"
eventually 20 has_no_echo 0 || fail "nobody asks"
t send-keys -t s:0 C-z
eventually 20 shows 0 Stopped || fail "Ctrl-Z does not stop it: $(screen 0)"
check "the shell has its echo" eventually 20 has_echo 0
type_line 1 "clear; $D/login 2; echo all\$((1+1))"
check "another login may ask meanwhile" eventually 20 has_no_echo 1
equal "with a question of its own" "$(questions 1)" 1
t send-keys -t s:1 C-c
check "and gives its terminal back" eventually 20 has_echo 1
type_line 0 "fg; echo back\$((1+1))"
again() { [ "$(questions 0)" = 2 ] && has_no_echo 0; }
eventually 20 again || fail "it does not ask again: $(screen 0)"
type_line 0 "$(code)"
eventually 90 shows 0 '^in 1' || fail "the code opens nothing: $(screen 0)"
eventually 20 shows 0 back2 || fail "ssh does not end"
check "after the answer the terminal has its echo" has_echo 0
shut

say "who wanted the connection is gone while the client asks: ssh, and a script that has no stream to it"
for asks in "$D/login 1" "sh -c \"$CLIENT open 192.0.2.1 --profiles $D/profiles; true\""; do
	type_line 0 "clear; $asks; echo all\$((1+1))"
	eventually 20 asker || fail "nobody asks"
	eventually 20 has_no_echo 0 || fail "it shows what is typed"
	client=$(asker)
	kill -KILL "$(ps -o ppid= -p "$client" | tr -d ' ')"
	check "the client ends" eventually 20 refuses kill -0 "$client"
	check "the terminal has its echo" eventually 20 has_echo 0
done

say "a program is asked where ssh would ask it, without a terminal as cron and VS Code start it, and with one"
ssh-keygen -q -t ed25519 -N passphrase -f "$D/ssh/locked"
cat "$D/ssh/locked.pub" >>"$D/ssh/authorized_keys"
ctl open 192.0.2.2 ssh --for 5m >/dev/null
printf '#!/bin/sh\necho >>%s/asked\nexit 1\n' "$D" >"$D/askpass"
chmod +x "$D/askpass"
ssh_asks=(ssh -F none -i "$D/ssh/locked" -o IdentitiesOnly=yes -o "UserKnownHostsFile=$D/ssh/known_hosts" -o NumberOfPasswordPrompts=1
	-o PreferredAuthentications=publickey 192.0.2.1 true)
we_ask=("$CLIENT" open 192.0.2.1 443 --profiles "$D/profiles")
# asked_by ENVIRONMENT... -- COMMAND...: whether the program was asked, in a session without a terminal, or with one (TERMINAL).
asked_by() {
	local environment=()
	while [ "$1" != -- ]; do environment+=("$1") && shift; done
	shift
	rm -f "$D/asked"
	if [ -n "${TERMINAL:-}" ]; then
		# Whoever asks on the terminal waits there, and is ended.
		# shellcheck disable=SC2016  # for eval
		nsenter --net="/run/netns/$CLI" env "${environment[@]}" timeout 20 setsid --wait script -qec "$(printf '%q ' "$@")" "$D/typed" \
			>"$D/terminal" 2>&1 < <(eventually 15 eval '[ -e "$D/asked" ] || grep -qE "Code for|passphrase" "$D/terminal"'; printf '\003') || true
	else
		nsenter --net="/run/netns/$CLI" setsid --wait env "${environment[@]}" "$@" </dev/null >"$D/out" 2>&1 || true
	fi
	[ -e "$D/asked" ] && echo yes || echo no
}
asked=
for TERMINAL in '' yes; do
	for display in '' DISPLAY=:9; do # ssh has WAYLAND_DISPLAY only in later releases
		for require in '' force prefer never; do
			with=(-u DISPLAY -u WAYLAND_DISPLAY -u SSH_AUTH_SOCK SSH_ASKPASS="$D/askpass" ${display:+"$display"} ${require:+SSH_ASKPASS_REQUIRE=$require})
			wanted=$(asked_by "${with[@]}" -- "${ssh_asks[@]}")
			got=$(asked_by "${with[@]}" -- "${we_ask[@]}")
			equal "terminal: ${TERMINAL:-no}, ${display:-no display}, ${require:-nothing} required: $got" "$got" "$wanted"
			asked+=${got:0:1}
		done
	done
done
equal "in those cases that its manual has" "$asked" nynnyyynnynnnyyn
shut

say "a program that asks"
next_step
# shellcheck disable=SC2016  # for the other shell
printf '#!/bin/sh\nprintf "%%s" "$1" >%s/asked\nsleep 1; oathtool --totp -b %s\n' "$D" "$secret" >"$D/askpass"
chmod +x "$D/askpass"
out=$(SSH_ASKPASS=$D/askpass SSH_ASKPASS_REQUIRE=force in_cli setsid --wait "$D/login" 9 2>"$D/err") || true
equal "gives the code" "$out" "in 9"
equal "and is told what for" "$(cat "$D/asked")" "Code for anna-laptop: "
pass
