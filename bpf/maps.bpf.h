// SPDX-License-Identifier: GPL-2.0-only
/*
 * The maps and settings of the filter (bpf/abi.h), and its counters. Maps that the daemon alone fills are not
 * preallocated (BPF_F_NO_PREALLOC): they are large and mostly empty.
 */
#ifndef XK_BPF_MAPS_H
#define XK_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

const volatile struct xk_settings settings = {};
volatile struct xk_bans bans = {};

/* The same 16 bytes as struct xk_credential, with the lock in the type that the verifier requires. */
struct credential {
	struct bpf_spin_lock lock;
	__u32 disabled;
	__u64 arrival;
};
_Static_assert(sizeof(struct credential) == sizeof(struct xk_credential), "abi");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
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

/* Packets are entered after their MAC was right. The map may forget one (LRU); the worker's replay memory does not. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XK_MAX_SEEN);
	__type(key, struct xk_seen);
	__type(value, __u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XK_MAX_PEERS);
	__type(key, struct xk_peer);
	__type(value, __u64);
} hello_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_LOCAL);
	__type(key, struct xk_address);
	__type(value, __u32);
} local_addresses SEC(".maps");

/* The value in both maps is the end of the ban: boot time, ns; ~0 for ever. */
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

/* Sources that have a grant, or had one a moment ago. The value is the end of their time: boot time, ns. */
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

/* Not zero while this host forwards: answers to forwarded flows may come to the knock port (may_be_answer()). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} forwarding SEC(".maps");

/* The map is per CPU, so that this needs no atomic operation. */
static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		(*value)++;
}

#endif
