// SPDX-License-Identifier: MIT
//
// Lists of rtnetlink(7): routes, rules, interfaces, addresses.
#pragma once

#include "protocol/base/result.h"

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

namespace xk::tools {

using Attributes = std::map<std::uint16_t, const nlattr*>;
using EachMessage = std::function<void(const nlmsghdr*)>;

// Calls `each` with every object of this kind (RTM_GET...); `header` is the size of the fixed part of the messages.
Result<void> dump(std::uint16_t type, std::uint8_t family, std::size_t header, const EachMessage& each);

Attributes attributes_of(const nlmsghdr* message, std::size_t header);

// An attribute of 32 bits, in the byte order of this host.
std::optional<std::uint32_t> number(const Attributes& attributes, std::uint16_t type);

} // namespace xk::tools
