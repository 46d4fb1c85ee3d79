// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter at the NIC. It decides about packets to the knock port, about banned sources, and about SYNs to protected
 * ports of which it is certain that nftables would drop them. Whatever it does not understand it passes on, and the
 * ruleset around the protected ports is nftables' work (daemon/nft). The order of the checks is that of
 * docs/protocol.md, "The filter"; none of them keeps state that an unauthenticated packet could fill.
 *
 * Built from UAPI headers alone, so that one object loads on every kernel from 5.10 on.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

char LICENSE[] SEC("license") = "GPL";

const volatile struct xk_settings settings = {};
volatile struct xk_bans bans = {};

/* The same 16 bytes as struct xk_credential, with the lock as the verifier wants to see it. */
struct credential {
	struct bpf_spin_lock lock;
	__u32 disabled;
	__u64 arrival;
};
_Static_assert(sizeof(struct credential) == sizeof(struct xk_credential), "abi");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* written by the daemon only */
	__uint(max_entries, XK_MAX_TAGS);
	__type(key, __u64);
	__type(value, struct xk_tag);
} tags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XK_MAX_CREDENTIALS);
	__type(key, __u32);
	__type(value, struct credential);
} credentials SEC(".maps");

/* Only authenticated packets get in; the daemon's own memory is the authority. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XK_MAX_SEEN);
	__type(key, struct xk_seen);
	__type(value, __u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_LOCAL);
	__type(key, struct xk_address);
	__type(value, __u32);
} local_addresses SEC(".maps");

/* Values of both: boot time of the end, ns; ~0 for ever. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_BANNED_ADDRESSES);
	__type(key, struct xk_address);
	__type(value, __u64);
} banned_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_BANNED_NETWORKS);
	__type(key, struct xk_prefix);
	__type(value, __u64);
} banned_networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, XK_RING_SIZE);
} candidates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XK_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xk_syn_guard);
} syn_guard SEC(".maps");

/* Who has a grant, or had one a moment ago: until when its SYNs pass, boot time, ns. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_KNOWN_SOURCES);
	__type(key, struct xk_address);
	__type(value, __u64);
} known_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_ALLOWED_NETWORKS);
	__type(key, struct xk_prefix);
	__type(value, __u32);
} allowed_networks SEC(".maps");

/* Whether this host forwards, so that a flow of another one may come back to the knock port: see may_be_answer(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} forwarding SEC(".maps");

/* What parse() found out; the UDP or TCP header lies within the packet. */
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

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		(*value)++;
}

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

static __always_inline int is_banned(const struct xk_address *source)
{
	__u64 *until;

	if (bans.addresses) {
		until = bpf_map_lookup_elem(&banned_addresses, source);
		if (until && *until > bpf_ktime_get_boot_ns())
			return 1;
	}
	if (bans.networks) {
		struct xk_prefix key = {.length = 128, .address = *source};

		until = bpf_map_lookup_elem(&banned_networks, &key);
		if (until && *until > bpf_ktime_get_boot_ns())
			return 1;
	}
	return 0;
}

/* What lies behind an IP header that is whole and plain. The packets of connections that stand go no further than this.
 */
static __always_inline enum parsed parse_transport(struct packet *p, __u8 protocol, const void *header, const void *end)
{
	const struct udphdr *udp = header;
	const struct tcphdr *tcp = header;

	if (protocol == IPPROTO_UDP && (void *)(udp + 1) <= end) {
		p->udp = udp;
		return DATAGRAM;
	}
	/* FIN, SYN, RST and ACK; with ECN a SYN also carries ECE and CWR (RFC 3168). */
	if (protocol == IPPROTO_TCP && (void *)(tcp + 1) <= end && (((const __u8 *)tcp)[13] & 0x17) == 0x02) {
		p->tcp = tcp;
		return SYN;
	}
	return NOT_OURS;
}

/*
 * IPv4 without options or IPv6 without extension headers, UDP or a SYN of TCP. *banned tells whether the source is
 * banned; it is looked up as soon as there is a source, so that a ban covers every IP packet, whatever follows.
 * `protocol` is an ethertype; `next` lies at the packet's end at most.
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
		 * MF and offset. A knock is never in parts, and a first part that is dropped here would tell: any other
		 * port says "reassembly time exceeded" when the rest does not come.
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

/* Ethernet with up to two VLAN tags (802.1Q, 802.1ad) before it. */
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

