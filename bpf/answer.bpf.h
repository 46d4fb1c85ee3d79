// SPDX-License-Identifier: GPL-2.0-only
/* Finds out whether a packet that is no knock may be an answer that this host waits for. */
#ifndef XK_BPF_ANSWER_H
#define XK_BPF_ANSWER_H

#include "packet.bpf.h"

/*
 * Whether a socket of this host would receive the datagram: one that is connected to its source, or one that is only
 * bound. The verifier requires that the reference to the socket is released on every path.
 */
static __always_inline int has_socket(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size;

	if (p->ipv6) {
		__builtin_memcpy(tuple.ipv6.saddr, p->source.bytes, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, p->destination.bytes, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = p->udp->source;
		tuple.ipv6.dport = p->udp->dest;
		size = sizeof(tuple.ipv6);
	} else {
		__builtin_memcpy(&tuple.ipv4.saddr, p->source.bytes + 12, sizeof(tuple.ipv4.saddr));
		__builtin_memcpy(&tuple.ipv4.daddr, p->destination.bytes + 12, sizeof(tuple.ipv4.daddr));
		tuple.ipv4.sport = p->udp->source;
		tuple.ipv4.dport = p->udp->dest;
		size = sizeof(tuple.ipv4);
	}
	socket = bpf_sk_lookup_udp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return 0;
	bpf_sk_release(socket);
	return 1;
}

/*
 * The knock port, or that of an old client, may be the source port of a flow that left this host. Such a flow belongs
 * to a client behind the host whose address it translates, or to a socket of its own. Only connection tracking knows
 * the first kind, so nftables decides on a host that forwards. Packets with a known tag or the form of an old client
 * are knocks and never answers.
 */
static __always_inline int may_be_answer(struct xdp_md *ctx, const struct packet *p, enum xk_counter why)
{
	const __u32 zero = 0;
	const __u32 *forwards;

	if (why != XK_LENGTH && why != XK_TAG && why != XK_LEGACY_FORM)
		return 0;
	forwards = bpf_map_lookup_elem(&forwarding, &zero);
	return (forwards && *forwards) || has_socket(ctx, p);
}

#endif
