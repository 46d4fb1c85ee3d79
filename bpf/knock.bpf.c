// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter at the NIC. It decides about packets to the knock port, about banned sources, and about SYNs to protected
 * ports where it is certain that nftables would drop them. It passes on everything that it does not understand; the
 * ruleset (daemon/nft) protects the ports. The checks have the order of docs/protocol.md, "The filter". None of them
 * keeps state that an unauthenticated packet could fill. Where they are in use, other ways of knocking are followed
 * beside that, with state of a fixed size: sequences of ports (sequence.bpf.h, c_lock.bpf.h) and old clients
 * (legacy.bpf.h).
 *
 * It parses Ethernet with two VLAN tags at most, an IPv4 header of 20 bytes or an IPv6 header of 40, and UDP or TCP
 * right behind that. There is no loop over options or extension headers, because an attacker chooses how many there
 * are, and every packet of the host would pay for the longest chain that the verifier accepts.
 *
 * The verifier follows each pointer into the packet by itself. So every header is compared with data_end before its
 * first byte is read, in the form "(header + 1) > end"; offsets are constants; and the loops are unrolled. All
 * functions are inlined, so that the verifier sees one program without calls and the packet's pointers stay in
 * registers.
 *
 * The program is built from UAPI headers alone, so that one object loads on every kernel from 5.10 on.
 */
#include <stddef.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "answer.bpf.h"
#include "bans.bpf.h"
#include "bucket.bpf.h"
#include "c_lock.bpf.h"
#include "legacy.bpf.h"
#include "packet.bpf.h"
#include "sequence.bpf.h"
#include "siphash.bpf.h"
#include "syn_guard.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Reads the transport header behind a plain IP header. Packets of established connections leave the filter here. */
static __always_inline enum parsed parse_transport(struct packet *p, __u8 protocol, const void *header, const void *end)
{
	const struct udphdr *udp = header;
	const struct tcphdr *tcp = header;

	if (protocol == IPPROTO_UDP && (void *)(udp + 1) <= end) {
		p->udp = udp;
		return DATAGRAM;
	}
	/*
	 * Byte 13 has the flags; the mask is FIN, SYN, RST and ACK. With ECN a SYN also carries ECE and CWR (RFC 3168),
	 * so they are not in the mask. One comparison replaces the four that the struct's bit fields would need.
	 */
	if (protocol == IPPROTO_TCP && (void *)(tcp + 1) <= end && (((const __u8 *)tcp)[13] & 0x17) == 0x02) {
		p->tcp = tcp;
		return SYN;
	}
	return NOT_OURS;
}

/*
 * Reads IPv4 without options or IPv6 without extension headers, then UDP or a SYN of TCP. *banned tells whether the
 * source is banned. It is looked up as soon as the source is known, so that a ban covers every IP packet, with whatever
 * header behind it. `protocol` is an ethertype; `next` lies at the packet's end at most.
 */
static __always_inline enum parsed parse_ip(struct packet *p, __be16 protocol, const void *next, const void *end,
					    int *banned)
{
	enum parsed shape;

	if (protocol == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = next;

		if ((void *)(ip + 1) > end || ip->version != 4)
			return NOT_OURS;
		set_v4(&p->source, &ip->saddr);
		*banned = is_banned(&p->source);
		if (ip->ihl != 5)
			return NOT_OURS;
		shape = parse_transport(p, ip->protocol, ip + 1, end);
		/*
		 * The mask is MF and the offset, without DF. A knock is never a fragment. A first fragment is not
		 * dropped, because that would reveal the port: at any other port the stack answers "reassembly time
		 * exceeded" when the rest does not come (RFC 1122, 3.3.2).
		 */
		if (shape == NOT_OURS || ip->frag_off & bpf_htons(0x3fff))
			return NOT_OURS;
		set_v4(&p->destination, &ip->daddr);
		p->ipv6 = 0;
		p->ip_payload = (__u32)bpf_ntohs(ip->tot_len) - sizeof(*ip);
		return shape;
	}
	if (protocol == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip = next;

		if ((void *)(ip + 1) > end || ip->version != 6)
			return NOT_OURS;
		set_v6(&p->source, &ip->saddr);
		*banned = is_banned(&p->source);
		shape = parse_transport(p, ip->nexthdr, ip + 1, end);
		if (shape == NOT_OURS)
			return NOT_OURS;
		set_v6(&p->destination, &ip->daddr);
		p->ipv6 = 1;
		p->ip_payload = bpf_ntohs(ip->payload_len);
		return shape;
	}
	return NOT_OURS;
}

