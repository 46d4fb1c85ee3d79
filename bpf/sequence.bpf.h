// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follows sequences of ports (docs/protocol.md, "Sequences"). It only watches: each packet goes on as if nobody had
 * looked at it. A source has an entry from its first right port on. A random port is one with odds of 1 to 8,192 for
 * each credential, so packets of many sources fill little, and the map forgets the least recently used.
 */
#ifndef XK_BPF_SEQUENCE_H
#define XK_BPF_SEQUENCE_H

#include "bucket.bpf.h"
#include "packet.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XK_MAX_STEPS);
	__type(key, struct xk_step_key);
	__type(value, struct xk_step);
} sequence_steps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XK_SEQUENCE_SLOTS);
	__type(key, __u32);
	__type(value, struct xk_sequence_slot);
} sequence_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XK_MAX_PROGRESS);
	__type(key, struct xk_progress_key);
	__type(value, struct xk_progress);
} sequence_progress SEC(".maps");

/* An LRU map allows no lock in its values, so they have locks beside them, by a hash of the source. */
struct progress_lock {
	struct bpf_spin_lock lock;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XK_PROGRESS_LOCKS);
	__type(key, __u32);
	__type(value, struct progress_lock);
} progress_locks SEC(".maps");

/* The same 16 bytes as struct xk_bucket. */
struct failure_bucket {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 arrival;
};
_Static_assert(sizeof(struct failure_bucket) == sizeof(struct xk_bucket), "abi");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct failure_bucket);
} sequence_failures SEC(".maps");

static __always_inline struct xk_step *find_step(__u64 node, __u16 port)
{
	const struct xk_step_key key = {.node = node, .port = port};

	return bpf_map_lookup_elem(&sequence_steps, &key);
}

/*
 * The first port of a sequence, by a source without progress. All begun sequences of a slot are counted and limited:
 * nobody may guess without end (docs/security.md).
 */
static __always_inline void begin_sequence(struct xk_sequence_slot *slot, const struct xk_progress_key *key,
					   struct xk_progress *progress, __u16 port, __u64 now)
{
	struct xk_progress fresh = {.since = now};
	const struct xk_step *step;

	if (progress && progress->sent.resets >= XK_MOST_RESETS)
		return;
	step = find_step(key->slot, port);
	if (!step || !step->next || *(volatile __u64 *)&slot->begun >= XK_MOST_BEGUN)
		return;
	__sync_fetch_and_add(&slot->begun, 1);
	fresh.node = step->next;
	fresh.sent.port[0] = port;
	fresh.sent.count = 1;
	if (progress)
		fresh.sent.resets = progress->sent.resets;
	bpf_map_update_elem(&sequence_progress, key, &fresh, BPF_ANY);
}

/* All of a head but its slot and credential: ports of several packets have no one source port. */
static __always_inline void fill_head(struct xk_record *head, const struct xdp_md *ctx, const struct packet *p,
				      __u64 now, __u16 kind)
{
	head->kind = kind;
	head->version = XK_SEQUENCE_RECORD_VERSION;
	head->length = sizeof(struct xk_sequence_record);
	head->source_port = 0;
	head->source = p->source;
	head->destination = p->destination;
	head->arrived = now;
	head->interface = ctx->ingress_ifindex;
}

/* Reports a complete sequence, once, and returns whether it did. Two processors may report it at the same moment; the
 * worker takes one of them. */
static __always_inline int report_sequence(struct xdp_md *ctx, const struct packet *p, struct xk_step *step,
					   const struct xk_ports *sent, __u64 slot, __u64 now, __u16 kind)
{
	struct xk_sequence_record *record;
	struct credential *credential;

	enum xk_counter why;

	if (!step)
		return 0;
	credential = bpf_map_lookup_elem(&credentials, &step->credential);
	if (step->used)
		why = XK_SEEN;
	else if (!credential || credential->disabled)
		why = XK_DISABLED;
	else
		why = take_token(credential, now) ? XK_SEQUENCE : XK_RATE;
	if (why != XK_SEQUENCE) {
		count(why);
		return 0;
	}
	/* Nothing comes between these two: the verifier of Linux 5.10 must see that the record is there or not. */
	record = bpf_ringbuf_reserve(&candidates, sizeof(*record), 0);
	if (!record) {
		count(XK_RING_FULL);
		return 0;
	}
	step->used = 1;
	fill_head(&record->head, ctx, p, now, kind);
	record->head.slot = slot;
	record->head.credential = step->credential;
	record->sent = *sent;
	bpf_ringbuf_submit(record, 0);
	count(XK_SEQUENCE);
	return 1;
}

/*
 * Reports that a source is not followed any more, so that an operator sees why its sequence does not open. Sources can
 * be forged, so there is one budget for all of them: however many there are, they wake user space no more often.
 */
