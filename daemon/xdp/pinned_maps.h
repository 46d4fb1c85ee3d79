// SPDX-License-Identifier: MIT
//
// Which of the filter's maps outlive the daemon, and how those of the release before are taken over. Pins are in
// DIR/maps<ABI>/. A map whose meaning and shape are still the same is pinned in the new directory too: both programs
// then work with one map, and no packet falls between them. Of one of another size the entries are copied. What has
// another meaning is begun anew, and its content comes from elsewhere: bans from their file and from nftables, all else
// from the configuration, the ruleset and the worker.
//
// The old pins go after the new filter is attached (Filter::detach_others()). A start that ends before it does all of
// this again.
#pragma once

#include "daemon/xdp/filter.h"

#include <functional>
#include <string>
#include <string_view>

struct bpf_object;

namespace xk::xdp {

// The maps that outlive the daemon, by the name that the filter gives them.
bool is_pinned(std::string_view name);

std::string maps_directory(const std::string& pins);
// Of our own layout but another size: where they are while they are replaced.
std::string misfits_directory(const std::string& pins);
// Whether an entry of the directory for pins is one with maps, of whatever release.
bool is_maps_directory(std::string_view name);

// Before the object is loaded: pins what can stay as it is.
void share_maps_of_before(const bpf_object* object, const std::string& pins);
// After it: copies entries into the maps that could not be shared. `note` is told which of them begin anew.
void copy_maps_of_before(const bpf_object* object, const std::string& pins,
                         const std::function<void(const std::string&)>& note);
// Pins in our own directory that libbpf does not take, because they have another shape, are moved aside, for
// copy_maps_of_before(). How many.
std::size_t move_misfits(const bpf_object* object, const std::string& pins);

} // namespace xk::xdp