/* Reads Ethernet and up to two VLAN tags (802.1Q, 802.1ad); drivers may leave tags in the frame. */
static __always_inline enum parsed parse_ethernet(struct xdp_md *ctx, struct packet *p, int *banned)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const void *next = eth + 1;
	__be16 protocol;

	if (next > end)
		return NOT_OURS;
	protocol = eth->h_proto;
#pragma unroll
	for (int depth = 0; depth < 2; depth++) {
		const __be16 *vlan = next; /* tag control, then the next protocol */

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(vlan + 2) > end)
			return NOT_OURS;
		protocol = vlan[1];
		next = vlan + 2;
	}
	return parse_ip(p, protocol, next, end, banned);
}

/* The packet begins with the IP header (tun, WireGuard, ppp). Its first four bits are the version. */
static __always_inline enum parsed parse_bare(struct xdp_md *ctx, struct packet *p, int *banned)
{
	const void *end = (void *)(long)ctx->data_end;
	const __u8 *first = (void *)(long)ctx->data;

	if ((void *)(first + 1) > end)
		return NOT_OURS;
	return parse_ip(p, *first >> 4 == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6), first, end, banned);
}

/* The daemon answers a hello only to where it came from, whatever the process says that has judged it. */
static __always_inline void remember_peer(const struct packet *p, __u64 now)
{
	const struct xk_peer peer = {
		.source = p->source, .destination = p->destination, .source_port = bpf_ntohs(p->udp->source)};

	bpf_map_update_elem(&hello_peers, &peer, &now, BPF_ANY);
}

/* Judges a datagram to the knock port at an address of ours, and returns the counter of its exit. */
static __always_inline enum xk_counter judge(struct xdp_md *ctx, const struct packet *p)
{
	const void *end = (void *)(long)ctx->data_end;
	const __u64 *words = (const void *)(p->udp + 1);
	struct xk_packet_record *record;
	struct credential *credential;
	struct xk_seen key;
	struct xk_tag *tag;
	__u64 now;

	/* The comparison with `end` also shows the verifier that all 192 bytes may be read. */
	if (p->udp->len != bpf_htons(XK_PACKET_SIZE + sizeof(*p->udp)) ||
	    p->ip_payload != XK_PACKET_SIZE + sizeof(*p->udp) || (void *)words + XK_PACKET_SIZE > end)
		return XK_LENGTH;
	if (impossible_source(p))
		return XK_SOURCE;

	key.tag = words[XK_TAG_OFFSET / 8];
	key.mac = words[XK_MAC_OFFSET / 8];
	tag = bpf_map_lookup_elem(&tags, &key.tag);
	if (!tag)
		return XK_TAG;
	now = bpf_ktime_get_boot_ns();
	if (now < tag->not_before || now >= tag->expires)
		return XK_EXPIRED;
	/* The look-up fails only for an index out of range. The daemon writes no such index; the verifier wants this.
	 */
	credential = bpf_map_lookup_elem(&credentials, &tag->credential);
	if (!credential || credential->disabled)
		return XK_DISABLED;
	if (siphash(words + XK_SIGNED_OFFSET / 8, tag->mac_key) != le64(key.mac))
		return XK_MAC;

	/*
	 * The look-up comes before the ring, so that a replay costs no room in it. The entry comes after the ring, so
	 * that a full ring does not make the retry of a genuine knock look like a replay.
	 */
	if (bpf_map_lookup_elem(&seen, &key))
		return XK_SEEN;
	if (!take_token(credential, now))
		return XK_RATE;
	record = bpf_ringbuf_reserve(&candidates, sizeof(*record), 0);
	if (!record)
		return XK_RING_FULL;
	if (bpf_map_update_elem(&seen, &key, &tag->slot, BPF_NOEXIST)) {
		/*
		 * Another CPU has entered a copy meanwhile. The verifier requires each reserved record to be submitted
		 * or discarded. The flags are 0, because with BPF_RB_NO_WAKEUP a record behind this one could lose its
		 * wake-up.
		 */
		bpf_ringbuf_discard(record, 0);
		return XK_SEEN;
	}
	if (tag->kind == XK_RECORD_HELLO)
		remember_peer(p, now);
	record->head.kind = tag->kind;
	record->head.version = XK_PACKET_RECORD_VERSION;
	record->head.length = sizeof(*record);
	record->head.source_port = bpf_ntohs(p->udp->source);
	record->head.source = p->source;
	record->head.destination = p->destination;
	record->head.arrived = now;
	record->head.slot = tag->slot;
	record->head.credential = tag->credential;
	record->head.interface = ctx->ingress_ifindex;
#pragma unroll
	for (int i = 0; i < XK_PACKET_SIZE / 8; i++)
		((__u64 *)record->packet)[i] = words[i];
	bpf_ringbuf_submit(record, 0);
	return XK_CANDIDATE;
}

