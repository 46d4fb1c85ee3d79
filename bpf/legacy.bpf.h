// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets of old clients (docs/protocol.md, "Old clients: the filter"). Nothing in them proves to the filter who made
 * them, so it looks at their form and limits their rate. The worker does the rest.
 */
#ifndef XK_BPF_LEGACY_H
#define XK_BPF_LEGACY_H

#include "bucket.bpf.h"
#include "packet.bpf.h"

struct legacy_bucket {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 arrival;
};
_Static_assert(sizeof(struct legacy_bucket) == sizeof(struct xk_bucket), "abi");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XK_LEGACY_BUCKETS);
	__type(key, __u32);
	__type(value, struct legacy_bucket);
} legacy_buckets SEC(".maps");

/* The record is put together here, because room in the ring of a length that varies can only be had by a copy. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xk_legacy_record);
} legacy_record SEC(".maps");

/* Makes the verifier look at the bounds of a value anew: Linux 5.10 forgets them where the compiler spills it. */
#define look_again(value) asm volatile("" : "+r"(value))

/* Eight bytes are checked at once. The highest bit of each byte of a result is its answer. */
#define EACH(byte) ((__u64)(byte)*0x0101010101010101ULL)

/* Which bytes are from `first` to `last`. No byte of `word` may have its highest bit set, so that nothing is carried.
 */
static __always_inline __u64 between(__u64 word, __u8 first, __u8 last)
{
	return (word + EACH(0x80 - first)) & ~(word + EACH(0x7f - last));
}

/* Which bytes are not of base64's alphabet. '/' is the one before '0'; bit 5 makes a letter a small one. */
static __always_inline __u64 not_base64(__u64 word)
{
	const __u64 low = word & EACH(0x7f);

	return word | ~(between(low, '/', '9') | between(low, '+', '+') | between(low | EACH(0x20), 'a', 'z'));
}

/* Which bytes stand in no JSON. Blanks do, ASCII without controls, and the bytes of UTF-8 above. */
static __always_inline __u64 not_text(__u64 word)
{
	const __u64 low = word & EACH(0x7f);

	return ~(word | between(low, ' ', '~') | between(low, '\t', '\n') | between(low, '\r', '\r'));
}

static __always_inline int is_blank(__u8 byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\n') || byte == '\r';
}

/*
 * Whether fwknop makes packets of this length: base64 without '=' of salt and blocks, without its first ten characters,
 * and an HMAC of one of five kinds behind it. Of 16 bytes times n base64 makes 64 n / 3 characters, rounded up. The
 * product is zero where one of the five fits; five comparisons would make the verifier follow each by itself.
 */
static __always_inline int is_fwknop_length(__u32 length)
{
	const __u32 hmacs[] = {22, 27, 43, 64, 86};
	__u64 off = 1;

	if (length < XK_FEWEST_FWKNOP || length > XK_MOST_FWKNOP)
		return 0;
#pragma unroll
	for (int i = 0; i < 5; i++) {
		const __u32 characters = length + 10 - hmacs[i];

		off *= characters - (characters * 3 / 64 * 64 + 2) / 3;
	}
	return off == 0;
}

#define LEGACY_BLOCK 64 /* bytes; less than the shortest packet */

/* Returns 0 where a byte of the block is none of the kind's alphabet. `kind` is a constant. */
static __always_inline int copy_block(__u8 *to, const void *from, enum xk_record_kind kind)
{
	const __u64 *words = from;
	__u64 bad = 0;

#pragma unroll
	for (int i = 0; i < LEGACY_BLOCK / 8; i++) {
		const __u64 word = words[i];

		((__u64 *)to)[i] = word;
		bad |= kind == XK_RECORD_FWKNOP ? not_base64(word) : not_text(word);
	}
	return (bad & EACH(0x80)) == 0;
}

/*
 * Copies the packet into the record and checks each byte. The last block begins so that it ends with the packet, and
 * holds some bytes of the block before once more. The verifier follows each turn of the loop to the end of the program,
 * because each leaves another part of the packet checked against `end`: a turn for each word would be too many.
 */
static __always_inline int copy_checked(struct xk_legacy_record *record, const __u8 *packet, const void *end,
					__u32 length, enum xk_record_kind kind)
{
	__u32 last = length - LEGACY_BLOCK;

#pragma clang loop unroll(disable)
	for (__u32 at = 0; at + LEGACY_BLOCK <= XK_MOST_LEGACY; at += LEGACY_BLOCK) {
		if (at + LEGACY_BLOCK > length)
			break;
		if ((const void *)(packet + at + LEGACY_BLOCK) > end ||
		    !copy_block(record->packet + at, packet + at, kind))
			return 0;
	}
	look_again(last);
	if (last > XK_MOST_LEGACY - LEGACY_BLOCK)
		return 0;
	packet += last;
	if ((const void *)(packet + LEGACY_BLOCK) > end || !copy_block(record->packet + last, packet, kind))
		return 0;
	return kind == XK_RECORD_FWKNOP || packet[LEGACY_BLOCK - 1] == '}' || is_blank(packet[LEGACY_BLOCK - 1]);
}

