#!/bin/bash
# SPDX-License-Identifier: MIT
# "knockctl setup --yes" as Ansible and cloud-init run it: flags for each answer, a second run that changes nothing, input that
# makes no sense, firewalls in the way, kill -9 at every write, and a start without a trial, which must not shut its caller out.
. "$(dirname "$0")/lib.sh"
begin setup-yes
. "$(dirname "$0")/setup_ground.sh"
all=(--user anna --login anna --host 192.0.2.1)
bare=(--yes --no-start)
written=(--yes --no-start "${all[@]}")
nothing_is_there() { equal "nothing was written" "$(files)$(inside sh -c 'ls -A /var/spool/xknock 2>/dev/null')" ""; }

# refused CODE PART ARGUMENTS...
refused() {
	local code=0
	inside timeout -s KILL 60 knockctl setup "${@:3}" </dev/null >"$D/out" 2>&1 || code=$?
	equal "setup ${*:3}: refused" "$code" "$1"
	contains "for this reason" "$(cat "$D/out")" "$2"
}
say "input that makes no sense"
refused 2 "no terminal"
contains "with the next step" "$(cat "$D/out")" "knockctl setup --yes"
refused 2 '"lok" is not a step of the set-up' --only lok
refused 2 "did you mean tcp/22" "${bare[@]}" --hide 22/tcp
refused 2 "did you mean tcp/22" "${bare[@]}" --hide TCP:22
refused 2 'service web has no ports' "${bare[@]}" --hide web=
refused 2 'overlap' "${bare[@]}" --hide "a=tcp/20-25 b=tcp/22"
refused 2 '"no;such" is not a service' "${bare[@]}" --hide "no;such=tcp/22"
refused 2 'is the port of knocks itself' "${bare[@]}" --hide udp/62201
refused 2 '"anna\x0abob" is not a name for a user' "${bare[@]}" --user $'anna\nbob'
refused 2 '"lap top" is not a name for a device' "${bare[@]}" --device "lap top"
refused 2 'this host has no login "carol"' "${bare[@]}" --login carol
refused 2 'is not a login' "${bare[@]}" --login ../anna
refused 2 '"sms" is not a second factor' "${bare[@]}" --factor sms
refused 2 'did you mean 192.0.2.0/24' "${bare[@]}" --allow 192.0.2.1/24
refused 2 'is everybody' "${bare[@]}" --allow ::/0
refused 2 'you did not come by ssh' "${bare[@]}" --allow mine
refused 2 'there is no interface "eth7"' "${bare[@]}" --interface eth7
refused 2 '"70000" is not a UDP port' "${bare[@]}" --port 70000
refused 2 'without a port' "${bare[@]}" --host 192.0.2.1:22
refused 2 'is not a host' "${bare[@]}" --host $'a\nb'
refused 2 'is not a duration' "${bare[@]}" --time soon
refused 2 'a trial lasts from 1s to 7d' "${bare[@]}" --time 8d
refused 2 '--no-trial' --no-trial --allow 192.0.2.0/24
refused 2 'needs --allow' --yes --no-trial
refused 2 '--json is for --yes' --json
refused 78 'there is no "/etc/xknock/xknock.yaml" yet' --yes --only trial
nothing_is_there
code=0
inside setpriv --reuid=anna --clear-groups knockctl setup --yes >"$D/out" 2>&1 || code=$?
equal "not root" "$code" 1
contains "is told so" "$(cat "$D/out")" "hint: sudo knockctl setup"
equal "one look at the host needs nobody" "$(setup --only look </dev/null | grep -c 'listening to the world: tcp/22 (sshd)')" 1
nothing_is_there

say "files and device"
setup "${written[@]}" --json >"$D/first" || fail "it does not work: $(cat "$D/first")"
contains "the JSON says what was written" "$(tr -d ' \n' <"$D/first")" '"config_written":true,"device":"laptop","device_new":true,"profile":"/var/spool/xknock/anna/laptop.yaml","state":"notstarted","user":"anna"'
check "and the daemon's checker takes it" inside knockctl check
check "the port is open" is_open
sums >"$D/before"
setup "${written[@]}" >"$D/second" || fail "a second run fails: $(cat "$D/second")"
equal "a second run changes nothing" "$(sums)" "$(cat "$D/before")"
lacks "no secret was printed" "$(cat "$D/first" "$D/second")" "$(secret)"
contains "and how to see it was" "$(cat "$D/second")" "knockctl setup --only code"
refused 2 'it does not have tcp/80 in a service' "${written[@]}" --hide tcp/80
refused 2 'it does not have 203.0.113.0/24 in gate.allow' "${written[@]}" --allow 203.0.113.0/24
refused 2 'it does not have port 4000' "${written[@]}" --port 4000
refused 2 'it does not have interface "lo"' "${written[@]}" --interface lo
equal "which changed nothing" "$(sums)" "$(cat "$D/before")"
check "--replace writes another" setup "${bare[@]}" --user anna --host no-such-host.invalid --replace \
	--hide "ssh web=tcp/80,tcp/443" --allow 203.0.113.0/24 --port 4000
contains "a host that is unknown is told" "$(cat "$D/out")" '"no-such-host.invalid" leads to no address here; it is taken all the same'
equal "the old one is kept" "$(inside sha256sum /etc/xknock/xknock.yaml.before-setup | cut -c1-64)" \
	"$(grep '/etc/xknock/xknock.yaml$' "$D/before" | cut -c1-64)"
