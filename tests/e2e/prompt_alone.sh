#!/bin/bash
# SPDX-License-Identifier: MIT
# A person who takes an hour to type, and nobody at all: git and cron, with and without a program that asks.
. "$(dirname "$0")/lib.sh"
begin prompt_alone
. "$(dirname "$0")/prompt_ground.sh"

# The clocks that time-outs go by, of the clients alone: ssh has a time-out of its own.
set_clock "$D/running" 0
export XK_RUNNING=$D/running
printf '#!/bin/sh\necho >>%s/asked; until [ -e %s/typed ]; do sleep 0.1; done; cat %s/typed\n' "$D" "$D" "$D" >"$D/askpass"
chmod +x "$D/askpass"
say "a person takes an hour on the terminal"
next_step
type_line 0 "clear; XK_RUNNING=$D/running $CLIENT open 192.0.2.1 --profiles $D/profiles; echo end\$?"
eventually 20 has_no_echo 0 || fail "nobody asks: $(screen 0)"
early=$(code)
set_clock "$D/running" 3600000000000
move_clock 120
type_line 0 "$early"
eventually 20 shows 0 'that code did not open the port' || fail "the code of when it was asked for opens: $(screen 0)"
again() { [ "$(questions 0)" = 2 ] && has_no_echo 0; }
eventually 20 again || fail "nobody asks again: $(screen 0)"
set_clock "$D/running" 7200000000000
move_clock 60
type_line 0 "$(code)"
eventually 30 shows 0 end0 || fail "the code of when it is typed opens nothing: $(screen 0)"
say "the code counts when it is typed, not when it is asked for"
shut

say "and with a program that asks"
next_step
SSH_ASKPASS=$D/askpass SSH_ASKPASS_REQUIRE=force nsenter --net="/run/netns/$CLI" setsid --wait \
	"$CLIENT" open 192.0.2.1 --profiles "$D/profiles" >"$D/out" 2>&1 &
slow=$!
eventually 20 test -e "$D/asked" || fail "the program is not asked: $(cat "$D/out")"
set_clock "$D/running" 10800000000000
move_clock 90
code >"$D/typed.new"
mv "$D/typed.new" "$D/typed"
wait "$slow" || fail "it does not open: $(cat "$D/out")"
contains "it opens after an hour, too" "$(cat "$D/out")" "open "
unset XK_RUNNING
shut

say "git, without a terminal"
git -c init.defaultBranch=main init -q "$D/there"
git -C "$D/there" -c user.name=anna -c user.email=anna@example.net commit -q --allow-empty -m first
git init -q "$D/here"
# shellcheck disable=SC2016  # for the other shell
printf '#!/bin/sh\nprintf "%%s\\n" "$1" >>%s/asked\noathtool --totp -b %s\n' "$D" "$secret" >"$D/askpass"
sed 's/-o BatchMode=yes//; s/ "echo.*$/ "$@"/; s/192.0.2.1 "/"/' "$D/login" >"$D/git-ssh"
# With BatchMode ssh asks nobody, and a client has its own mind.
chmod +x "$D/git-ssh"
# alone ENVIRONMENT... -- COMMAND...: in a session without a terminal, and with nothing else in its environment. The bound
# is for a test that fails: nobody would ever answer.
alone() {
	local environment=() code=0
	while [ "$1" != -- ]; do environment+=("$1") && shift; done
	shift
	rm -f "$D/asked"
	nsenter --net="/run/netns/$CLI" setsid --wait timeout 60 env -i HOME="$D" LOGNAME=root SHELL=/bin/sh PATH=/usr/bin:/bin XK_CLOCK="$XK_CLOCK" \
		LD_PRELOAD="$LD_PRELOAD" ASAN_OPTIONS="$ASAN_OPTIONS" XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" XDG_STATE_HOME="$XDG_STATE_HOME" \
		"${environment[@]}" "$@" </dev/null >"$D/out" 2>&1 || code=$?
	[ "$code" != 124 ] || fail "it waits for nobody: $(cat "$D/out")"
	return "$code"
}
fetch=(GIT_SSH_COMMAND="$D/git-ssh" -- git -C "$D/here" fetch -q "root@192.0.2.1:$D/there" HEAD)
next_step
check "fetches with the code of SSH_ASKPASS, as editors start it" alone SSH_ASKPASS="$D/askpass" SSH_ASKPASS_REQUIRE=force GIT_ASKPASS=/bin/false "${fetch[@]}"
equal "which is told what for" "$(cat "$D/asked")" "Code for anna-laptop: "
equal "and has what is there" "$(git -C "$D/here" rev-parse FETCH_HEAD)" "$(git -C "$D/there" rev-parse HEAD)"
shut
next_step
check "and on a desktop" alone SSH_ASKPASS="$D/askpass" DISPLAY=:9 "${fetch[@]}"
shut
# GIT_ASKPASS is for git's own questions: ssh does not know it.
refuse "GIT_ASKPASS alone is not asked" alone GIT_ASKPASS="$D/askpass" DISPLAY=:9 SSH_ASKPASS=/bin/false "${fetch[@]}"
refuse "and nobody without a program" alone GIT_ASKPASS="$D/askpass" "${fetch[@]}"
contains "with a message" "$(cat "$D/out")" "a code is needed and there is no terminal to ask on"
refuse "whose program was not started" test -e "$D/asked"

say "cron"
login=("$D/login" 1)
refuse "nobody is asked" alone SSH_ASKPASS="$D/askpass" -- "${login[@]}"
contains "it ends with a message" "$(cat "$D/out")" "a code is needed and there is no terminal to ask on"
refuse "the program was not started" test -e "$D/asked"
next_step
check "with SSH_ASKPASS_REQUIRE=force it is" alone SSH_ASKPASS="$D/askpass" SSH_ASKPASS_REQUIRE=force -- "${login[@]}"
contains "and the code opens" "$(cat "$D/out")" "in 1"
shut
type_line 1 "clear; $D/login 2; echo all\$((1+1))"
eventually 20 has_no_echo 1 || fail "nobody asks"
refuse "while another login asks, it ends too" alone -- "${login[@]}"
contains "with the message" "$(cat "$D/out")" "a code is needed and there is no terminal to ask on"
t send-keys -t s:1 C-c
check "the terminal has its echo" eventually 20 has_echo 1
pass
