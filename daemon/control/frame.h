// SPDX-License-Identifier: MIT
//
// What goes over the control socket: frames of a length (four bytes, big-endian) and as many bytes of JSON, a
// request answered by one reply. A request is {"verb": ..., more by verb}; a reply is what was asked for,
// or {"error": ..., "hint": ..., "exit": code}.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace xk::control {

inline constexpr std::size_t kMaxRequest = 64 * 1024;
inline constexpr std::size_t kMaxReply = 64 * 1024 * 1024;

// The daemon's word where a client finds no place, not even to wait.
inline constexpr std::string_view kTooMany = R"({"error":"too many clients at once","hint":"try again","exit":75})";

std::string frame(std::string_view json);
// After more was added to a frame.
void set_frame_length(std::string& frame);

// Cuts the first frame off `buffer`. Nothing while it is not whole; an error when it is longer than allowed.
Result<std::optional<std::string>> take_frame(std::string& buffer, std::size_t limit);

// knockctl's side: connects, asks, waits for the reply (at most a minute). Where the daemon has too many clients, it
// asks again, ten seconds long.
Result<std::string> ask(const std::string& socket_path, std::string_view json);

} // namespace xk::control
