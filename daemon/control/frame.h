// SPDX-License-Identifier: MIT
//
// Frames of the control socket: a length (four bytes, big-endian) and as many bytes of JSON. Each request gets one
// reply. A request is {"verb": ..., more fields by verb}. A reply is the verb's object, or {"error": ..., "hint": ...,
// "exit": code}.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace xk::control {

inline constexpr std::size_t kMaxRequest = 64 * 1024;      // bytes of JSON
inline constexpr std::size_t kMaxReply = 64 * 1024 * 1024; // bytes of JSON

// The reply to a client for which there is no place, and no place to wait.
inline constexpr std::string_view kTooMany = R"({"error":"too many clients at once","hint":"try again","exit":75})";

std::string frame(std::string_view json);
// Corrects the length of a frame after more bytes were appended.
void set_frame_length(std::string& frame);

// Cuts the first frame off `buffer` and returns its JSON. Returns nothing while the frame is incomplete. It is an error
// where its length is above `limit` bytes.
Result<std::optional<std::string>> take_frame(std::string& buffer, std::size_t limit);

// For knockctl: connects, sends the request and waits for the reply for at most a minute. While the daemon has too many
// clients it tries again, for at most ten seconds.
Result<std::string> send_request(const std::string& socket_path, std::string_view json);

} // namespace xk::control