check "the new one is good" inside knockctl check
contains "it hides both" "$(inside cat /etc/xknock/xknock.yaml)" "web: [tcp/80, tcp/443]"
echo 'gates: {}' | inside tee -a /etc/xknock/xknock.yaml >/dev/null
refused 78 'the configuration that is there has faults' "${written[@]}"
contains "with the line" "$(cat "$D/out")" '/etc/xknock/xknock.yaml:'

say "two at a time"
begin_anew
inside flock /run/xknock-setup.lock sleep 3 &
eventually 5 inside sh -c '! flock -n /run/xknock-setup.lock true'
refused 75 'another "knockctl setup" is at work' "${written[@]}"
wait $!

say "a firewall that would keep everybody out"
in_srv nft 'add table inet other; add chain inet other input { type filter hook input priority 0; policy accept; }; add rule inet other input tcp dport 22 ct state new drop'
refused 1 'is dropped all the same, whoever has a grant' "${written[@]}"
contains "by which rule" "$(cat "$D/out")" "table inet other"
nothing_is_there
in_srv nft delete table inet other

say "kill -9 at every name that it gives to a file"
for call in linkat unlinkat renameat; do
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
		inside rm -rf /etc/xknock /var/lib/xknock /var/spool/xknock
		inside mkdir /etc/xknock
		code=0
		inside strace -f -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n /usr/sbin/knockctl setup "${written[@]}" >/dev/null 2>&1 || code=$?
		[ $code != 0 ] || break
		[ $code = 137 ] || fail "$call $n: ended with $code"
		sleep 1.05 # what was written a moment ago may be under way
		setup "${written[@]}" >"$D/out" 2>&1 || fail "after kill -9 at $call $n a second run fails: $(cat "$D/out")"
		inside knockctl check >"$D/out" 2>&1 || fail "after kill -9 at $call $n the files are bad: $(cat "$D/out")"
		equal "killed at $call $n: the second run makes it whole" "$(files)" \
			"./credentials/anna.laptop.key ./credentials/anna.laptop.otp ./credentials/anna.laptop.yaml ./machines ./server_id ./users/anna.yaml ./xknock.yaml "
		equal "with nothing left beside it" "$(inside sh -c 'ls -A /var/lib/xknock /var/spool/xknock/anna' | tr '\n' ' ')" "/var/lib/xknock: state  /var/spool/xknock/anna: laptop.yaml "
		equal "and the profile is the device's" "$(inside sed -n 's/^credential: //p' /var/spool/xknock/anna/laptop.yaml)" \
			"$(inside sed -n 's/^id: //p' /etc/xknock/credentials/anna.laptop.yaml)"
	done
	[ "$n" -gt 1 ] || fail "nobody calls $call: this test looks at the wrong place"
done
say "that was all of them"

say "with a trial"
begin_anew
inside timeout -s KILL 120 knockctl setup --yes --factor hmac --time 60s "${all[@]}" --json >"$D/json" 2>"$D/err" &
waiting=$!
eventually 20 inside test -e /var/spool/xknock/anna/laptop.yaml
sleep 1
check "it waits until the profile is fetched" is_open
check "it is fetched" fetch anna laptop
sed -i '/otp_secret/d' "$D/profiles/anna-laptop.yaml"
check "then the port is shut" eventually 15 is_shut
login 2 || fail "no login by a knock: $(cat "$D/login")"
wait $waiting || fail "it does not confirm itself: $(cat "$D/json" "$D/err")"
contains "it confirms itself" "$(cat "$D/json")" '"state": "confirmed"'
equal "and starts at boot" "$(inside systemctl is-enabled xknockd)" enabled
sums >"$D/before"
check "a second run" setup --yes --factor hmac --time 60s "${all[@]}"
equal "changes nothing" "$(sums)" "$(cat "$D/before")"
check "another device is enrolled beside it" setup --yes --factor hmac --device phone "${all[@]}"
contains "and the daemon knows it" "$(inside knockctl users)" anna/phone

say "nobody fetches the profile"
begin_anew
refused 1 "nobody has fetched the profile within 2s" --yes --time 2s "${all[@]}"
check "no port was shut" is_open

say "without a trial"
begin_anew
# by_ssh ARGUMENTS: the caller comes from 192.0.2.2.
by_ssh() {
	# shellcheck disable=SC2086
	in_cli $SSH root@192.0.2.1 "knockctl setup --yes --no-trial --factor hmac ${all[*]} $*" >"$D/out" 2>&1
}
refuse "a network that is not the caller's" by_ssh --allow 203.0.113.0/24
contains "is refused: they would be shut out" "$(cat "$D/out")" "your own address, 192.0.2.2, would have to knock, and nobody has knocked yet"
check "no port was shut" is_open
nothing_is_there
refused 1 "gate.allow is empty" --yes --no-trial --allow nobody "${all[@]}"
nothing_is_there
check "their own" by_ssh --allow mine
check "the port is shut to others" is_shut
check "and open to them" can_connect "$CLI" 192.0.2.1 22
equal "it starts at boot" "$(inside systemctl is-enabled xknockd)" enabled
equal "and is not on trial" "$(left)" null
sums >"$D/before"
check "a second run" by_ssh --allow mine
equal "changes nothing" "$(sums)" "$(cat "$D/before")"
pass