/* No header before IP's (tun, WireGuard, ppp), so that its first four bits say which one it is. */
static __always_inline enum parsed parse_bare(struct xdp_md *ctx, struct packet *p, int *banned)
{
	const void *end = (void *)(long)ctx->data_end;
	const __u8 *first = (void *)(long)ctx->data;

	if ((void *)(first + 1) > end)
		return NOT_OURS;
	return parse_ip(p, *first >> 4 == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6), first, end, banned);
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

static __always_inline __u64 rotl(__u64 x, int b)
{
	return (x << b) | (x >> (64 - b));
}

#define SIPROUND                                                                                                       \
	do {                                                                                                           \
		v0 += v1;                                                                                              \
		v1 = rotl(v1, 13) ^ v0;                                                                                \
		v0 = rotl(v0, 32);                                                                                     \
		v2 += v3;                                                                                              \
		v3 = rotl(v3, 16) ^ v2;                                                                                \
		v0 += v3;                                                                                              \
		v3 = rotl(v3, 21) ^ v0;                                                                                \
		v2 += v1;                                                                                              \
		v1 = rotl(v1, 17) ^ v2;                                                                                \
		v2 = rotl(v2, 32);                                                                                     \
	} while (0)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define le64(x) (x)
#else
#define le64(x) __builtin_bswap64(x)
#endif

/* SipHash-2-4 (Aumasson and Bernstein, 2012) over the part of the packet that the MAC covers. */
#define MAC_WORDS ((XK_PACKET_SIZE - XK_SIGNED_OFFSET) / 8)

