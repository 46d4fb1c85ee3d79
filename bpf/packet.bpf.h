// SPDX-License-Identifier: GPL-2.0-only
/* What a frame was found to hold, and its addresses. */
#ifndef XK_BPF_PACKET_H
#define XK_BPF_PACKET_H

#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "maps.bpf.h"

/* What was parsed; the UDP or TCP header lies within the packet. */
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
	NOT_OURS, /* neither of those below: a shape that only the stack needs to understand */
	DATAGRAM,
	SYN, /* begins a TCP connection */
};

/*
 * Two words of a packet as one that lies like them in memory. Addresses are written by eight bytes because they are
 * read like that: a processor waits where a load wants what two stores have written.
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
 * Sources that no packet off a wire can have: one of our own, loopback, unspecified, multicast and beyond;
 * and IPv4 in IPv6 clothes (::ffff:0:0/96 and ::/96), which further up would be taken for IPv4.
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
