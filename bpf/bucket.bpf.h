// SPDX-License-Identifier: GPL-2.0-only
/* Limits how often a credential may knock, and how often others may send. */
#ifndef XK_BPF_BUCKET_H
#define XK_BPF_BUCKET_H

#include "maps.bpf.h"

/*
 * Returns 1 when the bucket has a token, and then moves its next arrival on (GCRA, ITU-T I.371). `now` is boot time in
 * ns, and `interval` is in ns. The lock is needed because two CPUs may get packets for one bucket at once. Between lock
 * and unlock the verifier allows no call of a helper, so the caller reads the clock.
 */
static __always_inline int take_from(struct bpf_spin_lock *lock, __u64 *arrival, __u64 interval, __u64 burst, __u64 now)
{
	const __u64 limit = now + interval * burst;
	__u64 next;
	int taken = 0;

	bpf_spin_lock(lock);
	next = *arrival > now ? *arrival : now;
	next += interval;
	if (next <= limit) {
		*arrival = next;
		taken = 1;
	}
	bpf_spin_unlock(lock);
	return taken;
}

/* Returns 1 when the credential may knock now. */
static __always_inline int take_token(struct credential *credential, __u64 now)
{
	return take_from(&credential->lock, &credential->arrival, settings.knock_interval, settings.knock_burst, now);
}

#endif
