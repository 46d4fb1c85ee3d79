// SPDX-License-Identifier: MIT
//
// The ruleset of the configuration that counted last, in the state directory. A start puts it up before it looks at
// anything else: a configuration with a fault, or a host that is not ready, then leaves the ports shut and not open,
// also after a boot. It has no grants, and its owner may be gone: nobody is judged by it.
//
// The file is lines of words, the last one "end":
//   xknock-ruleset 1
//   owned | closed | silent udp/62201 | allow 192.0.2.0/24
//   guard tcp/22 [at=ADDRESS]... [to=ADDRESS]... [port=NUMBER] [cut] [max=NUMBER]
// There is none on trial (an unconfirmed gate must not come back with a boot), in mode "external", with
// "gate.on_failure: open", and after "xknockd --remove".
#pragma once

#include "daemon/nft/ruleset.h"
#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace xk {

inline std::string last_good_file(const std::string& directory) { return directory + "/last_good"; }

// Nothing: there is none. It must belong to root or to whom the directory belongs to.
Result<std::optional<nft::RulesetSpec>> read_last_good(const std::string& directory);

// Written only where it says something else; on the disk then.
Result<void> write_last_good(const std::string& directory, const nft::RulesetSpec& spec);
// On the disk too: a power cut must not bring it back.
Result<void> forget_last_good(const std::string& directory);

// What of a spec outlives a boot, as text: everything but `resets`.
std::string last_good_text(const nft::RulesetSpec& spec);
Result<nft::RulesetSpec> parse_last_good(std::string_view text);

} // namespace xk
