/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Follows the sequences of c-lock (docs/protocol.md, "c-lock"). It only watches, as sequence.bpf.h does. A six-digit
 * code is soon guessed, so guesses are counted. The ports of a source are cut into runs, one behind the other, each as
 * long as a sequence. A run is one guess whatever ports it has, because its first port must be the first of the
 * sequence. A run that is whole costs a token of one bucket for all sources, right or wrong. A right one without a
 * token opens nothing. Shorter runs are free: they can open nothing.
 */
#ifndef XK_BPF_C_LOCK_H
#define XK_BPF_C_LOCK_H

#include "sequence.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XK_MAX_RUNS);
	__type(key, struct xk_address);
	__type(value, struct xk_run);
} c_lock_runs SEC(".maps");

/* Sources of complete sequences. A part of the tokens is kept for them. The value has no meaning. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XK_MAX_RIGHT_SOURCES);
	__type(key, struct xk_address);
	__type(value, __u64);
} c_lock_sources SEC(".maps");

/* The same 16 bytes as struct xk_attempts. */
struct attempts {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 arrival;
};
_Static_assert(sizeof(struct attempts) == sizeof(struct xk_attempts), "abi");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct attempts);
} c_lock_attempts SEC(".maps");

/* Returns 1 when the source may still be right (GCRA, as take_token()). Strangers leave half of the tokens. */
static __always_inline int take_attempt(const struct xk_address *source, __u64 now)
{
	const __u64 burst = settings.attempt_burst;
	const __u64 most = bpf_map_lookup_elem(&c_lock_sources, source) ? burst : (burst + 1) / 2;
	const __u64 limit = now + settings.attempt_interval * most;
	const __u32 only = 0;
	struct attempts *attempts = bpf_map_lookup_elem(&c_lock_attempts, &only);
	int taken = 0;
	__u64 next;

	if (!attempts)
		return 0;
	bpf_spin_lock(&attempts->lock);
	next = (attempts->arrival > now ? attempts->arrival : now) + settings.attempt_interval;
	if (next <= limit) {
		attempts->arrival = next;
		taken = 1;
	}
	bpf_spin_unlock(&attempts->lock);
	return taken;
}

static __always_inline int is_open_port(__u16 port)
{
#pragma unroll
	for (int i = 0; i < XK_MOST_OPEN_PORTS; i++)
		if (settings.open_ports[i] == port)
			return 1;
	return 0;
}

/* What one port means for a run: where it leads in each slot, and the last step of a sequence that it completes. */
struct look {
	__u64 next[XK_SEQUENCE_SLOTS];
	__u64 last;  /* of the run, as it was read */
	__u64 slot;  /* of `final` */
	__u16 count; /* of the run, as it was read */
	__u16 place; /* of the port in the run */
	int begins;
	int is_step; /* of any sequence */
	struct xk_step *final;
};

static __always_inline void look_at(const struct xk_run *run, struct look *look, __u16 port, __u64 now)
{
#pragma unroll
	for (__u32 i = 0; i < XK_SEQUENCE_SLOTS; i++) {
		const __u32 entry = i;
		struct xk_sequence_slot *slot = bpf_map_lookup_elem(&sequence_slots, &entry);
		struct xk_step *step;
		__u64 node;

		look->next[i] = 0;
		if (!slot || now < slot->not_before || now >= slot->expires)
			continue;
		node = look->begins ? slot->slot | XK_C_LOCK_ROOT : run->node[i];
		if (!node)
			continue;
		step = find_step(node, port);
		if (!step)
			continue;
		look->is_step = 1;
		look->next[i] = step->next;
		if (!step->next) {
			look->final = step;
			look->slot = slot->slot;
		}
	}
}

/* How long a source is not followed after its failed runs. */
static __always_inline __u64 penalty(__u16 failures)
{
	return failures < 2 ? XK_FIRST_PENALTY : failures == 2 ? XK_SECOND_PENALTY : XK_LONGEST_PENALTY;
}

/*
 * Adds the port to the run, and returns whether the run is whole. *complete has its ports where they are a sequence,
 * else its count is 0. Where another processor has changed the run since it was looked at, the port counts as wrong:
 * otherwise two processors could make one run stand for two guesses.
 */
