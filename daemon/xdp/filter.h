// SPDX-License-Identifier: MIT
//
// The filter (bpf/knock.bpf.c) as the privileged process owns it: loaded, pinned, attached. Maps and links
// are pinned below one directory of a BPF file system, so that the filter goes on without us and the
// next daemon takes over without a gap: it fills the same maps and exchanges the program behind the same link
// (bpf_link_update, kernel 5.9), which no packet notices.
//
//   DIR/maps<ABI>/NAME   (pinned_maps.h) tags, credentials, seen, local_addresses, banned_*, candidates, counters,
//   ban_counts,
//                        forwarding, and those of syn_guard.h
//   DIR/link-INTERFACE   one for each interface; it holds the program
//   DIR/share-INTERFACE  or, a mere directory: there the program is in libxdp's dispatcher (dispatcher.h), which has
//                        pins of its own
//   DIR/dry-run          such a directory of a dry run, which knows nothing of the pins above it
//
// Every bpf(2) call is made here, in pinned_maps.cpp, in maps.cpp, in syn_guard.cpp or in presence.cpp.
#pragma once

#include "bpf/abi.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct bpf_map;
struct knock_bpf;

namespace xk::xdp {

class Component;
enum class LinkLayer;

struct FilterSettings {
    std::uint16_t knock_port = 0;
    bool dry_run = false;                                                    // nothing is dropped
    bool answer_as_closed = false;                                           // stealth "closed"
    std::chrono::nanoseconds knock_interval{std::chrono::milliseconds(500)}; // each credential's bucket
    std::uint64_t knock_burst = 32;
    bool share = false;        // the interface with other XDP programs, through libxdp's dispatcher
    unsigned run_priority = 0; // among them
};

// DIR/link-INTERFACE, with ':' for each '.' of a VLAN's device.
std::string pin_of_link(const std::string& pins, const std::string& interface);

enum class Mode { native, generic, none };
std::string_view name_of(Mode mode);

struct Attachment {
    std::string interface;
    int ifindex = 0;
    Mode mode = Mode::native;
};

// Whether the kernel knows programs that take packets in several pieces (Linux 5.18): asked, because versions say
// little. Without them native XDP wants an MTU of largest_mtu_in_a_page() at most (link_layer.h), and the kernel
// refuses a larger one as long as the filter is attached.
bool takes_fragments();

class Filter {
  public:
    // Loads the program and opens or makes the pinned maps. Nothing is attached. `pins` is a directory on a BPF
    // file system; it is made if need be. Maps of the release before are taken over (pinned_maps.h); `note` is told
    // of those that are made anew.
    static Result<Filter> load(const FilterSettings& settings, const std::string& pins,
                               const std::function<void(const std::string&)>& note);

    Filter(Filter&&) noexcept;
    Filter& operator=(Filter&&) noexcept;
    ~Filter(); // what is pinned stays

    // Attaches to the interface, or takes over the link that is pinned for it. Native mode; where the driver
    // cannot, generic mode if `allow_generic`, else an error. An interface without Ethernet header has no other mode
    // than generic and needs no leave. The error names the program that is in the way, or the MTU. Where no interface
    // has the name, but one that had it has our link, that one. Where an interface that had another name has our link,
    // that link is this name's from then on.
    Result<Attachment> attach(const std::string& interface, bool allow_generic);

    // Whether the pinned link is still on the interface of this name, or on the one that had it while nobody else does.
    bool is_attached(const Attachment& attachment) const;

    // Takes links away that belong to none of these interfaces.
    void detach_others(const std::vector<std::string>& interfaces);

    // Whether links are pinned there: a filter of ours is, or was, attached. has_shares: in dispatchers.
    static bool has_links(const std::string& pins);
    static bool has_shares(const std::string& pins);

    static std::string pins_of_dry_run(const std::string& pins) { return pins + "/dry-run"; }

    // Takes the filter out of dispatchers, and away every pin below the directory, those of a dry run too, and with it
    // filter and maps. An error is of a dispatcher and says that the filter is in it still; everything else is gone all
    // the same.
    static Result<void> remove_pins(const std::string& pins);
    static void remove_dry_run(const std::string& pins);

    knock_bpf& skeleton() { return *skeleton_; }
    int map_fd(const bpf_map* map) const;
    int ring_fd() const;

  private:
    struct Destroy {
        void operator()(knock_bpf* skeleton) const;
    };
    Filter(std::unique_ptr<knock_bpf, Destroy> skeleton, std::string pins);
    bool is_shared() const { return components_[0] != nullptr; }
    int program_for(LinkLayer layer) const;
    Result<Attachment> take_over(const std::string& interface, int ifindex, LinkLayer layer, const std::string& pin);
    Result<Attachment> attach_shared(const std::string& interface, int ifindex, LinkLayer layer, bool allow_generic);

    std::unique_ptr<knock_bpf, Destroy> skeleton_;         // without programs where components_ have them
    std::array<std::unique_ptr<Component>, 2> components_; // by LinkLayer; none where the interface is not shared
    std::string pins_;
};

} // namespace xk::xdp