static __always_inline int take_legacy_token(__u32 entry, __u64 interval, __u64 burst, __u64 now)
{
	struct legacy_bucket *bucket = bpf_map_lookup_elem(&legacy_buckets, &entry);

	/* Without the lock: a flood that is over its limit shall not make the processors wait for each other. */
	if (!bucket || *(volatile __u64 *)&bucket->arrival > now + interval * (burst - 1))
		return 0;
	return take_from(&bucket->lock, &bucket->arrival, interval, burst, now);
}

/*
 * Whether source and host have room for one more. A source has a bucket in each row and passes where one of them has a
 * token, so that it suffers from others only where it shares both. All sources together have one bucket, because a
 * flood may forge them.
 */
static __always_inline int has_room(const struct packet *p, __u64 now)
{
	const __u64 *halves = (const __u64 *)p->source.bytes;
	const __u64 hash = xk_address_hash(halves[0], halves[1]);
	const __u32 first = 1 + ((__u32)(hash >> 53) & (XK_LEGACY_ROW - 1));
	const __u32 second = 1 + XK_LEGACY_ROW + ((__u32)(hash >> 42) & (XK_LEGACY_ROW - 1));
	const int one = take_legacy_token(first, XK_LEGACY_SOURCE_INTERVAL, XK_LEGACY_SOURCE_BURST, now);
	const int other = take_legacy_token(second, XK_LEGACY_SOURCE_INTERVAL, XK_LEGACY_SOURCE_BURST, now);

	return (one || other) && take_legacy_token(0, XK_LEGACY_INTERVAL, XK_LEGACY_BURST, now);
}

static __always_inline int is_legacy_port(__be16 port)
{
	return (settings.capyknock_port && port == settings.capyknock_port) ||
	       (settings.fwknop_port && port == settings.fwknop_port);
}

/* The kind of client whose packets begin so and come to this port, or 0. JSON begins with no letter of base64. */
static __always_inline __u32 legacy_kind(const struct packet *p, __u8 first, __u32 length)
{
	if (first == '{' || is_blank(first)) {
		if (settings.capyknock_port && p->udp->dest == settings.capyknock_port &&
		    length >= XK_FEWEST_CAPYKNOCK && length <= XK_MOST_CAPYKNOCK)
			return XK_RECORD_CAPYKNOCK;
	} else if (settings.fwknop_port && p->udp->dest == settings.fwknop_port && is_fwknop_length(length)) {
		return XK_RECORD_FWKNOP;
	}
	return 0;
}

/*
 * Judges a datagram to an old client's port at an address of ours, and returns the counter of its exit. Their clients
 * know IPv4 alone.
 */
static __always_inline enum xk_counter judge_legacy(struct xdp_md *ctx, const struct packet *p)
{
	const void *end = (void *)(long)ctx->data_end;
	const __u8 *packet = (const void *)(p->udp + 1);
	const __u32 udp_length = bpf_ntohs(p->udp->len);
	__u32 length = udp_length - sizeof(*p->udp);
	struct xk_legacy_record *record;
	const __u32 zero = 0;
	__u32 kind;
	__u64 now;

	if (p->ipv6 || p->ip_payload != udp_length || (const void *)(packet + 1) > end)
		return XK_LEGACY_FORM;
	kind = legacy_kind(p, *packet, length);
	if (!kind)
		return XK_LEGACY_FORM;
	if (impossible_source(p))
		return XK_SOURCE;
	record = bpf_map_lookup_elem(&legacy_record, &zero);
	if (!record)
		return XK_LEGACY_FORM;
	if (kind == XK_RECORD_FWKNOP ? !copy_checked(record, packet, end, length, XK_RECORD_FWKNOP)
				     : !copy_checked(record, packet, end, length, XK_RECORD_CAPYKNOCK))
		return XK_LEGACY_FORM;
	now = bpf_ktime_get_boot_ns();
	if (!has_room(p, now))
		return XK_LEGACY_RATE;
	/* The rest of the ring is for packets whose MAC was right. */
	if (bpf_ringbuf_query(&candidates, BPF_RB_AVAIL_DATA) > XK_LEGACY_RING)
		return XK_RING_FULL;
	look_again(length);
	if (length > XK_MOST_LEGACY)
		return XK_LEGACY_FORM;
	record->head.kind = kind;
	record->head.version = XK_LEGACY_RECORD_VERSION;
	record->head.length = sizeof(record->head) + length;
	record->head.source_port = bpf_ntohs(p->udp->source);
	record->head.source = p->source;
	record->head.destination = p->destination;
	record->head.arrived = now;
	record->head.slot = 0;
	record->head.credential = 0;
	record->head.interface = ctx->ingress_ifindex;
	if (bpf_ringbuf_output(&candidates, record, sizeof(record->head) + length, 0))
		return XK_RING_FULL;
	return XK_LEGACY;
}

#endif
