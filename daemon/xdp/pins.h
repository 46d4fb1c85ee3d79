// SPDX-License-Identifier: MIT
//
// The directory of pins on a BPF file system: the names that we give there, who may own them, and how they are removed.
//
//   DIR/maps<ABI>/NAME   maps (pinned_maps.h)
//   DIR/link-INTERFACE   a link; it holds the program
//   DIR/share-INTERFACE  an empty directory: the program is in libxdp's dispatcher (dispatcher.h), which has its own
//                        pins
//   DIR/dry-run          a directory of the same form for a dry run, which knows nothing of the pins above it
#pragma once

#include "protocol/base/result.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace xk::xdp {

// The BPF file system takes no name with a dot, which a VLAN's device has: ':' stands for it. No interface has a colon
// in its name.
std::string pin_of_link(const std::string& pins, const std::string& interface);
std::string pin_of_share(const std::string& pins, const std::string& interface);
std::string pins_of_dry_run(const std::string& pins);

// These look only at the name of an entry of the directory.
bool is_link(std::string_view entry);
bool is_share(std::string_view entry);
bool is_our_pin(std::string_view entry);                // any of the names above; others may put other entries there
std::string interface_of_pin(const std::string& entry); // of "link-" or "share-"

bool has_pin_of_link(const std::string& pins);
bool has_pin_of_share(const std::string& pins);

// Makes the directory and those above it. A new one gets mode 0700 whatever the umask, so that others cannot write into
// it; an existing one stays as it is. Returns an error code if it is not there afterwards.
std::error_code make_directory_of_pins(const std::filesystem::path& path);

// Makes the directory if it is missing. An Error says that it is on no BPF file system, or that another user can write
// to it or owns one of our pins. Such a user may hold the map behind the pin, and could publish tags of their own.
Result<void> check_pin_directory(const std::string& pins);

// The interface of the link that is pinned there; 0 where there is none, or where its interface is gone.
int interface_of_link(const std::string& pin);

// Gives the name `pin` to a link of this interface that has another name, because the interface was renamed. A link
// that has the name already gets the other one.
void rename_pin_of_link(const std::string& pins, int ifindex, const std::string& pin);

// When this returns, no packet meets the program any more.
void detach_link(const std::string& pin);

// Removes a pin of ours, with everything below it. Links are detached.
void remove_pin(const std::filesystem::path& path);

// Takes the filter out of the dispatcher of this share's interface, if it is there still.
Result<void> remove_share(const std::filesystem::path& share);

// Switches the guard of SYNs off in all pinned maps. A filter that stays (in a dispatcher, or for a moment) must not
// drop SYNs to ports that are not protected any more.
void switch_syn_guards_off(const std::string& pins);

} // namespace xk::xdp
