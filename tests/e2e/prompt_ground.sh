#!/bin/bash
# SPDX-License-Identifier: MIT
# The ground of the tests of questions to a person: anna, whose codes come by hand, a real sshd, and two windows of tmux.
# shellcheck disable=SC2034,SC2154  # variables of and for the tests
command -v tmux >/dev/null || skip "needs tmux"
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
sed -i '/otp_secret/d' "$(profile anna-laptop)"
start_sshd
start
mkdir -m 700 "$D/runtime"
export XDG_RUNTIME_DIR=$D/runtime
code() { oathtool --totp -b "$secret"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }
cat >"$D/login" <<-C
	#!/bin/sh
	${SSH/ConnectTimeout=20/ConnectTimeout=600} -o 'ProxyCommand $CLIENT proxy --profiles $D/profiles -- %h %p' 192.0.2.1 "echo in \$1" || exit 1 # xargs ends at 255
C
chmod +x "$D/login"
TMUX_SOCKET=$D/tmux
t() { tmux -S "$TMUX_SOCKET" "$@"; }
in_cli tmux -S "$TMUX_SOCKET" -f /dev/null new-session -d -s s -x 120 -y 40 sh
trap 'finish_after t kill-server' EXIT
in_cli tmux -S "$TMUX_SOCKET" new-window -d -t s:1 sh
screen() { t capture-pane -p -t "s:$1"; }
shows() { screen "$1" | matches "$2"; }
# type WINDOW LINE
type_line() { t send-keys -t "s:$1" -l "$2" && t send-keys -t "s:$1" Enter; }
questions() { screen "$1" | grep -c 'Code for' || true; }
settings() { stty -F "$(t display -p -t "s:$1" '#{pane_tty}')" -a; }
refuses() { ! "$@"; }
has_echo() { settings "$1" | matches ' echo '; }
has_no_echo() { settings "$1" | matches ' -echo '; }
asker() { # the client that holds the lock of its terminal, and no guardian
	local pid
	for pid in $(ip netns pids "$CLI"); do
		[ "$(readlink "/proc/$pid/exe")" = "$(realpath "$CLIENT")" ] || continue
		# The guardian leads a session of its own.
		[ "$(ps -o sid= -p "$pid" | tr -d ' ')" != "$pid" ] || continue
		# One of its other descriptors may be closed meanwhile, and find fails then.
		[ -n "$(find "/proc/$pid/fd" -lname '*/terminal-*' 2>/dev/null)" ] && echo "$pid" && return
	done
	return 1
}

