/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The contract between the filter in the kernel and the daemon, and the only one: maps, record, settings.
 * It is not the wire format, which is in protocol/wire.h; the filter knows of the wire only what stands
 * here. Included by bpf/ (C) and by daemon/xdp/ (C++), which both assert sizes and offsets.
 *
 * Fixed-width kernel types, padding written out. Addresses are 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d. Times are nanoseconds of CLOCK_BOOTTIME, which counts sleep and cannot be set.
 */
#ifndef XK_BPF_ABI_H
#define XK_BPF_ABI_H

#include <linux/types.h>

/* Changes whenever a map below changes its meaning; pins carry it in their directory's name. daemon/xdp/pinned_maps.cpp
 * ("since") says which map changed when, so that the next start takes over the others. A new counter goes to the end,
 * so that the other numbers keep their meaning. */
#define XK_ABI_VERSION 3

#define XK_PACKET_SIZE	 192 /* UDP payload of every knock */
#define XK_TAG_OFFSET	 0
#define XK_MAC_OFFSET	 8
#define XK_SIGNED_OFFSET 16 /* the MAC covers all from here to the end */

#define XK_MAX_CREDENTIALS	10000
/* The widest skew needs nine slots, and a step of the wall clock needs old and new slots at once. */
#define XK_MAX_TAGS		(20 * XK_MAX_CREDENTIALS)
#define XK_MAX_SEEN		65536
#define XK_MAX_LOCAL		4096
#define XK_MAX_BANNED_ADDRESSES 131072
#define XK_MAX_BANNED_NETWORKS	16384
#define XK_MAX_KNOWN_SOURCES	131072
#define XK_MAX_ALLOWED_NETWORKS 512
#define XK_RING_SIZE		(1u << 22) /* bytes: 15,000 records, one for each device and more */

/* Sequences of ports (protocol/sequence.h has the same numbers; daemon/xdp/ asserts it). */
#define XK_SEQUENCE_FIRST      24576 /* a multiple of the next one, which is a power of two */
#define XK_SEQUENCE_PORTS      8192
#define XK_MOST_SEQUENCE_PORTS 10
#define XK_SEQUENCE_SLOTS      3    /* the one that counts, the one before for a moment, and the next one */
#define XK_MAX_SEQUENCES       1000 /* credentials that may knock so */
/* A step of the clock needs old and new slots at once. */
#define XK_MAX_STEPS	       (2 * XK_SEQUENCE_SLOTS * XK_MOST_SEQUENCE_PORTS * XK_MAX_SEQUENCES)
#define XK_MAX_PROGRESS	       16384
#define XK_PROGRESS_LOCKS      1024	     /* a power of two */
#define XK_SEQUENCE_TIME       10000000000ll /* ns from the first port to the last one */
#define XK_MOST_RESETS	       8	     /* of one source: it is not looked at for the rest of the slot */
#define XK_MOST_BEGUN	       (1u << 20)    /* sequences begun in one slot, by all sources */

struct xk_address {
	__u8 bytes[16];
};

/* Key of the banned networks (BPF_MAP_TYPE_LPM_TRIE). */
struct xk_prefix {
	__u32 length; /* bits of the 16-byte form, host order */
	struct xk_address address;
};

/* Map "tags": key __u64, the eight bytes of the tag as they stand in memory. */
struct xk_tag {
	__u64 mac_key[2]; /* SipHash key words k0, k1: its 16 bytes read as little-endian */
	__u64 not_before; /* boot time, ns */
	__u64 expires;	  /* boot time, ns; tags end by it without a daemon too */
	__u64 slot;
	__u32 credential; /* index into "credentials" */
	__u32 pad;
};

/* Map "credentials": array by credential index. */
struct xk_credential {
	__u32 lock;	/* struct bpf_spin_lock on the kernel's side */
	__u32 disabled; /* not zero: no knock of it passes */
	__u64 arrival;	/* theoretical arrival time of the token bucket (GCRA), boot time, ns */
};

/* Map "seen" (LRU hash): key. The value is the slot, __u64. */
struct xk_seen {
	__u64 tag;
	__u64 mac;
};

/* Kinds of records in the ring "candidates". A new way of knocking is a new number. */
enum xk_record_kind {
	XK_RECORD_PACKET = 1,	/* struct xk_packet_record */
	XK_RECORD_SEQUENCE = 2, /* struct xk_sequence_record */
};
#define XK_PACKET_RECORD_VERSION   1
#define XK_SEQUENCE_RECORD_VERSION 1

