# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# wire DEV MAC FAR SERVER: an interface whose other end is the stranger's. He knows the server's card, so that his SYNs go
# out before anybody answers.
wire() {
	ip link add "$1" address "$2" type veth peer name "$3" netns str
	ip -n str addr add "${4%.*}.66/24" dev "$3"
	ip -n str link set "$3" up
	ip -n str neigh replace "$4" lladdr "$2" dev "$3" nud permanent
}
