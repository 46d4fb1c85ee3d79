// SPDX-License-Identifier: MIT
//
// The filter (bpf/knock.bpf.c) as the privileged process owns it: loaded, pinned, attached. Maps and links are pinned
// below one directory of a BPF file system (pins.h), so that the filter goes on without the daemon. The next daemon
// takes over without a gap: it fills the same maps and exchanges the program behind the same link in one step
// (bpf_link_update, Linux 5.9).
#pragma once

#include "daemon/xdp/program.h"
#include "protocol/base/result.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace xk::xdp {

class Component;

enum class Mode { native, generic, none };
std::string_view name_of(Mode mode);

struct Attachment {
    std::string interface;
    int ifindex = 0;
    Mode mode = Mode::native;
};

class Filter {
  public:
    // Loads the program and opens or makes the pinned maps. Nothing is attached. `pins` is a directory on a BPF file
    // system; it is made if it is missing. Maps of another release are taken over (pinned_maps.h); `note` gets a line
    // for each map that is made anew. With `running`, the filter of this process at the same pins, both work with the
    // same maps, also where somebody removed pins meanwhile.
    static Result<Filter> load(const FilterSettings& settings, const std::string& pins,
                               const std::function<void(const std::string&)>& note, const Filter* running = nullptr);

    Filter(Filter&&) noexcept;
    Filter& operator=(Filter&&) noexcept;
    ~Filter(); // what is pinned stays

    // Attaches to the interface, or takes over the link that is pinned for it. The mode is native; where the driver has
    // none it is generic if `allow_generic`, else an error that names the program in the way, or the MTU. An interface
    // without Ethernet header has generic mode only and needs no permission for it.
    // An interface that was renamed keeps its link: it is found under the old name while no other interface has that,
    // and gets a pin of the new name when the new name is attached.
    Result<Attachment> attach(const std::string& interface, bool allow_generic);

    // Whether the pinned link is still on the interface of this name, or on the one that had it while nobody else does.
    bool is_attached(const Attachment& attachment) const;

    // Detaches from all other interfaces, and removes the pins of other releases' maps.
    void detach_others(const std::vector<std::string>& interfaces);

    // Whether a filter of ours is, or was, attached. has_links(): by a link or in a dispatcher; has_shares(): in a
    // dispatcher.
    static bool has_links(const std::string& pins);
    static bool has_shares(const std::string& pins);

    static std::string pins_of_dry_run(const std::string& pins);

    // Removes every pin below the directory, those of a dry run too, and with them filter and maps; takes the filter
    // out of dispatchers. An error names a dispatcher that still has the filter; everything else is removed
    // nevertheless.
    static Result<void> remove_pins(const std::string& pins);
    static void remove_dry_run(const std::string& pins);

    int map_fd(Map map) const { return program_.map_fd(map); }
    int program_fd(LinkLayer layer) const { return program_.program_fd(layer); }
    int ring_fd() const { return program_.map_fd(Map::candidates); }
    // This memory is the one that the program reads.
    xk_bans& ban_counts() const { return program_.ban_counts(); }

  private:
    Filter(Program program, std::string pins);
    Result<void> make_components(const FilterSettings& settings, const std::string& maps);
    bool is_shared() const { return components_[0] != nullptr; }
    Result<Attachment> take_over(const Attachment& at, LinkLayer layer, const std::string& pin);
    Result<Attachment> attach_alone(Attachment at, LinkLayer layer, bool allow_generic, std::uint32_t mtu);
    Result<Attachment> attach_shared(Attachment at, LinkLayer layer, bool allow_generic);

    Program program_;                                      // the maps alone where components_ have the programs
    std::array<std::unique_ptr<Component>, 2> components_; // by LinkLayer; none where the interface is not shared
    std::string pins_;
};

} // namespace xk::xdp