/*
 * Every record begins with this and holds everything about one knock. The first three members are the header, which a
 * reader checks before anything else. The bytes of its kind follow the last member.
 */
struct xk_record {
	__u16 kind;	   /* enum xk_record_kind */
	__u16 version;	   /* of this kind's layout */
	__u16 length;	   /* bytes of the whole record */
	__u16 source_port; /* host order; 0: the kind has none */
	struct xk_address source;
	struct xk_address destination;
	__u64 arrived; /* boot time, ns */
	__u64 slot;    /* of the tag that matched */
	__u32 credential;
	__u32 interface; /* ingress ifindex */
};

struct xk_packet_record {
	struct xk_record head;
	__u8 packet[XK_PACKET_SIZE];
};

/*
 * The sequences of a slot are a tree. A node is the ports that came so far; the slot's own number is its root, and all
 * other nodes are numbers with the highest bit set. Map "sequence_steps" (hash): from a node by a port to the next
 * node.
 */
struct xk_step_key {
	__u64 node;
	__u16 port; /* host order */
	__u16 pad[3];
};
struct xk_step {
	__u64 next;	  /* node; 0: the sequence is complete */
	__u32 credential; /* of a complete sequence: index into "credentials" */
	__u32 used;	  /* not zero: it was reported already */
};

/* Map "sequence_slots" (array): slot s is in entry s modulo XK_SEQUENCE_SLOTS. */
struct xk_sequence_slot {
	__u64 slot;
	__u64 not_before; /* boot time, ns */
	__u64 expires;	  /* boot time, ns; 0: the entry is empty */
	__u64 begun;	  /* sequences begun, by all sources; the filter counts */
};

/* The ports that a source has sent, in their order. The others are zero. */
struct xk_ports {
	__u16 port[XK_MOST_SEQUENCE_PORTS]; /* host order */
	__u16 count;
	__u16 resets; /* how often a wrong port made it begin again in this slot */
};

/* Map "sequence_progress" (LRU hash): of each source that has sent a right first port. */
struct xk_progress_key {
	struct xk_address source;
	__u64 slot;
};
struct xk_progress {
	__u64 node;
	__u64 since; /* boot time, ns, of the first port */
	struct xk_ports sent;
};

struct xk_sequence_record {
	struct xk_record head;
	struct xk_ports sent;
};

/*
 * Map "counters" (per-CPU array of __u64): one for each exit of the program that drops or judges a packet. The same
 * words are in docs/protocol.md, in docs/control.md and in JSON (lint.exits); a '-' stands there for each '_'.
 */
enum xk_counter {
	XK_TRANSIT,   /* not for an address of ours: passed */
	XK_BANNED,    /* source is banned (packets to any port): dropped */
	XK_LENGTH,    /* not 192 bytes, or lengths disagree: dropped, but for what may be an answer */
	XK_SOURCE,    /* a source that cannot be: dropped */
	XK_TAG,	      /* unknown tag: dropped, but for what may be an answer */
	XK_EXPIRED,   /* tag before or after its time: dropped */
	XK_DISABLED,  /* credential disabled: dropped */
	XK_MAC,	      /* MAC wrong: dropped */
	XK_SEEN,      /* exact copy: dropped */
	XK_RATE,      /* credential's bucket empty: dropped */
	XK_RING_FULL, /* no room in the ring: dropped, and not remembered as seen */
	XK_CANDIDATE, /* pushed to the ring: dropped */
	XK_SYN,	      /* begins a connection to a protected TCP port without a grant: dropped */
	XK_SEQUENCE,  /* the last port of a sequence: pushed to the ring; the packet goes on as if there were none */
	XK_COUNTERS
};

enum xk_stealth {
	XK_STEALTH_DROP = 0,   /* the knock port swallows everything */
	XK_STEALTH_CLOSED = 1, /* the stack answers for it, as for any closed port, and limits its answers itself */
	XK_STEALTH_DRY =
		2, /* a dry run: everything is counted and judged; nothing is dropped, not even a banned source */
};

