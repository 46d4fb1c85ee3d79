// SPDX-License-Identifier: GPL-2.0-only
/* SipHash-2-4 (Aumasson and Bernstein, 2012) over the part of a knock that its MAC covers. */
#ifndef XK_BPF_SIPHASH_H
#define XK_BPF_SIPHASH_H

#include "abi.h"

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

/* The loop is unrolled: the number of words (22) is constant, and Linux 5.10's verifier follows each turn anyway. */
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

#endif