static __always_inline __u64 siphash(const __u64 *words, const __u64 *key)
{
	__u64 v0 = key[0] ^ 0x736f6d6570736575ULL;
	__u64 v1 = key[1] ^ 0x646f72616e646f6dULL;
	__u64 v2 = key[0] ^ 0x6c7967656e657261ULL;
	__u64 v3 = key[1] ^ 0x7465646279746573ULL;
	const __u64 last = (__u64)(MAC_WORDS * 8) << 56;

#pragma unroll
	for (int i = 0; i < MAC_WORDS; i++) {
		const __u64 m = le64(words[i]);

		v3 ^= m;
		SIPROUND;
		SIPROUND;
		v0 ^= m;
	}
	v3 ^= last;
	SIPROUND;
	SIPROUND;
	v0 ^= last;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

/* GCRA: true when the credential may knock now; then its next arrival moves on. */
static __always_inline int take_token(struct credential *credential, __u64 now)
{
	const __u64 interval = settings.knock_interval;
	const __u64 limit = now + interval * settings.knock_burst;
	__u64 next;
	int taken = 0;

	bpf_spin_lock(&credential->lock);
	next = credential->arrival > now ? credential->arrival : now;
	next += interval;
	if (next <= limit) {
		credential->arrival = next;
		taken = 1;
	}
	bpf_spin_unlock(&credential->lock);
	return taken;
}

/* Steps 3 to 8 for a datagram to the knock port at an address of ours. */
static __always_inline enum xk_counter judge(struct xdp_md *ctx, const struct packet *p)
{
	const void *end = (void *)(long)ctx->data_end;
	const __u64 *words = (const void *)(p->udp + 1);
	struct xk_candidate *record;
	struct credential *credential;
	struct xk_seen key;
	struct xk_tag *tag;
	__u64 now;

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
	credential = bpf_map_lookup_elem(&credentials, &tag->credential);
	if (!credential || credential->disabled)
		return XK_DISABLED;
	if (siphash(words + XK_SIGNED_OFFSET / 8, tag->mac_key) != le64(key.mac))
		return XK_MAC;

	/* Looked up before the ring is asked, entered after: a replay then costs no ring space, and a full
	 * ring does not make the retry of a genuine knock look like a replay. */
	if (bpf_map_lookup_elem(&seen, &key))
		return XK_SEEN;
	if (!take_token(credential, now))
		return XK_RATE;
	record = bpf_ringbuf_reserve(&candidates, sizeof(*record), 0);
	if (!record)
		return XK_RING_FULL;
	if (bpf_map_update_elem(&seen, &key, &tag->slot, BPF_NOEXIST)) {
		/* Another CPU was faster with a copy. With BPF_RB_NO_WAKEUP a record behind this one
		 * could lose its wake-up. */
		bpf_ringbuf_discard(record, 0);
		return XK_SEEN;
	}
	record->source = p->source;
	record->destination = p->destination;
	record->arrived = now;
	record->slot = tag->slot;
	record->credential = tag->credential;
	record->interface = ctx->ingress_ifindex;
	record->source_port = bpf_ntohs(p->udp->source);
	record->pad[0] = 0;
	record->pad[1] = 0;
	record->pad[2] = 0;
#pragma unroll
	for (int i = 0; i < XK_PACKET_SIZE / 8; i++)
		((__u64 *)record->packet)[i] = words[i];
	bpf_ringbuf_submit(record, 0);
	return XK_CANDIDATE;
}

static __always_inline __u64 hash_of(const struct xk_address *address)
{
	const __u64 *halves = (const __u64 *)address->bytes;

	return xk_address_hash(halves[0], halves[1]);
}

static __always_inline int has_bit(const volatile __u64 *bitmap, __u16 bit)
{
	return bitmap[bit / 64] >> (bit % 64) & 1;
}

static __always_inline int is_known(const struct xk_syn_guard *guard, const struct xk_address *source)
{
	__u64 *until;

	if (!has_bit(guard->known, xk_known_bit(hash_of(source))))
		return 0;
	until = bpf_map_lookup_elem(&known_sources, source);
	return until && *until > bpf_ktime_get_boot_ns();
}

static __always_inline int is_allowed(const struct xk_syn_guard *guard, const struct packet *p)
{
	struct xk_prefix key = {.length = 128, .address = p->source};
	const __u16 *parts = (const __u16 *)p->source.bytes;

	if (!guard->allowed)
		return 0;
	if (!has_bit(p->ipv6 ? guard->allowed6 : guard->allowed4, bpf_ntohs(parts[p->ipv6 ? 0 : 6])))
		return 0;
	return bpf_map_lookup_elem(&allowed_networks, &key) != NULL;
}

static __always_inline int is_in_slot(const struct xk_syn_guard *guard, const struct xk_address *address, __u32 slot)
{
	const volatile __u64 *in = (const volatile __u64 *)guard->local[slot].bytes;
	const __u64 *halves = (const __u64 *)address->bytes;

	return in[0] == halves[0] && in[1] == halves[1];
}

/* An address of this host that the daemon found a slot for: not so for another host's, and for few of ours. */
static __always_inline int is_local(const struct xk_syn_guard *guard, const struct xk_address *address)
{
	const __u64 hash = hash_of(address);

	return is_in_slot(guard, address, xk_guard_slot(hash, 0)) || is_in_slot(guard, address, xk_guard_slot(hash, 1));
}

/*
 * Whether nftables would drop this SYN for certain: to a protected port of this host, from somebody who has no grant,
 * had none a moment ago, and is in no allowed network. The cheapest question first; those that a flood is asked are
 * answered from a few cache lines.
 */
static __always_inline int is_unwanted(const struct packet *p)
{
	const __u32 zero = 0;
	const struct xk_syn_guard *guard = bpf_map_lookup_elem(&syn_guard, &zero);

	if (!guard || !*(const volatile __u32 *)&guard->on)
		return 0;
	/* No room for a TCP header, or an IPv4 length below its own header's: not a plain shape. */
	if (p->ip_payload - (__u32)sizeof(*p->tcp) > 0xffff)
		return 0;
	return has_bit(guard->ports, bpf_ntohs(p->tcp->dest)) && is_local(guard, &p->destination) &&
	       !is_known(guard, &p->source) && !is_allowed(guard, p);
}

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

/*
 * The end of every knock-port packet: nothing, under "closed" what the stack says of a closed port, and in a dry run
 * what it would have been without us. How often the stack answers is its own affair (icmp_ratelimit and
 * icmp_msgs_per_sec): whatever was kept from it here would be missing beside the answers of other ports.
 */
static __always_inline int finish(struct xdp_md *ctx, const struct packet *p, enum xk_counter why)
{
	count(why);
	return settings.stealth == XK_STEALTH_DROP && !may_be_answer(ctx, p, why) ? XDP_DROP : XDP_PASS;
}

static __always_inline int decide(struct xdp_md *ctx, const struct packet *p, enum parsed shape, int banned)
{
	if (banned) {
		count(XK_BANNED);
		return settings.stealth == XK_STEALTH_DRY ? XDP_PASS : XDP_DROP;
	}
	if (shape == SYN) {
		if (settings.stealth == XK_STEALTH_DRY || !is_unwanted(p))
			return XDP_PASS;
		count(XK_SYN);
		return XDP_DROP;
	}
	if (shape == NOT_OURS || p->udp->dest != settings.knock_port)
		return XDP_PASS;
	if (!bpf_map_lookup_elem(&local_addresses, &p->destination)) {
		count(XK_TRANSIT);
		return XDP_PASS;
	}
	return finish(ctx, p, judge(ctx, p));
}

/*
 * Two programs of which each interface has the one that fits it (daemon/xdp/link_layer.h). With fragments, where the
 * kernel knows them (5.18), a packet's headers and a knock are in the first one: whatever is not passes, as in any
 * other shape.
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
