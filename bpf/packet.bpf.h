// SPDX-License-Identifier: GPL-2.0-only
/* The parsed packet and its addresses. */
#ifndef XK_BPF_PACKET_H
#define XK_BPF_PACKET_H

#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "maps.bpf.h"

/* The UDP or TCP header lies within the packet; its bounds are checked. */
struct packet {
	struct xk_address source;
	struct xk_address destination;
	union {
		const struct udphdr *udp;
		const struct tcphdr *tcp;
	};
	__u32 ip_payload; /* bytes that the IP header announces behind itself */
	__u32 ipv6;
};

enum parsed {
	NOT_OURS, /* none of those below: passed on */
	DATAGRAM,
	SYN, /* begins a TCP connection */
};

/*
 * Joins two words of a packet into one that has the same bytes in memory. Addresses are written by eight bytes because
 * they are read by eight bytes: a load of what two smaller stores have written stalls (no store forwarding).
 */
static __always_inline __u64 join(__be32 first, __be32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)second << 32 | first;
#else
	return (__u64)first << 32 | second;
#endif
}

static __always_inline void set_v4(struct xk_address *to, const __be32 *from)
{
	__u64 *halves = (__u64 *)to->bytes;

	halves[0] = 0;
	halves[1] = join(bpf_htonl(0xffff), *from);
}

static __always_inline void set_v6(struct xk_address *to, const struct in6_addr *from)
{
	__u64 *halves = (__u64 *)to->bytes;

	halves[0] = join(from->s6_addr32[0], from->s6_addr32[1]);
	halves[1] = join(from->s6_addr32[2], from->s6_addr32[3]);
}

/*
 * Whether no packet from a network can have this source: an address of ours, loopback, unspecified, multicast or
 * reserved. In an IPv6 header, ::/64 holds IPv4-mapped and IPv4-compatible addresses too (RFC 4291, 2.5.5), which the
 * daemon would take for IPv4.
 */
static __always_inline int impossible_source(const struct packet *p)
{
	const __u32 *words = (const __u32 *)p->source.bytes;

	if (p->ipv6) {
		if ((words[0] == 0 && words[1] == 0) || p->source.bytes[0] == 0xff)
			return 1;
	} else {
		const __u8 first = p->source.bytes[12];

		if (first == 0 || first == 127 || first >= 224)
			return 1;
	}
	return bpf_map_lookup_elem(&local_addresses, &p->source) != NULL;
}

#endif
