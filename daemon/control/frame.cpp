// SPDX-License-Identifier: MIT
#include "daemon/control/frame.h"

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/quote.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

namespace xk::control {
namespace {

constexpr std::size_t kLengthSize = 4;
constexpr timeval kPatience{10, 0};
// A reload of 10,000 devices on a busy machine keeps the daemon from every reply for ten seconds and more.
constexpr timeval kReplyPatience{60, 0};

Result<Fd> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{"the path of the control socket is too long: " + in_quotes(path), {}};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd)
        return os_error("making a socket");
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyPatience, sizeof kReplyPatience);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return fd;
    if (errno == EACCES)
        return Error{"you may not talk to xknockd",
                     "be root, or a member of a group in the configuration's control section"};
    return os_error("connecting to " + in_quotes(path), "is xknockd running? systemctl status xknockd");
}

Result<std::string> send_request_once(const std::string& socket_path, std::string_view json) {
    auto fd = connect_to(socket_path);
    if (!fd)
        return fd.error();
    const std::string out = frame(json);
    for (std::string_view rest = out; !rest.empty();) {
        const ssize_t n = ::send(fd->get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        // A daemon that refuses this client may have closed already. Its reply can still be read.
        if (n < 0 && errno == EPIPE)
            break;
        if (n < 0)
            return os_error("asking xknockd");
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    std::string buffer;
    char chunk[64 * 1024];
    for (;;) {
        auto reply = take_frame(buffer, kMaxReply);
        if (!reply)
            return reply.error();
        if (*reply)
            return **std::move(reply);
        const ssize_t n = ::recv(fd->get(), chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_error("waiting for xknockd");
        if (n == 0)
            return Error{"xknockd closed the connection without an answer", "journalctl -u xknockd"};
        buffer.append(chunk, static_cast<std::size_t>(n));
    }
}

} // namespace

std::string frame(std::string_view json) {
    std::string out(kLengthSize, '\0');
    out += json;
    set_frame_length(out);
    return out;
}

void set_frame_length(std::string& frame) {
    Bytes<kLengthSize> length;
    store_be<std::uint32_t>(length, static_cast<std::uint32_t>(frame.size() - kLengthSize));
    std::copy(length.begin(), length.end(), frame.begin());
}

Result<std::optional<std::string>> take_frame(std::string& buffer, std::size_t limit) {
    if (buffer.size() < kLengthSize)
        return std::optional<std::string>();
    Bytes<kLengthSize> length;
    std::memcpy(length.data(), buffer.data(), length.size());
    const std::size_t size = load_be<std::uint32_t>(length);
    if (size > limit)
        return Error{"a frame of " + std::to_string(size) + " bytes is longer than " + std::to_string(limit), {}};
    if (buffer.size() - kLengthSize < size)
        return std::optional<std::string>();
    std::string json = buffer.substr(kLengthSize, size);
    buffer.erase(0, kLengthSize + size);
    return std::optional(std::move(json));
}

Result<std::string> send_request(const std::string& socket_path, std::string_view json) {
    if (json.size() > kMaxRequest)
        return Error{"the request is longer than " + std::to_string(kMaxRequest) + " bytes", {}};
    const auto deadline = BootClock::now() + std::chrono::seconds(kPatience.tv_sec);
    for (;;) {
        auto reply = send_request_once(socket_path, json);
        if (!reply || !reply->starts_with(kTooMany) || BootClock::now() >= deadline)
            return reply;
        // A random pause, so that the waiting clients do not all come again at the same moment.
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + std::random_device{}() % 80));
    }
}

} // namespace xk::control