/* Read-only data of the program; the loader fills it before the verifier sees it. */
struct xk_settings {
	__u16 knock_port; /* network order */
	__u8 stealth;	  /* enum xk_stealth */
	__u8 sequences;	  /* not zero: sequences of ports are looked for */
	__u8 pad[4];
	__u64 knock_interval; /* token bucket: ns for each knock of a credential */
	__u64 knock_burst;    /* token bucket: knocks at once */
};

/*
 * Map "forwarding" (array of one __u32): not zero while this host forwards. Packets that are no knock then pass on to
 * nftables, which knows by connection tracking whether they answer a flow that left from the knock port.
 */

/* The numbers of bans. While one is zero, the packet path does no look-up in that map. They are in .bss, which is
 * pinned as "ban_counts". */
struct xk_bans {
	__u32 addresses;
	__u32 networks;
};

/*
 * Map "syn_guard" (array of one, mapped into the daemon's memory): which SYNs may be dropped. It may be incomplete, and
 * that is safe: where a bit or an address is missing, the packet passes on to nftables, which decides.
 */
#define XK_BITMAP_WORDS 1024 /* 65,536 bits */
#define XK_GUARD_SLOTS	256
struct xk_syn_guard {
	__u32 on;				 /* zero: no SYN is dropped, and nothing else is read */
	__u32 allowed;				 /* there are allowed networks */
	__u64 ports[XK_BITMAP_WORDS];		 /* by TCP port (host order): protected */
	__u64 known[XK_BITMAP_WORDS];		 /* by xk_known_bit(): "known_sources" may hold it */
	__u64 allowed4[XK_BITMAP_WORDS];	 /* by the first 16 bits of the address: "allowed_networks" */
	__u64 allowed6[XK_BITMAP_WORDS];	 /* may hold it */
	struct xk_address local[XK_GUARD_SLOTS]; /* addresses of this host, each in one of its two slots */
};

/* Both halves of an address as they stand in memory. Multiplicative hashing (Knuth, 6.4). */
static inline __u64 xk_address_hash(__u64 first, __u64 last)
{
	return (first * 0xff51afd7ed558ccdULL ^ last) * 0x9e3779b97f4a7c15ULL;
}
static inline __u32 xk_known_bit(__u64 hash)
{
	return (__u32)(hash >> 48);
}
static inline __u32 xk_guard_slot(__u64 hash, int second)
{
	return (__u32)(hash >> (second ? 48 : 56)) & (XK_GUARD_SLOTS - 1);
}

#ifdef __cplusplus
#define XK_ASSERT		static_assert
#define XK_OFFSET(type, member) __builtin_offsetof(type, member)
#else
#define XK_ASSERT		_Static_assert
#define XK_OFFSET(type, member) __builtin_offsetof(struct type, member)
#endif

XK_ASSERT(sizeof(struct xk_address) == 16, "abi");
XK_ASSERT(sizeof(struct xk_prefix) == 20, "abi");
XK_ASSERT(sizeof(struct xk_tag) == 48, "abi");
XK_ASSERT(XK_OFFSET(xk_tag, not_before) == 16 && XK_OFFSET(xk_tag, credential) == 40, "abi");
XK_ASSERT(sizeof(struct xk_credential) == 16 && XK_OFFSET(xk_credential, arrival) == 8, "abi");
XK_ASSERT(sizeof(struct xk_seen) == 16, "abi");
XK_ASSERT(sizeof(struct xk_record) == 64 && XK_OFFSET(xk_record, source) == 8, "abi");
XK_ASSERT(XK_OFFSET(xk_record, arrived) == 40 && XK_OFFSET(xk_record, credential) == 56, "abi");
XK_ASSERT(sizeof(struct xk_packet_record) == 256 && XK_OFFSET(xk_packet_record, packet) == 64, "abi");
XK_ASSERT(sizeof(struct xk_step_key) == 16 && sizeof(struct xk_step) == 16, "abi");
XK_ASSERT(sizeof(struct xk_sequence_slot) == 32, "abi");
XK_ASSERT(sizeof(struct xk_progress_key) == 24 && sizeof(struct xk_progress) == 40, "abi");
XK_ASSERT(sizeof(struct xk_sequence_record) == 88 && XK_OFFSET(xk_sequence_record, sent) == 64, "abi");
XK_ASSERT(sizeof(struct xk_settings) == 24, "abi");
XK_ASSERT(XK_OFFSET(xk_syn_guard, ports) == 8 && XK_OFFSET(xk_syn_guard, local) == 32776, "abi");

#endif
