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
#define XK_ABI_VERSION 4

#define XK_PACKET_SIZE	 192 /* UDP payload of every knock */
#define XK_TAG_OFFSET	 0
#define XK_MAC_OFFSET	 8
#define XK_SIGNED_OFFSET 16 /* the MAC covers all from here to the end */

#define XK_MAX_CREDENTIALS	10000
/* The widest skew needs nine slots, and a step of the wall clock needs old and new slots at once. */
#define XK_MAX_PACKET_TAGS	(20 * XK_MAX_CREDENTIALS)
/* Of each credential that may use handshakes the next hellos, and the requests of its sessions. */
#define XK_MAX_HANDSHAKES	1000
#define XK_MAX_TAGS		(XK_MAX_PACKET_TAGS + 80 * XK_MAX_HANDSHAKES)
#define XK_MAX_PEERS		4096
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
/* Sources that are not followed any more are reported, of all sources so many at once and one in each interval. */
#define XK_FAILURE_BURST       8
#define XK_FAILURE_INTERVAL    1000000000ull /* ns */
#define XK_NOBODY	       0xffffffffu   /* xk_record.credential of such a record */

/* Sequences of c-lock. They are in the same maps of steps and slots, under other roots. */
#define XK_C_LOCK_ROOT	     (1ull << 62) /* the root is the slot with this bit */
#define XK_FIRST_C_LOCK_PORT 1024
#define XK_MOST_OPEN_PORTS   16
#define XK_MAX_RUNS	     16384
#define XK_MAX_RIGHT_SOURCES 1024
#define XK_RUN_PAUSE	     2000000000ll /* ns: a port that comes later than this begins another run */
/* ns, after the first, the second and each further failed run: the source is not followed for so long */
#define XK_FIRST_PENALTY     60000000000ull
#define XK_SECOND_PENALTY    600000000000ull
#define XK_LONGEST_PENALTY   3600000000000ull

/* Packets of old clients (docs/protocol.md, "Old clients: the filter"). The lengths are those of the UDP payload. */
#define XK_FEWEST_CAPYKNOCK	  200
#define XK_MOST_CAPYKNOCK	  1024
#define XK_FEWEST_FWKNOP	  140
#define XK_MOST_FWKNOP		  716
#define XK_MOST_LEGACY		  1024 /* the longest of all, a multiple of 8 */
#define XK_LEGACY_ROW		  2048 /* buckets of one row, a power of two; there are two rows */
#define XK_LEGACY_SOURCE_INTERVAL 250000000ll
#define XK_LEGACY_SOURCE_BURST	  24
#define XK_LEGACY_INTERVAL	  2000000ll /* of all sources together */
#define XK_LEGACY_BURST		  500
#define XK_LEGACY_RING		  (XK_RING_SIZE / 4) /* bytes: where so many wait, no packet of an old client is added */

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
	__u32 kind;	  /* enum xk_record_kind: of the records of its packets */
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

/*
 * Map "hello_peers" (LRU hash): from where and to where authentic hellos came. The daemon answers nobody else. The
 * value is the arrival: boot time, ns.
 */
struct xk_peer {
	struct xk_address source;
	struct xk_address destination;
	__u16 source_port; /* host order */
	__u16 pad[3];
};

/* Kinds of records in the ring "candidates". A new way of knocking is a new number. */
enum xk_record_kind {
	XK_RECORD_PACKET = 1,		 /* struct xk_packet_record */
	XK_RECORD_SEQUENCE = 2,		 /* struct xk_sequence_record */
	XK_RECORD_C_LOCK = 3,		 /* struct xk_sequence_record */
	XK_RECORD_HELLO = 4,		 /* struct xk_packet_record */
	XK_RECORD_HANDSHAKE_REQUEST = 5, /* struct xk_packet_record */
	XK_RECORD_CAPYKNOCK = 6,	 /* struct xk_legacy_record, as long as its packet */
	XK_RECORD_FWKNOP = 7,		 /* likewise */
};
#define XK_PACKET_RECORD_VERSION   1
#define XK_SEQUENCE_RECORD_VERSION 1
#define XK_LEGACY_RECORD_VERSION   1

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
 * The sequences of a slot are a tree. A node is the ports that came so far; the slot's own number is its root (of the
 * sequences of c-lock, with XK_C_LOCK_ROOT), and all other nodes are numbers with the highest bit set. Map
 * "sequence_steps" (hash): from a node by a port to the next node.
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

/*
 * Map "c_lock_runs" (LRU hash): of each source of SYNs (IPv6: of its /64), its unfinished run of ports. `sent.resets`
 * is the number of its failed runs, at most 3.
 */