static __always_inline int extend_run(struct progress_lock *lock, struct xk_run *run, const struct look *look,
				      __u16 port, __u64 now, struct xk_ports *complete)
{
	__u32 place = look->place;
	int is_whole;

	bpf_spin_lock(&lock->lock);
	if (run->sent.count == look->count && run->last == look->last) {
		run->node[0] = look->next[0];
		run->node[1] = look->next[1];
		run->node[2] = look->next[2];
		/*
		 * Linux 5.10 forgets the bounds of a number that was on the stack meanwhile, so it is bounded again
		 * where it is used: 15 still lies within the value, and it is 9 at most.
		 */
		asm volatile("" : "+r"(place));
		place &= 15;
		run->sent.port[place] = port;
		run->sent.count = place + 1;
		is_whole = run->sent.count >= settings.c_lock_ports;
		if (is_whole && look->final)
			*complete = run->sent;
	} else {
		run->node[0] = run->node[1] = run->node[2] = 0;
		run->sent.count++;
		is_whole = run->sent.count >= settings.c_lock_ports;
	}
	run->last = now;
	run->last_port = port;
	if (is_whole) {
		run->sent.count = 0;
		if (complete->count) {
			run->sent.resets = 0;
		} else {
			if (now > run->muted + XK_LONGEST_PENALTY)
				run->sent.resets = 0;
			if (run->sent.resets < 3)
				run->sent.resets++;
			run->muted = now + penalty(run->sent.resets);
		}
	}
	bpf_spin_unlock(&lock->lock);
	return is_whole;
}

static __always_inline struct xk_run *find_run(const struct xk_address *source)
{
	static const struct xk_run fresh = {};
	struct xk_run *run = bpf_map_lookup_elem(&c_lock_runs, source);

	if (run)
		return run;
	bpf_map_update_elem(&c_lock_runs, source, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&c_lock_runs, source);
}

/*
 * Looks at a SYN. Datagrams do not count: the client of c-lock sends none, and to any port of the range one may come as
 * an answer. An always-open port is as if nobody had sent to it, also where it is in the sequence. So is a port that
 * no sequence can have: those of most services are among them, and their SYNs cost next to nothing.
 */
static __always_inline void watch_c_lock(struct xdp_md *ctx, const struct packet *p)
{
	const __u16 port = bpf_ntohs(p->tcp->dest);
	struct xk_address source = p->source;
	const __u64 *halves = (const __u64 *)source.bytes;
	struct xk_ports complete = {};
	struct progress_lock *lock;
	struct look look = {};
	struct xk_run *run;
	__u32 place;
	__u64 now;

	if (port < XK_FIRST_C_LOCK_PORT || is_open_port(port) ||
	    !bpf_map_lookup_elem(&local_addresses, &p->destination) || impossible_source(p))
		return;
	if (p->ipv6) /* one customer has a network of that size, and could send each port from another address */
		((__u64 *)source.bytes)[1] = 0;
	run = find_run(&source);
	now = bpf_ktime_get_boot_ns();
	if (!run || run->muted > now)
		return;
	look.count = *(volatile __u16 *)&run->sent.count;
	look.last = *(volatile __u64 *)&run->last;
	look.begins = look.count == 0 || (__s64)(now - look.last) > XK_RUN_PAUSE;
	look.place = look.begins ? 0 : look.count;
	if (look.place >= XK_MOST_SEQUENCE_PORTS)
		return;
	look_at(run, &look, port, now);
	if (!look.begins && !look.is_step && run->last_port == port) /* a copy, or TCP repeats it */
		return;
	place = (__u32)(xk_address_hash(halves[0], halves[1]) >> 32) & (XK_PROGRESS_LOCKS - 1);
	lock = bpf_map_lookup_elem(&progress_locks, &place);
	if (!lock || !extend_run(lock, run, &look, port, now, &complete))
		return;
	if (!complete.count) /* the source is not followed for a while */
		report_failure(ctx, p, now, XK_RECORD_C_LOCK);
	if (look.final && complete.count && look.final->used)
		return count(XK_SEEN); /* whoever sent it has learnt nothing */
	if (!take_attempt(&source, now)) {
		/* Whoever has listened must not use it later. */
		if (look.final && complete.count) {
			look.final->used = 1;
			count(XK_RATE);
		}
		return;
	}
	if (look.final && complete.count &&
	    report_sequence(ctx, p, look.final, &complete, look.slot, now, XK_RECORD_C_LOCK))
		bpf_map_update_elem(&c_lock_sources, &source, &now, BPF_ANY);
}

#endif