/*
 * Counts the exit of a packet to the knock port, or to an old client's, and decides where it goes. With stealth "drop"
 * nothing comes back. With "closed" the stack answers as for any closed port, and in a dry run as if there were no
 * filter. The stack limits its answers by itself (icmp_ratelimit, icmp_msgs_per_sec); a limit here would be visible
 * beside other ports.
 */
static __always_inline int finish(struct xdp_md *ctx, const struct packet *p, enum xk_counter why)
{
	count(why);
	return settings.stealth == XK_STEALTH_DROP && !may_be_answer(ctx, p, why) ? XDP_DROP : XDP_PASS;
}

/*
 * Judges a datagram to the knock port, or to one of an old client. These may be the same: what is neither a knock nor
 * of an old client's form then leaves as it does without old clients.
 */
static __always_inline enum xk_counter judge_any(struct xdp_md *ctx, const struct packet *p)
{
	enum xk_counter why = XK_LEGACY_FORM;
	enum xk_counter legacy;

	if (p->udp->dest == settings.knock_port) {
		why = judge(ctx, p);
		if (why != XK_LENGTH && why != XK_TAG)
			return why;
	}
	if (!is_legacy_port(p->udp->dest))
		return why;
	legacy = judge_legacy(ctx, p);
	return legacy == XK_LEGACY_FORM ? why : legacy;
}

static __always_inline int decide(struct xdp_md *ctx, const struct packet *p, enum parsed shape, int banned)
{
	if (banned) {
		count(XK_BANNED);
		return settings.stealth == XK_STEALTH_DRY ? XDP_PASS : XDP_DROP;
	}
	/* The settings are constants for the verifier: while one of these is zero there is no code for it. */
	if (settings.sequences && shape != NOT_OURS)
		watch_sequences(ctx, p);
	if (settings.c_lock_ports && shape == SYN)
		watch_c_lock(ctx, p);
	if (shape == SYN) {
		if (settings.stealth == XK_STEALTH_DRY || !is_unwanted(p))
			return XDP_PASS;
		count(XK_SYN);
		return XDP_DROP;
	}
	if (shape == NOT_OURS || (p->udp->dest != settings.knock_port && !is_legacy_port(p->udp->dest)))
		return XDP_PASS;
	if (!bpf_map_lookup_elem(&local_addresses, &p->destination)) {
		count(XK_TRANSIT);
		return XDP_PASS;
	}
	return finish(ctx, p, judge_any(ctx, p));
}

/*
 * Each interface has the one of the two programs that fits its link layer (daemon/xdp/link_layer.h). A packet may come
 * in several pieces (XDP fragments, Linux 5.18). data_end is then the end of the first piece, which holds the headers
 * and a whole knock; the program treats all bytes behind it as missing.
 */
SEC("xdp")
int xknock(struct xdp_md *ctx)
{
	struct packet p;
	int banned = 0;
	const enum parsed shape = parse_ethernet(ctx, &p, &banned);

	return decide(ctx, &p, shape, banned);
}

SEC("xdp")
int xknock_ip(struct xdp_md *ctx)
{
	struct packet p;
	int banned = 0;
	const enum parsed shape = parse_bare(ctx, &p, &banned);

	return decide(ctx, &p, shape, banned);
}
