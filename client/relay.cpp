// SPDX-License-Identifier: MIT
#include "client/relay.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <iterator>
#include <optional>
#include <span>

namespace xk::client {
namespace {

using Clock = std::chrono::steady_clock;

// One direction: reads while there is room, writes while there is something.
class Pipe {
  public:
    Pipe(int from, int to) : from_(from), to_(to) {}

    bool wants_read() const { return !ended_ && end_ < buffer_.size(); }
    bool wants_write() const { return begin_ < end_; }
    // Everything that arrived was passed on.
    bool done() const { return ended_ && !wants_write(); }
    int from() const { return from_; }
    int to() const { return to_; }

    void read() {
        const std::span<char> room = std::span(buffer_).subspan(end_);
        const ssize_t n = ::read(from_, room.data(), room.size());
        if (n > 0)
            end_ += static_cast<std::size_t>(n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            ended_ = true;
    }
    void write() {
        const ssize_t n = ::write(to_, buffer_.data() + begin_, end_ - begin_);
        if (n > 0)
            begin_ += static_cast<std::size_t>(n);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            abandon(errno); // nobody reads it any more
        if (begin_ == end_)
            begin_ = end_ = 0;
    }
    // Nobody is there to read what arrives.
    void abandon(int failure) {
        failure_ = failure;
        ended_ = true;
        begin_ = end_ = 0;
    }
    bool ended() const { return ended_; }
    // The errno that kept data from being passed on; 0: none, or the reader closed.
    int failure() const { return failure_ == EPIPE || failure_ == ECONNRESET ? 0 : failure_; }

  private:
    int from_, to_, failure_ = 0;
    std::array<char, 64 * 1024> buffer_;
    std::size_t begin_ = 0, end_ = 0;
    bool ended_ = false;
};

// After both sides of us are gone, the time that the rest may take to reach a server that may be gone too.
constexpr std::chrono::seconds kLastBytes{3};

constexpr short kGone = POLLERR | POLLHUP;

// The flag belongs to the open file, which a terminal shares with the shell, so it is put back at the end.
class NonBlocking {
  public:
    explicit NonBlocking(int fd) : fd_(fd), flags_(::fcntl(fd, F_GETFL)) { ::fcntl(fd_, F_SETFL, flags_ | O_NONBLOCK); }
    ~NonBlocking() { ::fcntl(fd_, F_SETFL, flags_); }
    NonBlocking(const NonBlocking&) = delete;
    NonBlocking& operator=(const NonBlocking&) = delete;

  private:
    int fd_, flags_;
};

} // namespace

Result<void> relay(Fd socket, int in, int out) {
    // Send each keystroke at once.
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const NonBlocking of_in(in);
    std::optional<NonBlocking> of_out(out);
    const NonBlocking of_socket(socket.get());
    Pipe up(in, socket.get()), down(socket.get(), out);
    bool up_closed = false, down_closed = false, writer_gone = false;
    std::optional<Clock::time_point> end;
    while (!up_closed || !down_closed) {
        pollfd fds[] = {{up.wants_read() ? up.from() : -1, POLLIN, 0},
                        {up.wants_write() ? up.to() : -1, POLLOUT, 0},
                        {down.wants_read() ? down.from() : -1, POLLIN, 0},
                        {down.wants_write() ? down.to() : -1, POLLOUT, 0},
                        // Both are asked about their other end alone. A full buffer, or a network that takes nothing,
                        // must not hide that ssh was killed.
                        {down_closed ? -1 : out, 0, 0},
                        {down_closed && !writer_gone ? in : -1, 0, 0}};
        if (down_closed && (writer_gone || up.ended()) && !end)
            end = Clock::now() + kLastBytes;
        const int patience =
            end ? static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()).count()) : -1;
        if (end && patience <= 0)
            break;
        if (::poll(fds, std::size(fds), patience) < 0 && errno != EINTR)
            return os_error("relaying");
        writer_gone = writer_gone || (fds[5].revents & kGone) != 0;
        if ((fds[4].revents & kGone) != 0 && !down.ended())
            down.abandon(EPIPE);
        if (fds[0].revents != 0)
            up.read();
        if (fds[1].revents != 0)
            up.write();
        if (fds[2].revents != 0)
            down.read();
        if (fds[3].revents != 0)
            down.write();
        if (up.done() && !up_closed) {
            ::shutdown(socket.get(), SHUT_WR);
            up_closed = true;
        }
        if (down.done() && !down_closed) {
            of_out.reset();
            ::shutdown(out, SHUT_WR); // where `in` is the same socket, closing one of them ends nothing
            ::close(out);
            down_closed = true;
        }
    }
    return down.failure() == 0 ? Result<void>() : os_error_of(down.failure(), "passing on what the server said");
}

} // namespace xk::client
