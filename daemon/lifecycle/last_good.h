// SPDX-License-Identifier: MIT
//
// The last good ruleset is the ruleset of the configuration that counted last. It is a file in the state directory. A
// start puts it up before anything else, so that the ports are shut also after a boot, and also if the configuration
// has a fault or the host is not ready. It has no grants.
//
// Each line of the file is a list of words, and the last line is "end":
//   xknock-ruleset 1
//   owned | closed | silent udp/62201 | allow 192.0.2.0/24
//   guard tcp/22 [at=ADDRESS]... [to=ADDRESS]... [port=NUMBER] [cut] [max=NUMBER]
// There is no file on trial (a boot must not bring back a gate that the operator did not confirm), in mode "external",
// with "gate.on_failure: open", and after "xknockd --remove".
#pragma once

#include "daemon/nft/ruleset.h"
#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace xk {

inline std::string last_good_file(const std::string& directory) { return directory + "/last_good"; }

// Empty where there is no file. The file must belong to root or to the owner of the directory.
Result<std::optional<nft::RulesetSpec>> read_last_good(const std::string& directory);

// Writes the file if its content differs, and waits until it is on the disk.
Result<void> write_last_good(const std::string& directory, const nft::RulesetSpec& spec);
// Removes the file, and waits for the disk, because a power cut must not bring it back.
Result<void> forget_last_good(const std::string& directory);

// The text has every field of the spec except `resets`, which depends on the kernel.
std::string last_good_text(const nft::RulesetSpec& spec);
Result<nft::RulesetSpec> parse_last_good(std::string_view text);

} // namespace xk
