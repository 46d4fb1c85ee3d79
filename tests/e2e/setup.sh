#!/bin/bash
# SPDX-License-Identifier: MIT
# "knockctl setup" as a person sees it: at a terminal, over a real ssh, on a host booted with systemd. Enter all the way
# gives a gate that confirms itself when a real ssh came through it by a knock, and by nothing less; a trial to which nobody
# comes ends by itself and says why; codes, Ctrl-C at each question, and a second run.
. "$(dirname "$0")/lib.sh"
begin setup
. "$(dirname "$0")/setup_ground.sh"

questions=("Interfaces by" "Hide these" "Who may come" "Who knocks" "Their device" "Second factor" "Clients reach" "Write this")

say "Ctrl-C at each question, and the end of input"
for i in "${!questions[@]}"; do
	person "knockctl setup"
	for ((j = 0; j < i; j++)); do answer "${questions[j]}"; done
	eventually 30 asks "${questions[i]}" || fail "\"${questions[i]}\" is not asked: $(screen)"
	if [ "$i" = 2 ]; then t send-keys -t s:0 C-d; else t send-keys -t s:0 C-c; fi
	ended 1 "${questions[i]} ...: it stops"
	contains "and says what is there" "$(screen)" "nothing was written, and no port was shut"
	equal "nothing is" "$(files)" ""
done

say "answers that make no sense"
person "knockctl setup"
answer "Interfaces by" eth7
sees "an interface that is not there" 'there is no interface "eth7"'
contains "the others are named" "$(screen)" "those of this host: host0, host1"
answer "Interfaces by"
answer "Hide these" 22/tcp
sees "a port the wrong way round" "did you mean tcp/22"
answer "Hide these" udp/62201
sees "the port of knocks" "is the port of knocks itself"
answer "Hide these" nginx
sees "a program that does not listen" 'no program "nginx" listens here'
answer "Hide these" "ssh"
answer "Who may come" 192.0.2.1/24
sees "bits behind the prefix" "did you mean 192.0.2.0/24"
answer "Who may come" 0.0.0.0/0
sees "everybody" "is everybody: nothing would be hidden"
answer "Who may come"
answer "Who knocks" "anna smith"
sees "a name with a blank" 'is not a name for a user'
answer "Who knocks" nobody-here
answer "Their device"
answer "Second factor" sms
sees "no factor" '"sms" is not a second factor'
answer "Second factor"
answer "Account by which nobody-here comes" no-such-login
sees "no account" 'this host has no login "no-such-login"'
answer "Account by which nobody-here comes" anna
answer "Clients reach" anna@192.0.2.1
sees "a login before the host" "has a login in it"
answer "Clients reach" no-such-host.invalid
sees "a name that leads nowhere" "leads to no address here"
answer "Clients reach" no-such-host.invalid
answer "Write this" perhaps
sees "neither yes nor no" '"perhaps" is neither yes nor no'
answer "Write this" n
ended 1 "nothing was agreed on"
equal "and nothing is there" "$(files)" ""

say "Enter all the way"
person "knockctl setup"
for question in "${questions[@]}"; do answer "$question"; done
sees "the QR code is shown" "otpauth://totp/xknock"
screen >"$D/shown"
equal "with the secret that the server has" "$(tr -d '\n' <"$D/shown" | grep -o 'secret=[A-Z0-9]*')" "secret=$(secret)"
eventually 10 asks "Code that" || fail "no code is asked for: $(screen)"
enter
sees "no code" "A code has 6 digits"
answer "Code that" "$(code +3600)"
sees "a clock that is wrong is told" "clock of the authenticator is about 60 min ahead"
wrong=$(code)
type_line "$(printf '%06d' $(((10#$wrong + 1) % 1000000)))"
sees "a wrong code" "That code is wrong"
check "no port is shut yet" is_open
answer "Code that" "$(code)"
sees "the right one" "phone, secret and clocks fit"
sees "the client's line" "knock-client enroll anna@192.0.2.1"
sees "it waits for the client" "Waiting until the profile is fetched"
enter
answer "Nobody has fetched it yet"
check "Enter does not shut the port before" is_open
equal "the profile waits for its login alone" "$(inside stat -c '%U %a' /var/spool/xknock/anna /var/spool/xknock/anna/laptop.yaml | tr '\n' ' ')" \
	"anna 700 anna 600 "
check "it is fetched over ssh" fetch anna laptop
answer "Shut the ports now"
sees "the trial" "The ports are shut, on trial for 10m"
check "the port is shut" is_shut
[ "$(left)" != null ] || fail "it is not on trial"

say "what proves nothing"
inside knockctl open 192.0.2.2 ssh --for 30s >/dev/null
# shellcheck disable=SC2086
check "a connection that the operator let in" in_cli $SSH anna@192.0.2.1 "sleep 1"
inside knockctl close 0.0.0.0/0 >/dev/null
inside knockctl keygen anna --device robot --factor hmac --host robot --out /root/robot.yaml --json >/dev/null
inside knockctl reload >/dev/null
mkdir -m 700 "$D/robot"
inside cat /root/robot.yaml >"$D/robot/robot.yaml" && chmod 600 "$D/robot/robot.yaml"
check "a knock without a connection, and the session that was there" in_cli "$CLIENT" open 192.0.2.1 --profile "$D/robot/robot.yaml" --no-wait ssh
sees "it is told" "a knock opened ssh for 192.0.2.2 by anna/robot"
sleep 1
[ "$(left)" != null ] || fail "it was confirmed by a grant alone: $(screen)"
inside knockctl close 0.0.0.0/0 >/dev/null
sleep 1.5
inside knockctl open 192.0.2.2 ssh --for 30s >/dev/null
# shellcheck disable=SC2086
check "a connection that the operator let in after that knock's grant was closed" in_cli $SSH anna@192.0.2.1 "sleep 1"
[ "$(left)" != null ] || fail "it was confirmed by the operator: $(screen)"
say "leave it on trial"
inside knockctl close 0.0.0.0/0 >/dev/null

say "a real ssh by a knock"
login 3 &
sees "confirms it" "came through the gate, by a knock of anna/laptop"
ended 0
wait $! || fail "the login failed: $(cat "$D/login")"
contains "who logged in was in" "$(cat "$D/login")" "was in"
equal "it is not on trial any more" "$(left)" null
equal "and starts at boot" "$(inside systemctl is-enabled xknockd)" enabled
check "the port is shut" is_shut

say "a second run"
sums >"$D/before"
inside knockctl open 192.0.2.2 ssh --for 10m >/dev/null # the person comes again
person "knockctl setup"
sees "it is known what is there" "it hides ssh (tcp/22), and lets in nobody"
answer "Keep it"
answer "Who knocks"
answer "Their device"
answer "Clients reach"
sees "the device too" "anna/laptop is enrolled already"
answer "Code that" skip
sees "nothing is to be started" "is not on trial: nothing to start"
ended 0
equal "nothing was changed" "$(sums)" "$(cat "$D/before")"
pass
