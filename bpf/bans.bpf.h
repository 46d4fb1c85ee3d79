// SPDX-License-Identifier: GPL-2.0-only
/* Finds out whether a source is banned. */
#ifndef XK_BPF_BANS_H
#define XK_BPF_BANS_H

#include "maps.bpf.h"

/* The counts save both look-ups where there is no ban. The daemon removes bans that are over. A ban ends in time
 * without the daemon too, because its end is compared with the clock. */
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

#endif
