// SPDX-License-Identifier: GPL-2.0-only
/* Limits how often a credential may knock. */
#ifndef XK_BPF_BUCKET_H
#define XK_BPF_BUCKET_H

#include "maps.bpf.h"

/*
 * Returns 1 when the credential may knock now, and then moves its next arrival on (GCRA, ITU-T I.371). `now` is boot
 * time in ns. The lock is needed because two CPUs may get knocks of one credential at once. Between lock and unlock the
 * verifier allows no call of a helper, so the caller reads the clock.
 */
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

#endif