struct xk_run {
	__u64 node[XK_SEQUENCE_SLOTS]; /* by entry of "sequence_slots"; 0: the run is wrong there */
	__u64 last;		       /* boot time, ns, of the last port */
	__u64 muted;		       /* boot time, ns: until then the source is not followed */
	struct xk_ports sent;
	__u16 last_port;
	__u16 pad[3];
};

/* Map "sequence_failures" (array of one struct xk_bucket): of reports of failures. */

/* Map "c_lock_attempts" (array of one): the bucket of all guesses. */
struct xk_attempts {
	__u32 lock; /* struct bpf_spin_lock on the kernel's side */
	__u32 pad;
	__u64 arrival; /* theoretical arrival time (GCRA), boot time, ns */
};

/*
 * Of a complete sequence. Or of a source that is not followed any more after wrong ports: then the credential is
 * XK_NOBODY, the slot is 0, and there are no ports.
 */
struct xk_sequence_record {
	struct xk_record head;
	struct xk_ports sent;
};

/* The ring holds as much of it as the packet has: head.length is sizeof(struct xk_record) and the payload's length. */
struct xk_legacy_record {
	struct xk_record head;
	__u8 packet[XK_MOST_LEGACY];
};

/*
 * Map "legacy_buckets" (array): entry 0 is that of all sources together. Behind it are two rows of buckets by hashes of
 * the source.
 */
struct xk_bucket {
	__u32 lock; /* struct bpf_spin_lock on the kernel's side */
	__u32 pad;
	__u64 arrival; /* theoretical arrival time (GCRA), boot time, ns */
};
#define XK_LEGACY_BUCKETS (1 + 2 * XK_LEGACY_ROW)

/*
 * Map "counters" (per-CPU array of __u64): one for each exit of the program that drops or judges a packet. The same
 * words are in docs/protocol.md, in docs/control.md and in JSON (lint.exits); a '-' stands there for each '_'.
 */
enum xk_counter {
	XK_TRANSIT,	/* not for an address of ours: passed */
	XK_BANNED,	/* source is banned (packets to any port): dropped */
	XK_LENGTH,	/* not 192 bytes, or lengths disagree: dropped, but for what may be an answer */
	XK_SOURCE,	/* a source that cannot be: dropped */
	XK_TAG,		/* unknown tag: dropped, but for what may be an answer */
	XK_EXPIRED,	/* tag before or after its time: dropped */
	XK_DISABLED,	/* credential disabled: dropped */
	XK_MAC,		/* MAC wrong: dropped */
	XK_SEEN,	/* exact copy: dropped */
	XK_RATE,	/* credential's bucket empty: dropped */
	XK_RING_FULL,	/* no room in the ring: dropped, and not remembered as seen */
	XK_CANDIDATE,	/* pushed to the ring: dropped */
	XK_SYN,		/* begins a connection to a protected TCP port without a grant: dropped */
	XK_SEQUENCE,	/* the last port of a sequence: pushed to the ring; the packet goes on as if there were none */
	XK_LEGACY,	/* a packet of an old client: pushed to the ring, dropped */
	XK_LEGACY_FORM, /* to an old client's port, and not of its form: dropped, but for what may be an answer */
	XK_LEGACY_RATE, /* of an old client's form, and too many of the source or of all: dropped */
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
	/* Network order, 0: no such client may knock. Either may be the other one, or the knock port. */
	__u16 capyknock_port;
	__u16 fwknop_port;
	__u8 stealth;			      /* enum xk_stealth */
	__u8 sequences;			      /* not zero: sequences of ports are looked for */
	__u64 knock_interval;		      /* token bucket: ns for each knock of a credential */
	__u64 knock_burst;		      /* token bucket: knocks at once */
	__u64 attempt_interval;		      /* likewise, of all runs of c-lock */
	__u64 attempt_burst;		      /* at once; strangers get half of them */
	__u16 open_ports[XK_MOST_OPEN_PORTS]; /* host order; 0: none */
	__u8 c_lock_ports;		      /* how many a sequence of c-lock has; 0: they are not looked for */
	__u8 pad[7];
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
XK_ASSERT(sizeof(struct xk_peer) == 40 && XK_OFFSET(xk_peer, source_port) == 32, "abi");
XK_ASSERT(sizeof(struct xk_run) == 72 && sizeof(struct xk_attempts) == 16, "abi");
XK_ASSERT(sizeof(struct xk_settings) == 80, "abi");
XK_ASSERT(sizeof(struct xk_legacy_record) == 64 + XK_MOST_LEGACY && XK_MOST_LEGACY % 8 == 0, "abi");
XK_ASSERT(sizeof(struct xk_bucket) == 16 && XK_OFFSET(xk_bucket, arrival) == 8, "abi");
XK_ASSERT(XK_OFFSET(xk_syn_guard, ports) == 8 && XK_OFFSET(xk_syn_guard, local) == 32776, "abi");

#endif