static __always_inline void report_failure(struct xdp_md *ctx, const struct packet *p, __u64 now, __u16 kind)
{
	const __u32 only = 0;
	struct failure_bucket *bucket = bpf_map_lookup_elem(&sequence_failures, &only);
	struct xk_sequence_record *record;

	if (!bucket || !take_from(&bucket->lock, &bucket->arrival, XK_FAILURE_INTERVAL, XK_FAILURE_BURST, now))
		return;
	record = bpf_ringbuf_reserve(&candidates, sizeof(*record), 0);
	if (!record)
		return;
	fill_head(&record->head, ctx, p, now, kind);
	record->head.slot = 0;
	record->head.credential = XK_NOBODY;
	__builtin_memset(&record->sent, 0, sizeof(record->sent));
	bpf_ringbuf_submit(record, 0);
}

/* What one port made of a source's progress. */
enum progress_change {
	PROGRESS_GOES_ON,
	PROGRESS_COMPLETE,
	PROGRESS_MUTED, /* this wrong port was the last one */
};

/*
 * Adds a port to what the source had sent when `node` and `sent` were read, or makes it begin anew: after a wrong port,
 * and where another processor had another port of this source meanwhile. Otherwise somebody could send a wrong port
 * beside the right one, and have it overlooked. *complete is what the source has sent when the sequence is complete.
 */
static __always_inline int add_port(struct progress_lock *lock, struct xk_progress *progress,
				    const struct xk_step *step, __u64 node, __u16 sent, __u16 port,
				    struct xk_ports *complete)
{
	const __u64 next = step ? step->next : 0;
	int change = PROGRESS_GOES_ON;

	bpf_spin_lock(&lock->lock);
	if (!step || progress->node != node || progress->sent.count != sent) {
		progress->sent.count = 0;
		if (++progress->sent.resets == XK_MOST_RESETS)
			change = PROGRESS_MUTED;
	} else {
		progress->sent.port[sent] = port;
		progress->sent.count = sent + 1;
		progress->node = next;
		if (!next) {
			*complete = progress->sent;
			progress->sent.count = 0;
			change = PROGRESS_COMPLETE;
		}
	}
	bpf_spin_unlock(&lock->lock);
	return change;
}

/*
 * One port in one slot. All ports of a sequence are different: one that was sent already is a copy, or TCP repeats a
 * SYN that had no answer. Where another processor has reset the number of ports between the two looks at it, a port may
 * be added to a node of before; the record has too few ports then, and the judgement refuses it.
 */
static __always_inline void take_port(struct xdp_md *ctx, const struct packet *p, struct xk_sequence_slot *slot,
				      __u16 port, __u64 now)
{
	const struct xk_progress_key key = {.source = p->source, .slot = slot->slot};
	const __u64 *halves = (const __u64 *)p->source.bytes;
	const __u32 place = (__u32)(xk_address_hash(halves[0], halves[1]) >> 32) & (XK_PROGRESS_LOCKS - 1);
	struct xk_progress *progress = bpf_map_lookup_elem(&sequence_progress, &key);
	struct xk_ports complete = {};
	struct progress_lock *lock;
	struct xk_step *step;
	__u64 node;
	__u16 sent;
	int change;

	if (!progress || progress->sent.count == 0 || (__s64)(now - progress->since) > XK_SEQUENCE_TIME)
		return begin_sequence(slot, &key, progress, port, now);
	sent = *(volatile __u16 *)&progress->sent.count;
	node = *(volatile __u64 *)&progress->node;
	if (sent >= XK_MOST_SEQUENCE_PORTS)
		return;
#pragma unroll
	for (int i = 0; i < XK_MOST_SEQUENCE_PORTS; i++)
		if (i < sent && progress->sent.port[i] == port)
			return;
	step = find_step(node, port);
	lock = bpf_map_lookup_elem(&progress_locks, &place);
	if (!lock)
		return;
	change = add_port(lock, progress, step, node, sent, port, &complete);
	if (change == PROGRESS_COMPLETE)
		report_sequence(ctx, p, step, &complete, key.slot, now, XK_RECORD_SEQUENCE);
	else if (change == PROGRESS_MUTED)
		report_failure(ctx, p, now, XK_RECORD_SEQUENCE);
}

/* Looks at a datagram or a SYN. At the turn of a slot two slots count, and a source has a progress in each of them. */
static __always_inline void watch_sequences(struct xdp_md *ctx, const struct packet *p)
{
	const __u16 port = bpf_ntohs(p->udp->dest); /* TCP has it at the same place */
	__u64 now;

	if (port / XK_SEQUENCE_PORTS != XK_SEQUENCE_FIRST / XK_SEQUENCE_PORTS)
		return;
	if (!bpf_map_lookup_elem(&local_addresses, &p->destination) || impossible_source(p))
		return;
	now = bpf_ktime_get_boot_ns();
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < XK_SEQUENCE_SLOTS; i++) {
		const __u32 entry = i;
		struct xk_sequence_slot *slot = bpf_map_lookup_elem(&sequence_slots, &entry);

		if (slot && now >= slot->not_before && now < slot->expires)
			take_port(ctx, p, slot, port, now);
	}
}

#endif
