// SPDX-License-Identifier: MIT
//
// The filter's maps that outlive the daemon, and how those of another release are taken over. Pins are in
// DIR/maps<ABI>/. A map whose meaning and shape are still the same is pinned in the new directory too: both programs
// then work with one map, and no packet is lost between them. From a map of another size the entries are copied. A map
// of another meaning begins anew, and its content comes from elsewhere: bans from their file and from nftables, all
// else from the configuration, the ruleset and the worker.
//
// An older release (a downgrade) cannot know what a newer one means by its maps. So each directory has marks, symbolic
// links "since-NAME" to the ABI version from which on the map means what it means; a map whose mark is not newer than
// the reader is taken over in the same way.
//
// The old pins are removed after the new filter is attached (Filter::detach_others()). If a start ends before that, the
// next start does all of this again.
#pragma once

#include "protocol/base/result.h"

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

struct bpf_object;

namespace xk::xdp {

// Whether the filter's map of this name outlives the daemon.
bool is_pinned(std::string_view name);

std::string maps_directory(const std::string& pins);
// Holds pins of our ABI version but another shape while they are replaced.
std::string misfits_directory(const std::string& pins);
// Whether this entry of the pin directory holds maps, of any release.
bool is_maps_directory(std::string_view name);

// Pins the maps of a loaded object again where somebody removed a pin or put something else in its place. The next
// filter of this process must share these maps: the worker reads their ring, and the daemon has their memory mapped.
Result<void> pin_again(const bpf_object* running);

// One for each load of the object.
class MapTakeover {
  public:
    using Note = std::function<void(const std::string&)>;

    MapTakeover(const bpf_object* object, std::string pins);
    ~MapTakeover();
    MapTakeover(const MapTakeover&) = delete;
    MapTakeover& operator=(const MapTakeover&) = delete;

    // Call it before the object is loaded. It moves aside pins that do not have the shape of our maps, and pins earlier
    // maps that can be shared. An Error names a pin that can neither be opened nor moved.
    Result<void> prepare();
    // Call it after that. It copies entries into the maps that could not be shared. `note` gets a line for each map
    // that begins anew.
    void finish(const Note& note);

    struct Source;

  private:
    Result<void> move_misfits();
    void write_mark(std::string_view name, unsigned since) const;

    const bpf_object* object_;
    std::string pins_;
    std::vector<Source> sources_;
    std::set<std::string_view> present_; // names of our own maps that fit
};

} // namespace xk::xdp
