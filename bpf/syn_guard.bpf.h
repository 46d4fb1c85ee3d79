// SPDX-License-Identifier: GPL-2.0-only
/* Finds SYNs to protected ports that nftables would drop for certain. */
#ifndef XK_BPF_SYN_GUARD_H
#define XK_BPF_SYN_GUARD_H

#include "packet.bpf.h"

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

/* Whether one of its two slots holds this address: true for most addresses of this host and for no other address. */
static __always_inline int is_local(const struct xk_syn_guard *guard, const struct xk_address *address)
{
	const __u64 hash = hash_of(address);

	return is_in_slot(guard, address, xk_guard_slot(hash, 0)) || is_in_slot(guard, address, xk_guard_slot(hash, 1));
}

/*
 * Whether nftables would drop this SYN for certain: it goes to a protected port of this host, and its source has no
 * grant, had none a moment ago, and is in no allowed network. The cheapest check comes first; those that a flood passes
 * through read a few cache lines.
 *
 * The daemon writes this memory while the program reads it. `volatile` keeps the compiler from repeating or merging
 * these reads.
 */
static __always_inline int is_unwanted(const struct packet *p)
{
	const __u32 zero = 0;
	const struct xk_syn_guard *guard = bpf_map_lookup_elem(&syn_guard, &zero);

	if (!guard || !*(const volatile __u32 *)&guard->on)
		return 0;
	/* Pass on a length without room for a TCP header, and an IPv4 length below its own header's, which wrapped. */
	if (p->ip_payload - (__u32)sizeof(*p->tcp) > 0xffff)
		return 0;
	return has_bit(guard->ports, bpf_ntohs(p->tcp->dest)) && is_local(guard, &p->destination) &&
	       !is_known(guard, &p->source) && !is_allowed(guard, p);
}

#endif
