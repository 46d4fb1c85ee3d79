// SPDX-License-Identifier: MIT
//
// Program: the BPF object bpf/knock.bpf.c with its settings, programs and maps. Only program.cpp includes its skeleton,
// so that a change of the object compiles one file of the daemon anew.
#pragma once

#include "protocol/base/result.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct bpf_object;
struct knock_bpf;
struct xk_bans;

namespace xk::xdp {

enum class LinkLayer;

struct FilterSettings {
    std::uint16_t knock_port = 0;
    bool dry_run = false;                                                    // nothing is dropped
    bool answer_as_closed = false;                                           // stealth "closed"
    std::chrono::nanoseconds knock_interval{std::chrono::milliseconds(500)}; // each credential's bucket
    std::uint64_t knock_burst = 32;
    std::uint16_t capyknock_port = 0, fwknop_port = 0; // of old clients; 0: none of them may knock
    bool sequences = false;                            // sequences of ports are looked for
    std::uint32_t c_lock_ports = 0;                    // of a sequence of c-lock; 0: they are not looked for
    std::uint32_t attempts_per_hour = 1;               // at them, and so many at once
    std::vector<std::uint16_t> open_ports;             // which do not count for them; XK_MOST_OPEN_PORTS at most
    bool share = false;        // the interface with other XDP programs, through libxdp's dispatcher
    unsigned run_priority = 0; // among them
};

// The maps of bpf/maps.bpf.h, by their names there.
enum class Map {
    tags,
    credentials,
    seen,
    local_addresses,
    banned_addresses,
    banned_networks,
    candidates,
    counters,
    syn_guard,
    known_sources,
    allowed_networks,
    forwarding,
    sequence_steps,
    sequence_slots,
    hello_peers,
};

// Whether the kernel knows programs that take packets in several pieces (Linux 5.18). It tries to load one, because
// distributions backport. Without them native XDP wants an MTU of largest_mtu_in_a_page() at most (link_layer.h), and
// the kernel refuses a larger one as long as the filter is attached.
bool takes_fragments();

// The name of the program for interfaces of this kind, in bpf/knock.bpf.c.
const char* program_name(LinkLayer layer);

class Program {
  public:
    // Opened and not loaded. Maps that outlive us have their pins in the directory `maps`.
    static Result<Program> open(const FilterSettings& settings, const std::string& maps);

    Program(Program&&) noexcept;
    Program& operator=(Program&&) noexcept;
    ~Program(); // what is pinned or attached stays

    // Opens or makes the maps and loads the programs, which the verifier checks. Returns 0 or a negative errno.
    int load();

    // Makes load() open or make the maps alone, because libxdp loads the programs by itself.
    void leave_programs_out();

    bpf_object* object() const;
    // Call these after load(). The descriptors belong to the object.
    int map_fd(Map map) const;
    int program_fd(LinkLayer layer) const;
    // This memory is the one that the program reads.
    xk_bans& ban_counts() const;

  private:
    struct Destroy {
        void operator()(knock_bpf* skeleton) const;
    };
    explicit Program(knock_bpf* skeleton);
    std::unique_ptr<knock_bpf, Destroy> skeleton_;
};

} // namespace xk::xdp
