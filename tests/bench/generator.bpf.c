// SPDX-License-Identifier: GPL-2.0-only
/*
 * Junk for the benchmarks, and a bare filter to measure ours against. "flood" makes a new datagram of each frame that
 * BPF_F_TEST_XDP_LIVE_FRAMES hands it and sends it out; "vary" puts another tag into a frame and goes on to the program
 * that is measured, because the same tag again and again would be looked up in a warm cache.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

char LICENSE[] SEC("license") = "GPL";

#define PAYLOAD_WORDS (XK_PACKET_SIZE / 8)

/* Where the parts lie: IPv4 without options, UDP, and a payload of a knock's length. */
struct junk {
	struct iphdr *ip;
	struct udphdr *udp;
	__u64 *payload;
};

const volatile __u32 out_interface = 0;
const volatile __u32 base64 = 0; /* the payload stays within A to P, valid base64 */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

static __always_inline int find(struct xdp_md *ctx, struct junk *junk)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	junk->ip = (void *)(eth + 1);
	junk->udp = (void *)(junk->ip + 1);
	junk->payload = (void *)(junk->udp + 1);
	return (void *)(junk->payload + PAYLOAD_WORDS) <= (void *)(long)ctx->data_end;
}

static __always_inline __u64 random64(void)
{
	return (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

/* xorshift64 (Marsaglia, 2003): 24 calls of the helper for each packet would halve the rate. */
static __always_inline __u64 next(__u64 x)
{
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static __always_inline void set_checksum(struct iphdr *ip)
{
	const __u16 *halves = (const __u16 *)ip;
	__u32 sum = 0;

	ip->check = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += halves[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = (__u16)~sum;
}

/* 192.0.2.0/24 or 198.51.100.0/24, host 3 to 254: neither end of the benchmark's links. */
static __always_inline __be32 random_source(__u32 r)
{
	const __u32 net = r & 1 ? 0xc0000200 : 0xc6336400;

	return bpf_htonl(net | (3 + (r >> 1) % 252));
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	const __u64 seed = random64();
	struct junk junk;
	__u64 x = seed | 1;

	if (!find(ctx, &junk))
		return XDP_ABORTED;
	junk.ip->saddr = random_source((__u32)seed);
	set_checksum(junk.ip);
	junk.udp->source = bpf_htons(1024 + (seed >> 32) % 60000);
#pragma unroll
	for (int i = 0; i < PAYLOAD_WORDS; i++) {
		x = next(x);
		junk.payload[i] = base64 ? (x & 0x0f0f0f0f0f0f0f0fULL) + 0x4141414141414141ULL : x;
	}
	return bpf_redirect(out_interface, 0);
}

/* 198.18.0.0/15, which is for benchmarks (RFC 2544): 131,072 sources. */
static __always_inline __be32 benchmark_source(__u32 r)
{
	return bpf_htonl(0xc6120000 | (r & 0x1ffff));
}

/* Another SYN of each frame, with checksums that are right: a wrong one would be dropped before it costs anything. */
SEC("xdp")
int syn_flood(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	const __u16 *halves = (const __u16 *)tcp;
	const __u16 *addresses = (const __u16 *)&ip->saddr;
	const __u64 seed = random64();
	__u32 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp));

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	ip->saddr = benchmark_source((__u32)seed);
	set_checksum(ip);
	tcp->source = bpf_htons(1024 + (seed >> 32) % 60000);
	tcp->seq = (__u32)(seed >> 17);
	tcp->check = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += halves[i];
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += addresses[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	tcp->check = (__u16)~sum;
	return bpf_redirect(out_interface, 0);
}

/* What a program costs that does nothing but find the SYNs to one port in plain IPv4, and drop them. */
SEC("xdp")
int bare(struct xdp_md *ctx)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const struct iphdr *ip = (void *)(eth + 1);
	const struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->version != 4 || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_TCP || ip->frag_off & bpf_htons(0x3fff))
		return XDP_PASS;
	if (tcp->dest != bpf_htons(22) || !tcp->syn || tcp->ack || tcp->rst || tcp->fin)
		return XDP_PASS;
	return XDP_DROP;
}

/* Another source for each packet. */
SEC("xdp")
int vary_source(struct xdp_md *ctx)
{
	struct iphdr *ip = (void *)(long)ctx->data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	ip->saddr = bpf_get_prandom_u32();
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int vary(struct xdp_md *ctx)
{
	struct junk junk;

	if (!find(ctx, &junk))
		return XDP_ABORTED;
	junk.payload[XK_TAG_OFFSET / 8] = random64();
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED; /* there was no program to go on to */
}
