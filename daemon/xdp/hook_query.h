// SPDX-License-Identifier: MIT
//
// The program at the XDP hook of an interface, for readers that change nothing.
#pragma once

#include "daemon/xdp/filter.h"

#include <cstdint>
#include <string>

namespace xk::xdp {

struct HookQuery {
    std::uint32_t program = 0; // its id; 0: nothing is attached
    Mode mode = Mode::none;
    bool ours = false; // the link that is pinned below `pins` runs it
    std::string name;  // of the program; empty without CAP_SYS_ADMIN
};

// Needs CAP_BPF and CAP_NET_ADMIN. An interface that is not there is an error.
Result<HookQuery> query_hook(const std::string& interface, const std::string& pins);
// `pin`: of the link that is ours.
Result<HookQuery> query_hook_of(const Attachment& at, const std::string& pin);

} // namespace xk::xdp
