// SPDX-License-Identifier: GPL-2.0-only
/* Whether what is no knock may be an answer that this host waits for. */
#ifndef XK_BPF_ANSWER_H
#define XK_BPF_ANSWER_H

#include "packet.bpf.h"

/* Whether a socket of this host waits for datagrams from there at the knock port: connected to there, or bound alone.
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
 * Whether what is no knock may be an answer. The knock port may be the source port of a flow that left this host: of a
 * client behind it whose address it translates, which only connection tracking can say and is asked by nftables; or of
 * a socket of its own. Nothing else comes back to a port without either. Who knows a tag does not answer anything.
 */
static __always_inline int may_be_answer(struct xdp_md *ctx, const struct packet *p, enum xk_counter why)
{
	const __u32 zero = 0;
	const __u32 *forwards;

	if (why != XK_LENGTH && why != XK_TAG)
		return 0;
	forwards = bpf_map_lookup_elem(&forwarding, &zero);
	return (forwards && *forwards) || has_socket(ctx, p);
}

#endif
