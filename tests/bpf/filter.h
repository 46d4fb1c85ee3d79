// SPDX-License-Identifier: MIT
//
// The real filter, loaded and fed frame by frame through BPF_PROG_TEST_RUN.
#pragma once

#include "frame.h"
#include "protocol/keys.h"
#include "protocol/seal.h"

#include "bpf/abi.h"

#include <doctest/doctest.h>

#include <linux/bpf.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

struct bpf_map;
struct bpf_program;
struct knock_bpf;
struct ring_buffer;

namespace xk::test {

inline Address address(const char* text) { return Address::parse(text).value(); }

inline xk_address abi(const Address& a) {
    xk_address out;
    std::memcpy(out.bytes, a.bytes.data(), sizeof out.bytes);
    return out;
}

struct Verdict {
    int action = -1;                            // XDP_PASS, XDP_DROP
    std::vector<int> counters;                  // the ones that moved, by one each
    std::optional<xk_packet_record> record;     // pushed to the ring
    std::optional<xk_sequence_record> sequence; // a complete one
    std::optional<xk_sequence_record> failure;  // of a source that is not followed any more
    std::vector<std::uint8_t> legacy; // a record of an old client's packet, as long as it lies in the ring; or empty
};

struct MapShape {
    std::string name;
    std::uint32_t type = 0, key_size = 0, value_size = 0, most = 0, flags = 0;
    bool operator==(const MapShape&) const = default;
};

class Filter {
  public:
    static constexpr Slot kSlot = 56666666;
    static constexpr std::uint32_t kCredential = 3;

    // Our addresses are 192.0.2.1 and 2001:db8::1, the knock port is 62201, and the tag of kSlot is published.
    explicit Filter(const std::function<void(xk_settings&)>& change = {});
    ~Filter();
    Filter(const Filter&) = delete;
    Filter& operator=(const Filter&) = delete;

    static const CredentialKeys& keys();
    static std::vector<std::uint8_t> sealed(std::uint8_t seed = 0, Slot slot = kSlot);

    void publish(const CredentialKeys& k, Slot slot, std::uint64_t not_before = 0, std::uint64_t expires = ~0ull,
                 std::uint32_t credential = kCredential, xk_record_kind kind = XK_RECORD_PACKET);
    std::vector<xk_peer> hello_peers() const;
    // The steps of one sequence, and its slot.
    void publish_sequence(const std::vector<std::uint16_t>& ports, Slot slot, std::uint64_t not_before = 0,
                          std::uint64_t expires = ~0ull, std::uint32_t credential = kCredential);
    std::size_t progress_entries() const;
    // Likewise, of c-lock.
    void publish_c_lock(const std::vector<std::uint16_t>& ports, Slot slot, std::uint64_t not_before = 0,
                        std::uint64_t expires = ~0ull, std::uint32_t credential = kCredential);
    std::size_t run_entries() const;
    // As if everything that c-lock's runs, penalties and tokens know had been so much earlier.
    void age_runs(std::uint64_t ns);
    void forgive(const char* source);     // its failed runs of c-lock have no penalty
    std::uint64_t attempts_until() const; // the arrival time of the bucket
    // As if all sources that are followed had sent their first ports so much earlier.
    void age_progress(std::uint64_t ns);
    void fill_legacy_buckets(); // as if no packet of an old client had come for long
    // Nothing is published of sequences of both kinds, and nothing is known of what anybody sent.
    void forget_sequences();
    xk_sequence_slot sequence_slot(Slot slot) const;
    void set_sequence_slot(const xk_sequence_slot& value);
    void add_local(const char* text);
    void ban(const char* text, std::uint64_t until = ~0ull);
    void count_bans(std::uint32_t addresses, std::uint32_t networks);
    // SYNs to tcp/22 of both addresses, from everybody. What the daemon itself writes: syn_guard_test.cpp.
    void guard_ssh();
    void disable(std::uint32_t credential);
    void forward(bool on);

    Verdict run(const Frame& frame, std::uint32_t repeat = 1);
    Verdict run(const FrameSpec& spec) { return run(build(spec)); }
    // As of an interface without Ethernet header.
    Verdict run_bare(const Frame& packet);
    Verdict run_bare(const FrameSpec& spec) { return run_bare(without_ethernet(build(spec))); }

    // Bytes of the program's instructions behind the verifier, which takes out what cannot run.
    std::uint32_t code_size() const;
    MapShape shape_of(const std::string& map) const;

    void stop_consuming() { consume_ = false; }
    void consume();
    std::size_t records() const { return records_; }

  private:
    Verdict run(const bpf_program* program, const Frame& frame, std::uint32_t repeat);
    void publish_steps(std::uint64_t node, const std::vector<std::uint16_t>& ports, std::uint32_t credential);
    template <typename K>
    static std::vector<K> keys_of(const bpf_map* map);
    template <typename K, typename V>
    void update(bpf_map* map, const K& key, const V& value);
    std::vector<std::uint64_t> counters();
    static int on_record(void* self, void* data, std::size_t size);

    knock_bpf* skeleton_;
    ring_buffer* ring_ = nullptr;
    std::optional<xk_packet_record> record_;
    std::optional<xk_sequence_record> sequence_, failure_;
    std::vector<std::uint8_t> legacy_;
    std::vector<std::uint64_t> counted_ = std::vector<std::uint64_t>(XK_COUNTERS);
    std::uint32_t nodes_ = 0;
    std::size_t records_ = 0;
    bool consume_ = true;
};

} // namespace xk::test
